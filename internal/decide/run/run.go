// Package run is the one path of a decision: ask the gate, open the view, call
// the engine, check the gate again, leave a receipt.
//
//	ask → gate → view → engine → gate again → answer + receipt
//
// The second look at the gate is the fence (promise 3). An answer is released
// when [consent.Gate.Release] allowed it; if the person's choice changed while
// the engine worked, the work is thrown away and done again, and after
// [attempts] tries the un-personal answer leaves. In every doubt (a closed
// gate, a vault that fails, a grant that ran out) the answer is un-personal and
// says why.
//
// Promises kept here: 2 (a view is opened against a grant only), 3 (the fence),
// 6 (every decision about a known person has a receipt; where the purpose says
// "before" it is durable before the answer leaves, and elsewhere within a second:
// while the log does not keep up with that, no answer about a known person leaves).
//
// Non-goals: who may ask (package api proves the speaker), what to answer (the
// engines).
package run

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"accord/internal/consent"
	"accord/internal/decide"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
	"accord/internal/profile"
	"accord/internal/signal"
	"accord/internal/vault"
)

// attempts is how often a personal answer is tried when choices change beneath
// it, before the un-personal one leaves.
const attempts = 3

// Views opens views. The vault is the only implementation.
type Views interface {
	View(ctx context.Context, g consent.Grant) (profile.View, error)
}

// Subject is whom an answer is for. The zero Subject is nobody.
type Subject struct {
	// Named reports whether the request named a person at all.
	Named bool
	// Known reports whether anything is held about them; Token is theirs.
	Known bool
	Token identity.Token
	// Proof is how the speaker proved to speak for them.
	Proof identity.Proof
	// Source is who asks, by the name of the API key.
	Source string
	// Where is what the request tells the gate.
	Where consent.Where
	// Signalled are the purposes that a signal refused before, and about which the
	// person said nothing since.
	Signalled declare.Set
}

// Activity is what happened, without values, for whoever watches.
type Activity struct {
	Time     time.Time
	Person   string // short token, "" for nobody
	Purpose  declare.PurposeID
	Personal bool
	Reason   consent.Reason
	Items    []decide.Item
	Receipt  string
}

// Config is what a Runner needs. All but Observe is required.
type Config struct {
	Declaration *declare.Declaration
	Gate        *consent.Gate
	Views       Views
	Engines     []decide.Engine
	Journal     *Journal
	Now         func() time.Time
	// Signals has the words for somebody whose signal was honoured; optional.
	Signals *signal.Table
	// Observe, if set, is told of every decision. It must not block.
	Observe func(Activity)
}

// Runner answers asks. It is safe for concurrent use.
type Runner struct {
	Config
	engines []decide.Engine // by purpose index; nil where none may answer
	counts  counters
}

// New returns a runner. A purpose that names an engine which is not given is an
// error: better at the start than at the first question.
func New(c Config) (*Runner, error) {
	r := &Runner{Config: c, engines: make([]decide.Engine, len(c.Declaration.Purposes))}
	for i, p := range c.Declaration.Purposes {
		for _, name := range p.Engines {
			at := slices.IndexFunc(c.Engines, func(e decide.Engine) bool { return e.Name() == name })
			if at < 0 {
				return nil, fmt.Errorf("purpose %q names the engine %q, which this server does not have", p.ID, name)
			}
			r.engines[i] = c.Engines[at]
		}
	}
	return r, nil
}

// PurposeError is returned for a purpose that cannot be decided on.
type PurposeError struct {
	Purpose declare.PurposeID
	Known   bool // the declaration has it, but names no engine for it
	// Others are the purposes that can be decided on.
	Others []declare.PurposeID
}

// Error says what to do.
func (e *PurposeError) Error() string {
	text := fmt.Sprintf("the declaration has no purpose %q", e.Purpose)
	if e.Known {
		text = fmt.Sprintf("the purpose %q names no engine", e.Purpose)
	}
	if len(e.Others) == 0 {
		return text + ": name one under \"engines\" of a purpose in the declaration, such as recommend"
	}
	return fmt.Sprintf("%s; those that can be asked for: %q", text, e.Others)
}

// purposeError refuses a purpose, and names those that have an engine.
func (r *Runner) purposeError(id declare.PurposeID, known bool) error {
	e := &PurposeError{Purpose: id, Known: known}
	for i, engine := range r.engines {
		if engine != nil {
			e.Others = append(e.Others, r.Declaration.Purposes[i].ID)
		}
	}
	return e
}

// Decide answers ask for a subject. It returns a *PurposeError for a purpose
// that cannot be decided on, and an error when a receipt that must be durable
// first could not be written, when receipts are not durable in time (ErrBehind),
// or when the engine cannot answer at all.
func (r *Runner) Decide(ctx context.Context, who Subject, ask decide.Ask) (decide.Answer, error) {
	purpose, ok := r.Gate.Purpose(ask.Purpose)
	if !ok {
		return decide.Answer{}, r.purposeError(ask.Purpose, false)
	}
	engine := r.engines[purpose]
	if engine == nil {
		return decide.Answer{}, r.purposeError(ask.Purpose, true)
	}
	t := try{runner: r, who: who, ask: ask, purpose: purpose, engine: engine}
	for n := range attempts {
		t.personal = n < attempts-1
		answer, released, err := t.once(ctx)
		if err != nil || released {
			return answer, err
		}
		r.counts.redone.Add(1)
	}
	return decide.Answer{}, fmt.Errorf("purpose %q: no answer could be released", ask.Purpose)
}

// try is the state of one decision over its attempts.
type try struct {
	runner     *Runner
	who        Subject
	ask        decide.Ask
	purpose    declare.PurposeIndex
	engine     decide.Engine
	personal   bool           // whether a personal answer may still be tried
	changed    consent.Reason // why the last attempt was not released
	supersedes string
}

// once makes one attempt and reports whether its answer may leave.
func (t *try) once(ctx context.Context) (decide.Answer, bool, error) {
	r := t.runner
	var sequence uint64
	if t.kept() {
		sequence = r.Gate.Sequence(t.who.Token) // before it is asked: an older one is never used for long
	}
	grant, reason := t.permission()
	var view profile.View
	var others []consent.Grant
	if grant.Valid() {
		var err error
		if view, others, err = t.view(ctx, grant); errors.Is(err, vault.ErrNoGrant) {
			// The choice changed, or the grant ran out, between the two.
			t.changed = consent.DeniedChanged
			return decide.Answer{}, false, nil
		} else if err != nil {
			// The vault is in doubt, so the answer is un-personal.
			grant, view, reason = consent.Grant{}, profile.View{}, consent.DeniedClosed
			r.counts.doubts.Add(1)
		}
	}
	result, err := t.engine.Decide(ctx, t.ask, view)
	if err != nil {
		return decide.Answer{}, false, fmt.Errorf("engine %s: %w", t.engine.Name(), err)
	}
	answer := decide.Answer{Items: result.Items, Personal: result.Personal && grant.Valid(), Sequence: sequence}
	answer.Receipt = t.receipt(grant, reason, result)
	answer.ReceiptJSON = r.Journal.seal(&answer.Receipt)
	keep, err := t.keep(ctx, &answer)
	if err != nil {
		return decide.Answer{}, false, fmt.Errorf("the receipt could not be kept, so the answer must not leave: %w", err)
	}
	// From here nothing waits: what the gate allows is what leaves.
	if grant.Valid() {
		if why := t.release(grant, others); why != consent.Allowed {
			keep(false)
			t.changed, t.supersedes = why, ""
			if answer.Receipt.Durable == "before" {
				t.supersedes = answer.Receipt.ID
			}
			return decide.Answer{}, false, nil
		}
	}
	keep(true)
	r.counts.count(answer.Personal, reason)
	if r.Observe != nil {
		r.Observe(Activity{Time: answer.Receipt.Time, Person: t.short(), Purpose: t.ask.Purpose, Personal: answer.Personal, Reason: reason, Items: answer.Items, Receipt: answer.Receipt.ID})
	}
	return answer, true, nil
}

// keep does what may wait or fail for the answer's receipt: it makes one durable
// that must be so before, and takes a place for one that is written after. What
// it returns is told whether the answer leaves, and does not wait. An answer that
// the gate made un-personal has a receipt too, and the same holds for it.
func (t *try) keep(ctx context.Context, a *decide.Answer) (leaves func(bool), err error) {
	j := t.runner.Journal
	switch a.Receipt.Durable {
	case "before":
		return func(bool) {}, j.Before(ctx, t.who.Token, a.Receipt.ID, a.ReceiptJSON)
	case "after":
		return j.After(t.who.Token, a.Receipt.ID, a.ReceiptJSON)
	}
	return func(bool) {}, nil
}

// permission asks the gate, after what the request itself rules out.
func (t *try) permission() (consent.Grant, consent.Reason) {
	switch {
	case !t.who.Named:
		return consent.Grant{}, consent.DeniedNobody
	case t.runner.Gate.Stops(t.who.Source):
		return consent.Grant{}, consent.DeniedStopped
	case t.who.Proof == identity.Unproven:
		return consent.Grant{}, consent.DeniedUnproven
	case !t.who.Known:
		return consent.Grant{}, consent.DeniedUnknownPerson
	case !t.personal:
		return consent.Grant{}, t.changed
	}
	return t.runner.Gate.Ask(t.who.Token, t.purpose, t.who.Where, t.runner.Now())
}

// kept reports whether there is a proven person to keep a receipt for.
func (t *try) kept() bool { return t.who.Known && t.who.Proof != identity.Unproven }

func (t *try) short() string {
	if !t.kept() {
		return ""
	}
	return t.who.Token.Short()
}

func (t *try) receipt(grant consent.Grant, reason consent.Reason, result decide.Result) decide.Receipt {
	r := t.runner
	purpose := &r.Declaration.Purposes[t.purpose]
	receipt := decide.Receipt{
		ID: newID(), Controller: r.Declaration.Controller(), Time: r.Now().UTC().Truncate(time.Millisecond),
		Purpose: purpose.ID, Basis: purpose.Basis.String(), Personal: result.Personal && grant.Valid(),
		Decision: reason.Code(), Why: reason.String(), Declaration: r.Declaration.Hash,
		Engine: t.engine.Name(), Model: result.Model, Used: []decide.Use{}, Refused: []decide.Refusal{},
		Supersedes: t.supersedes, Durable: "no",
	}
	if grant.Valid() {
		receipt.Choice, receipt.Synthetic = grant.Choice(), grant.Synthetic()
		receipt.Used = append(receipt.Used, result.Used...)
	} else {
		receipt.Refused = append(receipt.Refused, decide.Refused(purpose.ID, reason))
	}
	receipt.Obligations = t.shown(grant)
	receipt.Otherwise = otherwise(purpose, reason, receipt.Personal)
	receipt.Items = make([]string, len(result.Items))
	for i := range result.Items {
		receipt.Items[i] = result.Items[i].ID
	}
	if t.kept() {
		receipt.Durable = "after"
		if purpose.Receipt == declare.ReceiptBefore {
			receipt.Durable = "before"
		}
	}
	return receipt
}

// shown returns the texts that go with the answer: those of the declaration, what the
// law wants shown with what is done under a grant, and that a signal was honoured.
func (t *try) shown(grant consent.Grant) []declare.Obligation {
	r := t.runner
	out := r.Declaration.Obligations(&r.Declaration.Purposes[t.purpose], t.ask.Language)
	more := grant.Shows(t.ask.Language)
	if (t.who.Where.Deny | t.who.Signalled).Has(t.purpose) {
		more = append(more, t.honoured()...)
	}
	if len(more) == 0 {
		return out
	}
	return append(slices.Clip(out), more...)
}

// honoured tells a person that their signal was honoured, in the law's words if it has
// some.
func (t *try) honoured() []declare.Obligation {
	r := t.runner
	var person identity.Token
	if t.kept() {
		person = t.who.Token
	}
	texts := r.Gate.Honoured(person, t.purpose, t.who.Where, t.ask.Language, r.Now())
	if len(texts) == 0 && r.Signals != nil {
		texts = []declare.Obligation{{Code: consent.ShowHonoured, Text: r.Signals.Shown(t.ask.Language, string(r.Declaration.Languages[0]))}}
	}
	return texts
}

// otherwise says what would change the answer, in the words of the person it is
// about.
func otherwise(p *declare.Purpose, reason consent.Reason, personal bool) string {
	id := cmp.Or(p.Title, string(p.ID)) // as the person reads it beside the switch
	switch reason {
	case consent.Allowed:
		switch {
		case !personal:
			return "The purpose is allowed, but nothing is known yet that changes the answer."
		case p.Basis == declare.Consent:
			return "Withdraw your consent for \"" + id + "\" and the next answer is the same as for everybody."
		case p.Basis == declare.OptOut || p.Basis == declare.LegitimateInterest:
			return "Object to \"" + id + "\" and the next answer is the same as for everybody."
		}
		return ""
	case consent.DeniedNoChoice, consent.DeniedRefused, consent.DeniedWithdrawn, consent.DeniedExpired:
		return "Give your consent for \"" + id + "\" and later answers use what you do from then on."
	case consent.DeniedNoticeChanged, consent.DeniedUnknownNotice:
		return "Read what is done for \"" + id + "\" now and give your consent again, and later answers are personal."
	case consent.DeniedObjected:
		return "Take back your objection to \"" + id + "\" and later answers use what you do from then on."
	case consent.DeniedUnproven:
		return "Send the shop's signed token, the visitor's token or a secret key, so that the server knows who asks."
	}
	return ""
}

func newID() string {
	var id event.ID
	rand.Read(id[:]) //nolint:errcheck // crypto/rand.Read never fails since Go 1.24
	return hex.EncodeToString(id[:])
}
