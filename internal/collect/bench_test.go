package collect

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/event"
)

// noLog takes records and forgets them: what is measured is the work before the
// disk.
type noLog struct {
	Log            // says where records would go
	records, bytes int
}

func (l *noLog) Append(_ context.Context, records []event.Record) error {
	l.records += len(records)
	for i := range records {
		l.bytes += records[i].Size()
	}
	return nil
}

// clientEvent is an event as Segment's Node client sends it.
func clientEvent(name, user, id, properties string) string {
	return fmt.Sprintf(`{"timestamp":"2026-11-23T12:00:00.123Z","integrations":{},"event":%q,"type":"track","properties":%s,`+
		`"userId":%q,"context":{"library":{"name":"@segment/analytics-node","version":"2.2.1"},"ip":"198.51.100.7","userAgent":"Mozilla/5.0 (X11; Linux x86_64)"},`+
		`"messageId":"node-next-1732363200123-%s-4f5a-8b1c-0123456789ab","_metadata":{"nodeVersion":"22.1.0","jsRuntime":"node"}}`, name, properties, user, id)
}

func benchCollect(b *testing.B, properties func(i int) (event, body string)) {
	const people, size, bodies = 2000, 100, 64
	bed := newBed(b)
	log := &noLog{Log: bed.log}
	bed.Log = log
	for i := range people {
		bed.chooses(bed.user(fmt.Sprint("customer-", i)), "personalization", consent.Given, monday.Add(-time.Hour))
	}
	var batches [bodies][]byte
	total := 0
	for i := range batches {
		events := make([]string, size)
		for j := range events {
			n := i*size + j
			name, body := properties(n)
			events[j] = clientEvent(name, fmt.Sprint("customer-", n*7919%people), fmt.Sprintf("%08d", n), body)
		}
		batches[i] = []byte(`{"writeKey":"wk","batch":[` + strings.Join(events, ",") + `],"sentAt":"2026-11-23T12:00:01.000Z"}`)
		total += len(batches[i])
	}
	b.SetBytes(int64(total / bodies))
	b.ReportAllocs()
	ctx := context.Background()
	n := 0
	for b.Loop() {
		// A source of its own makes the message ids new ones.
		r, err := bed.Collect(ctx, Request{Source: fmt.Sprint("s", n/bodies), Speaker: server(), Kind: "batch", Body: batches[n%bodies]})
		if err != nil || r.Kept != size {
			b.Fatalf("%+v, %v", r, err)
		}
		n++
	}
	events := float64(n * size)
	b.ReportMetric(events/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/events, "ns/event")
	b.ReportMetric(float64(log.bytes)/events, "B-sealed/event")
}

// BenchmarkViews: batches of 100 events with one piece each, people and keys
// known, everything but the log.
func BenchmarkViews(b *testing.B) {
	benchCollect(b, func(i int) (string, string) {
		return "Product Viewed", fmt.Sprintf(`{"product_id":"sku-%d","name":"A mug","category":"Kitchen","price":12.5,"url":"https://shop.example.com/p/%d"}`, i%5000, i)
	})
}

// BenchmarkOrders: two pieces each, a list of three products.
func BenchmarkOrders(b *testing.B) {
	benchCollect(b, func(i int) (string, string) {
		p := func(k int) string {
			return fmt.Sprintf(`{"product_id":"sku-%d","quantity":%d,"name":"A mug"}`, (i+k)%5000, k)
		}
		return "Order Completed", fmt.Sprintf(`{"order_id":"A-%d","total":99.5,"currency":"EUR","products":[%s,%s,%s]}`, i, p(1), p(2), p(3))
	})
}

// BenchmarkParse: only reading a batch of 100.
func BenchmarkParse(b *testing.B) {
	bed := newBed(b)
	events := make([]string, 100)
	for i := range events {
		events[i] = clientEvent("Product Viewed", fmt.Sprint("customer-", i), fmt.Sprintf("%08d", i), `{"product_id":"sku-1","name":"A mug","category":"Kitchen","price":12.5,"url":"https://shop.example.com/p/1"}`)
	}
	body := []byte(batchOf(events...))
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	for b.Loop() {
		w := bed.batch("web", server())
		if err := w.parse("batch", body); err != nil {
			b.Fatal(err)
		}
		bed.put(w)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*100), "ns/event")
}

// BenchmarkSingle: one event in a request.
func BenchmarkSingle(b *testing.B) {
	bed := newBed(b)
	bed.Log = &noLog{Log: bed.log}
	bed.chooses(bed.user("ada"), "personalization", consent.Given, monday.Add(-time.Hour))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		body := clientEvent("Product Viewed", "ada", fmt.Sprintf("%08d", n), `{"product_id":"sku-1"}`)
		if r, err := bed.Collect(context.Background(), Request{Source: "web", Speaker: server(), Kind: "track", Body: []byte(body)}); err != nil || r.Kept != 1 {
			b.Fatalf("%+v, %v", r, err)
		}
	}
}
