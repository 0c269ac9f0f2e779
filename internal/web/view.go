package web

import (
	"context"
	"errors"
	"time"
)

// Errors of a [Demo] that the page shows as they are. Every other error is
// logged and shown as "something went wrong".
var (
	ErrNoCustomer = errors.New("there is no such customer: choose one from the list")
	ErrNoSwitch   = errors.New("this purpose has no switch: its legal basis is not a choice")
)

// Demo is the simulated shop behind the page. Its methods may be called at
// once from many goroutines.
type Demo interface {
	// Customers lists whom the page can show, in the order to show them, a few
	// hundred at most.
	Customers(ctx context.Context) []Customer
	// Customer returns one of them, or ErrNoCustomer.
	Customer(ctx context.Context, id string) (CustomerState, error)
	// Choose makes the customer's choice about a purpose and returns when it is
	// in force. It returns ErrNoCustomer or ErrNoSwitch.
	Choose(ctx context.Context, id, purpose string, on bool) (CustomerState, error)
	// Decide returns the customer's next answer.
	Decide(ctx context.Context, id string) (Answer, error)
}

// Customer is one line of the picker.
type Customer struct {
	ID   string
	Name string
	// Personal says that the customer allows personal answers now.
	Personal bool
}

// CustomerState is the chosen customer and their switches.
type CustomerState struct {
	Customer
	Switches []Switch // see [Switches]
}

// Switch is one purpose of the declaration as a customer sees it.
type Switch struct {
	Purpose string // the purpose's id
	Name    string // a short heading
	Text    string // the declaration's plain words
	On      bool
	// Fixed says why there is no switch; "" means that there is one.
	Fixed string
	// Note says how the present state came to be: "never asked", "given on
	// 3 March 2026 (simulated)".
	Note string
}

// Answer is a decision as a customer sees it; [Explain] makes it.
type Answer struct {
	Personal bool
	Items    []Item
	Receipt  Receipt
}

// Item is one product of an answer.
type Item struct {
	ID    string
	Title string
	// Reasons are whole phrases: "because you bought Lunch bag (62 %)".
	Reasons []string
}

// Receipt is a decision's receipt in plain words.
type Receipt struct {
	ID      string
	Time    time.Time
	Used    []string // what personal data was used; empty is none
	Choice  string   // under which choice, or which basis that needs none
	Refused []string // what was not used, and why
	// Otherwise is what would change the answer, and how.
	Otherwise string
	// Kept says when the receipt is on disk.
	Kept string
}

// Activity is one thing that just happened. Exactly one of the pointers is set.
// What they point to must not change after Publish.
type Activity struct {
	Time     time.Time
	Event    *Event
	Decision *Decision
	Refusal  *Refusal
	// Missed is how many activities the subscriber lost just before this one.
	// The feed sets it.
	Missed uint64
}

// Person is whom an activity is about.
type Person struct {
	Name string // "" is somebody who is not known
	// ID is the customer's id on the page, or "" where the page has none.
	ID string
}

// Event is an event that arrived, field by field, without values.
type Event struct {
	Person  Person
	Name    string // of the event
	Kept    []string
	Dropped []Dropped
}

// Dropped are fields that were not kept, for one reason in plain words.
type Dropped struct {
	Why    string
	Fields []string
}

// Decision is an answer that left.
type Decision struct {
	Person   Person
	Personal bool
	Items    []Item // the first few are enough
	Why      string // why it is not personal
}

// Refusal is a read of personal data that the gate refused.
type Refusal struct {
	Person  Person
	Purpose string // its short heading
	Why     string // in plain words
}

// Counters are totals since the start and the present number of customers.
type Counters struct {
	Events, Decisions, Refused uint64
	// Consenting of People allow personal answers.
	People, Consenting int
}
