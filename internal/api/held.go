package api

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"accord/internal/declare"
	"accord/internal/held"
	"accord/internal/identity"
	"accord/internal/notice"
)

func (s *server) registerHeld(api huma.API) {
	huma.Register(api, withProofs(s.operation(huma.Operation{
		Method: http.MethodGet, Path: "/v1/held", OperationID: "get-held", Tags: []string{"consent"},
		Summary:     "What is held about a person now",
		Description: "How much of each declared sort of data is held, since when, until when and what for, in the notice's words and without values. It is read from what is there, not from what may be: what was destroyed is not in it. Data that nothing may use now is shown too. Of a user it is what is held under the visitors that are linked with them as well; a visitor sees only their own. Needs a proof of the person; of somebody who is not known nothing is held.",
		Errors:      []int{401, 403, 429, 503},
	}, withKey)), s.getHeld)
}

type heldInput struct {
	UserID      string `query:"user_id" maxLength:"512" doc:"The shop's id of a customer"`
	AnonymousID string `query:"anonymous_id" maxLength:"512" doc:"The id of a visitor who is not known"`
	Language    string `query:"language" maxLength:"35" doc:"BCP 47; where there is no notice in it, the declaration's own language answers" example:"ru"`
}

type heldOutput struct{ Body heldBody }

type heldBody struct {
	Language    string           `json:"language" doc:"Of the texts, BCP 47"`
	Data        []heldData       `json:"data" doc:"In the order of the declaration"`
	Undeclared  heldCount        `json:"undeclared" doc:"Values of which the declaration says nothing any more: nothing uses them until they are destroyed"`
	Identifiers []heldIdentifier `json:"identifiers" doc:"How the person is known. The ids themselves are not kept: each is found again by a keyed HMAC, until the person is erased"`
	Choices     heldCount        `json:"choices" doc:"Records of what the person chose"`
	Receipts    heldCount        `json:"receipts" doc:"Receipts of answers that were made for the person"`
	Records     string           `json:"records" doc:"How long choices and receipts are kept"`
	Complete    bool             `json:"complete" doc:"Whether all was counted; false where there is more than one answer takes, or something is damaged: the counts are then the least"`
}

// heldCount is how much of something there is. The times are absent where there is
// nothing, or no date.
type heldCount struct {
	Count int        `json:"count"`
	Since *time.Time `json:"since,omitempty" doc:"When the oldest of it was taken in"`
	Until *time.Time `json:"until,omitempty" doc:"When the last of it is destroyed, if nobody chooses anew"`
}

type heldData struct {
	Text     string        `json:"text" doc:"What it is, as the notice says it"`
	Special  bool          `json:"special,omitzero" doc:"Of a special category (GDPR Art. 9)"`
	Count    int           `json:"count" doc:"How many values"`
	Since    *time.Time    `json:"since,omitempty" doc:"When the oldest of them was taken in"`
	Until    *time.Time    `json:"until,omitempty" doc:"When the last of them is destroyed, if nobody chooses anew"`
	InUse    bool          `json:"in_use" doc:"Whether anything may use it now; else it waits, as after an end that nobody proved, or has only its time to run, as what a newer value took the place of"`
	Purposes []heldPurpose `json:"purposes" doc:"What it is kept for"`
}

type heldPurpose struct {
	Purpose string `json:"purpose"`
	Title   string `json:"title"`
	InUse   bool   `json:"in_use" doc:"Whether it may be used for that now"`
}

type heldIdentifier struct {
	Kind  string `json:"kind" enum:"user_id,anonymous_id"`
	Text  string `json:"text" doc:"What it is, as the notice says it"`
	Count int    `json:"count"`
	Kept  string `json:"kept" enum:"hmac" doc:"The form in which it is kept: HMAC-SHA-256 under a secret key"`
}

func (s *server) getHeld(ctx context.Context, in *heldInput) (*heldOutput, error) {
	x := of(ctx)
	id, t, known, err := s.reader(x, person{UserID: in.UserID, AnonymousID: in.AnonymousID})
	if err != nil {
		return nil, err
	}
	if s.Gate.Stops(x.key.Source) {
		return nil, stopped
	}
	told := s.Notices.In(in.Language)
	out := &heldOutput{heldBody{Language: told.Language, Data: []heldData{}, Identifiers: []heldIdentifier{}, Records: told.Records, Complete: true}}
	if !known {
		return out, nil
	}
	words, err := notice.NewWords(s.Declaration, told.Language)
	if err != nil {
		return nil, err
	}
	visitors := s.Book.Visitors(t)
	out.Body.Identifiers = s.heldIdentifiers(words, id.Kind, len(visitors))
	return out, s.count(ctx, &out.Body, told, words, append([]identity.Token{t}, visitors...))
}

// heldIdentifiers are the person's ids by their kinds.
func (s *server) heldIdentifiers(words *notice.Words, asked identity.Kind, visitors int) []heldIdentifier {
	counts := map[identity.Kind]int{identity.AnonymousID: visitors}
	counts[asked]++
	out := []heldIdentifier{}
	for i := range s.Declaration.Identifiers {
		if id := &s.Declaration.Identifiers[i]; counts[id.Kind] > 0 {
			out = append(out, heldIdentifier{id.Kind.String(), words.Identifier(id), counts[id.Kind], "hmac"})
		}
	}
	return out
}

// count fills in what is held under the tokens of a person.
func (s *server) count(ctx context.Context, out *heldBody, told *notice.Notice, words *notice.Words, people []identity.Token) error {
	if s.CaughtUp != nil { // what was taken in a moment ago is held too
		if err := s.CaughtUp(ctx); err != nil {
			return unavailable(err)
		}
	}
	report, err := s.Held.Read(ctx, people...)
	if err != nil {
		return unavailable(err)
	}
	var choices held.Kept
	for _, t := range people {
		records, err := s.Choices.History(ctx, t)
		if err != nil {
			return unavailable(err)
		}
		for i := range records {
			choices = choices.Merge(held.Kept{Count: 1, Since: records[i].Accepted.UTC()})
		}
	}
	out.Choices, out.Receipts, out.Undeclared = countOf(choices), countOf(report.Receipts), countOf(report.Undeclared)
	out.Complete = !report.Partial
	out.Data = heldDataOf(report.Values, told, words)
	return nil
}

func countOf(k held.Kept) heldCount {
	c := heldCount{Count: k.Count}
	if !k.Since.IsZero() {
		c.Since = &k.Since
	}
	if !k.Until.IsZero() {
		c.Until = &k.Until
	}
	return c
}

// heldDataOf says values in words. What reads the same and serves the same, such as
// a product that several events name, is said once.
func heldDataOf(values []held.Values, told *notice.Notice, words *notice.Words) []heldData {
	type line struct {
		text          string
		special       bool
		serves, using declare.Set
	}
	var lines []line
	kept := map[line]held.Kept{}
	words.Fields(func(id declare.NameID, text string) {
		for _, v := range values {
			if v.Field.ID != id {
				continue
			}
			l := line{text, v.Field.Sensitivity == declare.Special, v.For, v.Used}
			if _, twice := kept[l]; !twice {
				lines = append(lines, l)
			}
			kept[l] = kept[l].Merge(v.Kept)
		}
	})
	place := map[string]int{}
	for i := range lines {
		if _, ok := place[lines[i].text]; !ok {
			place[lines[i].text] = i
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int {
		return cmp.Or(cmp.Compare(place[a.text], place[b.text]), cmp.Compare(b.using, a.using), cmp.Compare(b.serves, a.serves))
	})
	out := []heldData{}
	for _, l := range lines {
		n := countOf(kept[l])
		d := heldData{Text: l.text, Special: l.special, Count: n.Count, Since: n.Since, Until: n.Until, InUse: l.using != 0, Purposes: []heldPurpose{}}
		for i := range told.Purposes { // in the order of the declaration
			if p := declare.PurposeIndex(i); l.serves.Has(p) {
				d.Purposes = append(d.Purposes, heldPurpose{told.Purposes[i].ID, told.Purposes[i].Title, l.using.Has(p)})
			}
		}
		out = append(out, d)
	}
	return out
}
