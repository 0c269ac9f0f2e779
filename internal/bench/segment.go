package bench

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Next makes the bytes of request i; see [Load.Next].
type Next = func(worker int, i uint64, buf []byte) []byte

// Ingest describes a stream of Segment events: nine in ten "Product Viewed",
// one in ten "Order Completed" with two lines, 300 to 400 bytes each, as the
// declaration that `accord init` writes names them.
type Ingest struct {
	// Key is a write key or a secret server key. Only a secret key may speak
	// for user ids without a shop token.
	Key string
	// Batch is the events of one request, 1 to 1,000; 0 is 100. [IngestSingle]
	// does not use it.
	Batch int
	// People is how many known people the events are about: PersonID(0) to
	// PersonID(People-1). 0 is 10,000.
	People int
	// NewShare is the share of events (0 to 1) that are about somebody never
	// seen before. Without Consent these are all orders, which stand on
	// contract, so that a new person's keys are really made.
	NewShare float64
	// Consent lists the categories that a new person's event gives in
	// context.consent; none by default.
	Consent []string
	// Items is the size of the assortment, ItemID(0) to ItemID(Items-1), at most
	// 100,000; 0 is 5,000.
	Items int
	// Seed chooses people and items. Run tells this run's message ids and new
	// people from those of other runs against the same data: the time will do.
	Seed, Run uint64

	pick func(e uint64) (person, item uint64)
}

// PersonID is the user id of known person n.
func PersonID(n int) string { return fmt.Sprintf("customer-%012d", n) }

// ItemID is the id of product n, n < 100,000.
func ItemID(n int) string { return fmt.Sprintf("P%05d", n) }

// period is after how many single events the pattern of kinds repeats; shares
// of new people are exact to 1/period.
const period = 100

// IngestBatch returns POST /v1/batch requests.
func IngestBatch(in Ingest) Next {
	in = in.filled()
	t := in.template("/v1/batch", 0, in.Batch, `{"batch":[`, `]}`)
	return func(_ int, i uint64, buf []byte) []byte { return in.patch(&t, i*uint64(in.Batch), buf) }
}

// IngestSingle returns POST /v1/track requests of one event.
func IngestSingle(in Ingest) Next {
	in = in.filled()
	templates := make([]template, period)
	for k := range templates {
		templates[k] = in.template("/v1/track", k, 1, "", "")
	}
	return func(_ int, i uint64, buf []byte) []byte { return in.patch(&templates[i%period], i, buf) }
}

// Histories returns the requests that give each of the people a history of
// perPerson events, and how many requests that takes. Tastes are clustered, so
// that a model has something to learn: four in five of a person's items come
// from one of fifty parts of the assortment, its first ones most often.
func Histories(in Ingest, perPerson int) (next Next, count uint64) {
	in = in.filled()
	in.NewShare = 0
	people, items, seed := uint64(in.People), uint64(in.Items), in.Seed
	in.pick = func(e uint64) (person, item uint64) {
		person = e / uint64(perPerson) % people
		r := mix(seed, e)
		if r%5 == 0 {
			return person, (r >> 8) % items
		}
		part := max(items/50, 1)
		// The product of two even draws favours the small.
		skewed := (r >> 8 & 0xffff) * (r >> 24 & 0xffff) >> 16 * part >> 16
		return person, (mix(seed, person)%50*part + skewed) % items
	}
	return IngestBatch(in), requests(in.People*perPerson, in.Batch)
}

// Enrol returns the requests with which every known person gives consent to the
// categories, and how many requests that takes. The key must be a secret one.
func Enrol(in Ingest) (next Next, count uint64) {
	in = in.filled()
	people := uint64(in.People)
	var t template
	t.open("/v1/batch", in.Key)
	t.text(`{"batch":[`)
	for k := range in.Batch {
		t.comma(k)
		var s slot
		t.text(`{"type":"identify","messageId":"%016x-enrol-`, in.Run)
		s.message = t.hole(16)
		t.text(`","userId":"customer-`)
		s.person = t.hole(12)
		t.text(`","timestamp":"`)
		s.stamp = t.hole(len(stampLayout))
		t.text(`","context":{%s"library":{"name":"accord-bench","version":"1"}},"traits":{}}`, consentContext(in.Consent))
		t.slots = append(t.slots, s)
	}
	t.text(`]}`)
	t.close()
	in.pick = func(e uint64) (person, item uint64) { return e % people, 0 }
	return func(_ int, i uint64, buf []byte) []byte { return in.patch(&t, i*uint64(in.Batch), buf) }, requests(in.People, in.Batch)
}

func requests(events, batch int) uint64 { return uint64((events + batch - 1) / batch) }

func (in Ingest) filled() Ingest {
	if in.Batch == 0 {
		in.Batch = 100
	}
	if in.People == 0 {
		in.People = 10_000
	}
	if in.Items == 0 {
		in.Items = 5_000
	}
	in.Batch = min(max(in.Batch, 1), 1000)
	in.People = max(in.People, 1)
	in.Items = min(max(in.Items, 1), 100_000)
	if in.pick == nil {
		people, items, seed := uint64(in.People), uint64(in.Items), in.Seed
		in.pick = func(e uint64) (person, item uint64) {
			r := mix(seed, e)
			return r % people, (r >> 20) % items
		}
	}
	return in
}

// fresh reports whether the k-th event of a pattern is about somebody new: the
// events at which the share, added up, passes a whole number.
func (in Ingest) fresh(k int) bool {
	k %= period
	return int(float64(k+1)*in.NewShare+1e-9) > int(float64(k)*in.NewShare+1e-9)
}

// template is a whole request with holes.
type template struct {
	bytes []byte
	body  int // where the body begins
	slots []slot
}

// slot is where the holes of one event are; 0 is no such hole, since no hole is
// at a request's first byte.
type slot struct {
	message, person, newcomer, order, stamp int
	items                                   [2]int
}

const stampLayout = "2006-01-02T15:04:05.000Z"

func (in Ingest) template(path string, first, events int, open, shut string) template {
	var t template
	t.open(path, in.Key)
	t.text("%s", open)
	for k := range events {
		t.comma(k)
		t.event(in, first+k)
	}
	t.text("%s", shut)
	t.close()
	return t
}

// event adds the k-th event of the pattern.
func (t *template) event(in Ingest, k int) {
	var s slot
	isNew := in.fresh(k)
	t.text(`{"type":"track","messageId":"%016x-`, in.Run)
	s.message = t.hole(16)
	if isNew {
		t.text(`","userId":"newcomer-%016x-`, in.Run)
		s.newcomer = t.hole(16)
	} else {
		t.text(`","userId":"customer-`)
		s.person = t.hole(12)
	}
	t.text(`","timestamp":"`)
	s.stamp = t.hole(len(stampLayout))
	consent := ""
	if isNew {
		consent = consentContext(in.Consent)
	}
	if k%10 == 9 || isNew && consent == "" {
		t.order(&s)
	} else {
		t.view(&s)
	}
	t.text(`,"context":{%s"library":{"name":"accord-bench","version":"1"},"locale":"en-GB"}}`, consent)
	t.slots = append(t.slots, s)
}

func (t *template) view(s *slot) {
	t.text(`","event":"Product Viewed","properties":{"product_id":"P`)
	s.items[0] = t.hole(5)
	t.text(`","name":"Red retrospot lunch bag","category":"Bags","brand":"Sample","price":12.50,"currency":"GBP","position":3}`)
}

func (t *template) order(s *slot) {
	t.text(`","event":"Order Completed","properties":{"order_id":"O-`)
	s.order = t.hole(16)
	t.text(`","total":31.20,"products":[{"product_id":"P`)
	s.items[0] = t.hole(5)
	t.text(`","quantity":2,"price":12.5},{"product_id":"P`)
	s.items[1] = t.hole(5)
	t.text(`","quantity":1,"price":6.2}]}`)
}

func consentContext(categories []string) string {
	if len(categories) == 0 {
		return ""
	}
	parts := make([]string, len(categories))
	for i, c := range categories {
		parts[i] = strconv.Quote(c) + ":true"
	}
	return `"consent":{"categoryPreferences":{` + strings.Join(parts, ",") + `}},`
}

// lengthDigits is the width of Content-Length, filled in when the body is there.
// Leading zeros are digits like others (RFC 9110 8.6: 1*DIGIT).
const lengthDigits = 8

// open begins a request. The key goes where Segment's libraries put it.
func (t *template) open(path, key string) {
	t.head(path, "Basic "+base64.StdEncoding.EncodeToString([]byte(key+":")))
}

func (t *template) head(path, authorization string) {
	t.text("POST %s HTTP/1.1\r\nHost: localhost\r\nUser-Agent: accord-bench\r\nAuthorization: %s\r\nContent-Type: application/json\r\nContent-Length: ", path, authorization)
	t.body = t.hole(lengthDigits)
	t.text("\r\n\r\n")
}

// close fills in the body's length.
func (t *template) close() {
	at := t.body
	t.body = at + lengthDigits + 4
	decimals(t.bytes[at:at+lengthDigits], uint64(len(t.bytes)-t.body))
}

func (t *template) text(format string, v ...any) { t.bytes = fmt.Appendf(t.bytes, format, v...) }

func (t *template) comma(k int) {
	if k > 0 {
		t.text(",")
	}
}

// hole leaves n bytes to patch and returns where.
func (t *template) hole(n int) int {
	at := len(t.bytes)
	t.bytes = append(t.bytes, strings.Repeat("0", n)...)
	return at
}

// patch appends the request whose first event has number e.
func (in *Ingest) patch(t *template, e uint64, buf []byte) []byte {
	buf = append(buf, t.bytes...)
	var stamp [len(stampLayout)]byte
	now := time.Now().UTC().AppendFormat(stamp[:0], stampLayout)
	for k := range t.slots {
		s := &t.slots[k]
		person, item := in.pick(e)
		hexes(buf[s.message:], e)
		copy(buf[s.stamp:], now)
		if s.person > 0 {
			decimals(buf[s.person:s.person+12], person)
		} else {
			hexes(buf[s.newcomer:], e)
		}
		if s.order > 0 {
			hexes(buf[s.order:], e)
		}
		for _, at := range s.items {
			if at > 0 {
				decimals(buf[at:at+5], item)
				item = (item + 7) % uint64(in.Items)
			}
		}
		e++
	}
	return buf
}

// decimals writes v into all of b, with leading zeros.
func decimals(b []byte, v uint64) {
	for i := len(b) - 1; i >= 0; i-- {
		b[i] = byte('0' + v%10)
		v /= 10
	}
}

// hexes writes v into the first 16 bytes of b.
func hexes(b []byte, v uint64) {
	const digits = "0123456789abcdef"
	for i := 15; i >= 0; i-- {
		b[i] = digits[v&15]
		v >>= 4
	}
}

// mix is SplitMix64 of a seed and a counter: even, cheap and repeatable.
func mix(seed, i uint64) uint64 {
	z := seed + (i+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
