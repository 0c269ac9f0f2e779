package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
)

type sent struct {
	Type, MessageID, UserID, Event, Timestamp string
	Properties                                struct {
		ProductID string `json:"product_id"`
		OrderID   string `json:"order_id"`
		Products  []struct {
			ProductID string `json:"product_id"`
		}
	}
	Context struct {
		Consent *struct {
			CategoryPreferences map[string]bool
		}
	}
	size int
}

// parse reads a request as net/http does and returns its path and events.
func parse(t *testing.T, wire []byte) (*http.Request, []sent) {
	t.Helper()
	from := bufio.NewReader(bytes.NewReader(wire))
	r, err := http.ReadRequest(from)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if from.Buffered() > 0 {
		t.Fatalf("%d bytes after the request's body", from.Buffered())
	}
	var batch struct{ Batch []json.RawMessage }
	if err := json.Unmarshal(body, &batch); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	if batch.Batch == nil {
		batch.Batch = []json.RawMessage{body}
	}
	var out []sent
	for _, raw := range batch.Batch {
		s := sent{size: len(raw)}
		if err := json.Unmarshal(raw, &s); err != nil {
			t.Fatal(err)
		}
		out = append(out, s)
	}
	return r, out
}

func TestIngestBatch(t *testing.T) {
	in := Ingest{Key: "wk_test", People: 50, NewShare: 0.05, Items: 100, Seed: 7, Run: 99}
	next := IngestBatch(in)
	ids, newcomers, total, bytes := map[string]bool{}, map[string]bool{}, 0, 0
	for i := range uint64(20) {
		r, events := parse(t, next(0, i, nil))
		key, _, ok := r.BasicAuth()
		if r.URL.Path != "/v1/batch" || !ok || key != "wk_test" || len(events) != 100 {
			t.Fatalf("%s with key %q and %d events", r.URL.Path, key, len(events))
		}
		for _, e := range events {
			total, bytes = total+1, bytes+e.size
			if ids[e.MessageID] {
				t.Fatalf("message id %s twice", e.MessageID)
			}
			ids[e.MessageID] = true
			if strings.HasPrefix(e.UserID, "newcomer-") {
				if newcomers[e.UserID] {
					t.Fatalf("newcomer %s twice", e.UserID)
				}
				newcomers[e.UserID] = true
				if e.Event != "Order Completed" || e.Context.Consent != nil {
					t.Fatalf("a newcomer without consent sent %+v", e)
				}
			} else if e.UserID < PersonID(0) || e.UserID > PersonID(49) {
				t.Fatalf("user %s is nobody's", e.UserID)
			}
			item := e.Properties.ProductID
			if e.Event == "Order Completed" {
				item = e.Properties.Products[1].ProductID
			}
			if item < ItemID(0) || item > ItemID(99) {
				t.Fatalf("item %q of %s is not of the assortment", item, e.Event)
			}
		}
	}
	if len(newcomers)*20 != total {
		t.Errorf("%d newcomers in %d events, want 5 %%", len(newcomers), total)
	}
	if mean := bytes / total; mean < 300 || mean > 400 {
		t.Errorf("an event has %d bytes, want 300 to 400", mean)
	}
}

func TestIngestSingle(t *testing.T) {
	next := IngestSingle(Ingest{Key: "k", NewShare: 0.05, Consent: []string{"personalization"}})
	newcomers, orders, ids := 0, 0, map[string]bool{}
	for i := range uint64(1000) {
		r, events := parse(t, next(0, i, nil))
		if r.URL.Path != "/v1/track" || len(events) != 1 {
			t.Fatalf("%s with %d events", r.URL.Path, len(events))
		}
		e := events[0]
		ids[e.MessageID] = true
		if strings.HasPrefix(e.UserID, "newcomer-") {
			newcomers++
			if e.Context.Consent == nil || !e.Context.Consent.CategoryPreferences["personalization"] {
				t.Fatalf("a newcomer's event lacks the consent: %+v", e)
			}
		}
		if e.Event == "Order Completed" {
			orders++
		}
	}
	if len(ids) != 1000 || newcomers != 50 || orders != 100 {
		t.Errorf("%d ids, %d newcomers, %d orders; want 1000, 50 and 100", len(ids), newcomers, orders)
	}
}

// "The same seed and run number give the same bytes, timestamps aside."
func TestScenariosRepeat(t *testing.T) {
	in := Ingest{Key: "k", Seed: 5, Run: 3, NewShare: 0.05}
	strip := func(s sent) sent { s.Timestamp = ""; return s }
	_, a := parse(t, IngestBatch(in)(0, 41, nil))
	_, b := parse(t, IngestBatch(in)(9, 41, make([]byte, 0, 1<<20)))
	for i := range a {
		x, y := strip(a[i]), strip(b[i])
		if x.MessageID != y.MessageID || x.UserID != y.UserID || x.Properties.ProductID != y.Properties.ProductID {
			t.Fatalf("event %d: %+v and %+v", i, x, y)
		}
	}
	in.Run = 4
	_, c := parse(t, IngestBatch(in)(0, 41, nil))
	if a[0].MessageID == c[0].MessageID {
		t.Error("another run sends the same message ids")
	}
	if a[0].UserID != c[0].UserID {
		t.Error("another run is about other people")
	}
}

func TestHistoriesAndEnrolReachEverybody(t *testing.T) {
	in := Ingest{Key: "k", People: 250, Items: 500, Consent: []string{"personalization", "model_training"}}
	next, count := Histories(in, 30)
	history := map[string]int{}
	for i := range count {
		_, events := parse(t, next(0, i, nil))
		for _, e := range events {
			history[e.UserID]++
		}
	}
	next, count = Enrol(in)
	enrolled := map[string]bool{}
	for i := range count {
		_, events := parse(t, next(0, i, nil))
		for _, e := range events {
			if e.Type != "identify" || !e.Context.Consent.CategoryPreferences["model_training"] {
				t.Fatalf("%+v", e)
			}
			enrolled[e.UserID] = true
		}
	}
	for n := range in.People {
		if history[PersonID(n)] < 30 || !enrolled[PersonID(n)] {
			t.Fatalf("%s has %d events, enrolled %v", PersonID(n), history[PersonID(n)], enrolled[PersonID(n)])
		}
	}
	if len(history) != 250 || len(enrolled) != 250 {
		t.Errorf("%d and %d people, want 250", len(history), len(enrolled))
	}
}

func TestDecide(t *testing.T) {
	next := Decide{Key: "sk_test", People: 10, N: 5}.Requests()
	people := map[string]bool{}
	for i := range uint64(200) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(next(0, i, nil))))
		if err != nil {
			t.Fatal(err)
		}
		var ask struct {
			Person struct {
				UserID string `json:"user_id"`
			}
			Purpose string
			N       int
		}
		if err := json.NewDecoder(r.Body).Decode(&ask); err != nil {
			t.Fatal(err)
		}
		if r.URL.Path != "/v1/decide" || r.Header.Get("Authorization") != "Bearer sk_test" || ask.Purpose != "personalization" || ask.N != 5 {
			t.Fatalf("%s %v %+v", r.URL.Path, r.Header, ask)
		}
		people[ask.Person.UserID] = true
	}
	if len(people) != 10 || !people[PersonID(9)] {
		t.Errorf("asked about %v", people)
	}
}

func TestCheckDecide(t *testing.T) {
	yes := true
	check := CheckDecide(1, &yes)
	if err := check(200, []byte(`{"items":[{"id":"P1"}],"personal":true,"receipt":{"id":"r"}}`)); err != nil {
		t.Error(err)
	}
	for says, body := range map[string]string{
		"not a decision": `[]`,
		"0 items":        `{"items":[],"personal":true,"receipt":{"id":"r"}}`,
		"2 items":        `{"items":[1,2],"personal":true,"receipt":{"id":"r"}}`,
		"no receipt":     `{"items":[1],"personal":true}`,
		"whether":        `{"items":[1],"receipt":{"id":"r"}}`,
		"personal=false": `{"items":[1],"personal":false,"receipt":{"id":"r"}}`,
	} {
		if err := check(200, []byte(body)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// BenchmarkNext: making an event costs less than a microsecond.
func BenchmarkNext(b *testing.B) {
	for name, next := range map[string]Next{
		"batch of 100": IngestBatch(Ingest{Key: "k", NewShare: 0.05}),
		"single":       IngestSingle(Ingest{Key: "k", NewShare: 0.05}),
		"decide":       Decide{Key: "k"}.Requests(),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var buf []byte
			i := uint64(0)
			for b.Loop() {
				buf = next(0, i, buf[:0])
				i++
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}
