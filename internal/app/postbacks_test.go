package app

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// applePostback is the example of Apple's documentation for the developer settings of a
// device, signed by Apple.
const applePostback = `{"jws-string":"eyJraWQiOiJhcHBsZS1kZXZlbG9wbWVudC1pZGVudGlmaWVyXC8xIiwiYWxnIjoiRVMyNTYifQ.eyJwb3N0YmFjay1pZGVudGlmaWVyIjoiODU1NDZFQjctRkQzOS00NEJDLTg5OTAtQzk4QTRBQzM2QTQ5IiwicHVibGlzaGVyLWl0ZW0taWRlbnRpZmllciI6MCwibWFya2V0cGxhY2UtaWRlbnRpZmllciI6ImNvbS5hcHBsZS5BcHBTdG9yZSIsImltcHJlc3Npb24tdHlwZSI6ImFwcC1pbXByZXNzaW9uIiwiYWQtbmV0d29yay1pZGVudGlmaWVyIjoiZGV2ZWxvcG1lbnQuYWRhdHRyaWJ1dGlvbmtpdCIsImRpZC13aW4iOnRydWUsInBvc3RiYWNrLXNlcXVlbmNlLWluZGV4IjowLCJjb252ZXJzaW9uLXR5cGUiOiJyZS1lbmdhZ2VtZW50Iiwic291cmNlLWlkZW50aWZpZXIiOiIxMjM0IiwiYWR2ZXJ0aXNlZC1pdGVtLWlkZW50aWZpZXIiOjEwNzM4MDI3NzU2fQ.bAdNwKd6OfHK9tofvjjua4X_JPcFTxXPQSspD9gZkinw97pY7R1aI-LSjl-oxZZF3_K2H5JK5TSEBee4_1U4oQ","conversion-value":24,"ad-interaction-type":"click","country-code":"US"}`

// TestPostbacksSurvive: what was answered with 200 is counted after a kill -9, once,
// however often the device sends it.
func TestPostbacksSurvive(t *testing.T) {
	c := newCrash(t)
	must(t, os.WriteFile(filepath.Join(c.data, "attribution.yaml"), []byte("apps: [\"10738027756\"]\ndevelopment: \"yes\"\n"), 0o600))
	for range 3 {
		addr, kill := startServer(t, c.data)
		for range 2 {
			must(t, c.ask(t.Context(), "POST", "http://"+addr+"/.well-known/appattribution/report-attribution/", json.RawMessage(applePostback), nil))
		}
		var got struct {
			Counts []struct {
				Item  uint64
				Count int
			}
		}
		must(t, c.ask(t.Context(), "GET", "http://"+addr+"/v1/attribution", nil, &got))
		if len(got.Counts) != 1 || got.Counts[0].Item != 10738027756 || got.Counts[0].Count != 1 {
			t.Errorf("%+v", got)
		}
		kill()
	}
	must(t, os.WriteFile(filepath.Join(c.data, "attribution.yaml"), []byte("apps: []\n"), 0o600))
	if _, err := Open(t.Context(), Config{Data: c.data}); err == nil || !strings.Contains(err.Error(), "attribution.yaml:1: apps is empty") {
		t.Errorf("a file that lists no app: %v", err)
	}
}
