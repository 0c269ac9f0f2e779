// Package decide is the contract between the one decision path and its engines.
//
// An [Engine] turns an [Ask] and a [profile.View] into items with scores and
// reasons. It never sees who is asked about: the view is already cut to its
// grant, and the zero view stands for everybody else. The runner (package
// decide/run) asks the gate, opens the view, calls the engine, checks the gate
// again when the answer leaves, and writes the [Receipt].
//
// To add an engine, make a package below this one that imports this contract
// and the pure packages only, and register it in package app.
//
// Promises kept here: 6 (every personal decision has a receipt; its fields are
// here and nowhere else).
//
// Non-goals: permission, storage, transport.
package decide

import (
	"context"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
	"accord/internal/profile"
)

// Limits of an Ask.
const (
	MaxItems = 100 // n
	MaxList  = 500 // session items and exclusions, each
)

// Moment is what may be known without knowing the person: where and when the
// answer will be shown, and the items of the present session.
type Moment struct {
	Time    time.Time
	Place   string // a declared place, such as "London" or "shop-7"; optional
	Channel string // "web", "app", "till", …; optional
	Session []string
}

// Ask is a question to an engine.
type Ask struct {
	Purpose declare.PurposeID
	Moment  Moment
	Exclude []string // items that must not be answered
	N       int      // 1 ≤ N ≤ MaxItems
	// Language, a BCP 47 tag, is what whoever sees the answer reads; "" is the
	// declaration's own.
	Language string
}

// Engine answers asks. It must be safe for concurrent use, must not keep the
// view, and must not start work that outlives the call.
type Engine interface {
	// Name is the engine's stable name, such as "recommend".
	Name() string
	// Decide answers ask. With a view that is not Personal it answers from the
	// moment alone. It fails only when it cannot answer at all.
	Decide(ctx context.Context, ask Ask, view profile.View) (Result, error)
}

// Result is what an engine says.
type Result struct {
	Items []Item
	// Personal reports whether the view changed what was answered. An engine
	// that got a view and could not use it says false.
	Personal bool
	// Model names the version of what was learnt, such as "ease-20261123T1200Z".
	Model string
	// Used lists the declared kinds of data that the answer rests on, in words
	// of the declaration: "purchase", "view", "cart", "trait:size".
	Used []Use
}

// Use is a kind of personal data and how many values of it were used.
type Use struct {
	Kind  string `json:"kind" doc:"What sort of personal data" example:"purchase"`
	Count int    `json:"count" doc:"How many values of it"`
}

// Item is one product in an answer.
type Item struct {
	ID      string   `json:"id" doc:"The product's id in the catalogue"`
	Score   float64  `json:"score" doc:"The engine's score; only comparable within one answer"`
	Reasons []Reason `json:"reasons" doc:"What made the score, the strongest first"`
}

// Reason is one true cause of an item's score.
type Reason struct {
	// Code is "because_item" (something the person did with Item), "session"
	// (an item of the present session), "told" (the person said that they like its
	// Category), "popular", or "catalogue" (nothing was learnt that could say more
	// than the catalogue's own order).
	Code     string  `json:"code" enum:"because_item,session,told,popular,catalogue" doc:"The kind of cause"`
	Item     string  `json:"item,omitempty" doc:"The product that caused it"`
	Action   string  `json:"action,omitempty" doc:"What the person did with that product" example:"purchase"`
	Category string  `json:"category,omitempty" doc:"The category that the person told they like" example:"Kitchen > Mugs"`
	Share    float64 `json:"share" doc:"The cause's part of the score, 0 to 1"`
}

// Receipt says why an answer is what it is. It is part of the answer, carries a
// MAC, and is kept for the person (promise 6).
type Receipt struct {
	ID         string              `json:"id" doc:"Fetch it again at /v1/receipts/{id}"`
	Controller identity.Controller `json:"controller" doc:"The brand that answers for the data"`
	Time       time.Time           `json:"time" doc:"When the answer was released"`
	Purpose    declare.PurposeID   `json:"purpose"`
	Basis      string              `json:"basis" doc:"The legal basis of the purpose" enum:"consent,contract,legal_obligation,legitimate_interest,opt_out"`
	Personal   bool                `json:"personal" doc:"Whether personal data changed the answer"`
	// Decision is the gate's answer: "allowed" or why not.
	Decision string `json:"decision" doc:"The gate's answer: allowed, or the reason's code" example:"no_choice"`
	Why      string `json:"why" doc:"The same in plain words"`
	// Choice is the sequence of the choice that permitted or refused.
	Choice      uint64    `json:"choice,omitempty" doc:"The sequence of the choice that it stands on"`
	Synthetic   bool      `json:"synthetic,omitempty" doc:"The choice was simulated; no human made it"`
	Declaration string    `json:"declaration" doc:"The version (hash) of the declaration in force"`
	Engine      string    `json:"engine"`
	Model       string    `json:"model,omitempty" doc:"The version of the model"`
	Used        []Use     `json:"used" doc:"What personal data was used"`
	Refused     []Refusal `json:"refused" doc:"What was not used and why"`
	Items       []string  `json:"items" doc:"The answered items in order"`
	// Otherwise says in plain words what would change the answer.
	Otherwise string `json:"otherwise,omitempty" doc:"What would have been otherwise, and how the person changes it"`
	// Obligations are shown wherever the answer is, personal or not.
	Obligations []declare.Obligation `json:"obligations,omitempty" doc:"Texts that whoever shows the answer must show with it"`
	// Supersedes is the receipt of an earlier try of the same answer that was
	// written but never released, because the person's choice changed.
	Supersedes string `json:"supersedes,omitempty" doc:"An earlier try that was never released"`
	// Durable says when the receipt is on disk: "before" the answer left,
	// "after" (within a second), or "no" (nobody to keep it for).
	Durable string `json:"durable" enum:"before,after,no" doc:"When the receipt is kept"`
	// MAC is HMAC-SHA-256 in base64url over the receipt's JSON without it, under
	// the server's receipt key: the person can hold the server to it.
	MAC string `json:"mac,omitempty" doc:"The server's MAC over the rest of the receipt"`
}

// Refusal is data that the gate did not let through.
type Refusal struct {
	Purpose declare.PurposeID `json:"purpose"`
	Reason  string            `json:"reason" doc:"The reason's code"`
	Why     string            `json:"why" doc:"The same in plain words"`
}

// Answer is what leaves the runner.
type Answer struct {
	Items    []Item
	Personal bool
	Receipt  Receipt
	// Sequence is the place of the person's newest choice among all choices when the
	// answer was begun, 0 for nobody and for whoever is not proven. An answer that is
	// kept is kept under this and the model, and not used beyond them.
	Sequence uint64
	// ReceiptJSON is Receipt as it was written down and MACed: JSON, the field
	// "mac" last. Send these bytes, so that the person holds what the server
	// holds.
	ReceiptJSON []byte
}

// Refused returns the refusal of a purpose for a reason of the gate.
func Refused(p declare.PurposeID, r consent.Reason) Refusal {
	return Refusal{Purpose: p, Reason: r.Code(), Why: r.String()}
}
