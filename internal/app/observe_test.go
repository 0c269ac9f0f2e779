package app

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

var metricName = regexp.MustCompile(`accord_[a-z_]+`)

// docs/metrics.md lists what /metrics has, all of it and nothing else.
func TestMetricsAreDocumented(t *testing.T) {
	c := newCrash(t)
	h, err := Open(t.Context(), Config{Data: c.data, Logger: quiet(), Learn: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close() //nolint:errcheck // a read-only test
	handler, err := h.handler(h.access)
	if err != nil {
		t.Fatal(err)
	}
	var served string
	for _, path := range []string{"/nothing", "/metrics"} { // a fault has a count
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.SetBasicAuth(c.key, "")
		handler.ServeHTTP(w, r)
		served = w.Body.String()
	}
	listed, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	var has []string
	for _, line := range regexp.MustCompile(`(?m)^# TYPE (accord_[a-z_]+) `).FindAllStringSubmatch(served, -1) {
		has = append(has, line[1])
	}
	documented := metricName.FindAllString(string(listed), -1)
	for _, name := range has {
		if !slices.Contains(documented, name) {
			t.Errorf("docs/metrics.md does not list %s", name)
		}
	}
	for _, name := range documented {
		if !slices.Contains(has, name) && !strings.HasPrefix(name, "accord_http_") { // some of those come with the first time
			t.Errorf("docs/metrics.md lists %s, which the server does not have", name)
		}
	}
	if len(has) < 20 {
		t.Errorf("only %d metrics were found", len(has))
	}
}
