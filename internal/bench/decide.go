package bench

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Decide describes a stream of questions about known people.
type Decide struct {
	// Key is a secret server key.
	Key string
	// People are asked about at random: PersonID(0) to PersonID(People-1). 0 is
	// 10,000.
	People int
	// Purpose of the decision; "" is "personalization".
	Purpose string
	// N is how many items each answer should have; 0 is 10.
	N    int
	Seed uint64
}

// Requests returns POST /v1/decide requests:
//
//	{"person":{"user_id":"customer-000000000042"},"purpose":"personalization","n":10}
func (d Decide) Requests() Next {
	return d.about(func(i uint64) uint64 { return mix(d.Seed, i) })
}

// Everybody returns requests about each person once, and how many those are.
func (d Decide) Everybody() (Next, uint64) {
	return d.about(func(i uint64) uint64 { return i }), uint64(d.People)
}

// about returns requests of which the i-th is about person(i) modulo People.
func (d Decide) about(person func(i uint64) uint64) Next {
	if d.People <= 0 {
		d.People = 10_000
	}
	if d.Purpose == "" {
		d.Purpose = "personalization"
	}
	if d.N <= 0 {
		d.N = 10
	}
	var t template
	t.head("/v1/decide", "Bearer "+d.Key)
	t.text(`{"person":{"user_id":"customer-`)
	at := t.hole(12)
	t.text(`"},"purpose":%q,"n":%d}`, d.Purpose, d.N)
	t.close()
	people := uint64(d.People)
	return func(_ int, i uint64, buf []byte) []byte {
		buf = append(buf, t.bytes...)
		decimals(buf[at:at+12], person(i)%people)
		return buf
	}
}

// CheckDecide returns a check of answers to [Decide]: JSON with n items and a
// receipt, personal as wanted. A nil personal takes either.
func CheckDecide(n int, personal *bool) func(status int, body []byte) error {
	return func(_ int, body []byte) error {
		var a struct {
			Items    []json.RawMessage `json:"items"`
			Personal *bool             `json:"personal"`
			Receipt  struct {
				ID string `json:"id"`
			} `json:"receipt"`
		}
		if err := json.Unmarshal(body, &a); err != nil {
			return fmt.Errorf("the answer is not a decision: %w", err)
		}
		switch {
		case len(a.Items) != n:
			return fmt.Errorf("the decision has %d items, not %d", len(a.Items), n)
		case a.Receipt.ID == "":
			return errors.New("the decision has no receipt")
		case a.Personal == nil:
			return errors.New("the decision does not say whether it is personal")
		case personal != nil && *a.Personal != *personal:
			return fmt.Errorf("the decision says personal=%v, not %v", *a.Personal, *personal)
		}
		return nil
	}
}
