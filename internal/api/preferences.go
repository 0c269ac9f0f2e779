package api

import (
	"context"
	"crypto/rand"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-json-experiment/json"

	"accord/internal/auth"
	"accord/internal/collect"
	"accord/internal/consent"
	"accord/internal/decide/run"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
)

// registerPreferences makes the routes by which a person tells what they prefer,
// instead of being watched for it.
func (s *server) registerPreferences(api huma.API) {
	huma.Register(api, withProofs(s.operation(huma.Operation{
		Method: http.MethodPut, Path: "/v1/preferences", OperationID: "put-preferences", Tags: []string{"consent"},
		Summary:     "Tell what a person likes and would rather not see",
		Description: "Categories of the catalogue; one holds those below it. A list takes the place of the one before, an empty one takes back what was told, and one that is absent stays. It is kept only where one of its purposes holds (see purposes in the answer), and when this answers it counts in the next decision. Needs a proof of the person. An identify call with the same traits does the same.",
		Errors:      []int{400, 401, 403, 408, 413, 422, 429, 503},
	}, withKey)), s.putPreferences)
	huma.Register(api, withProofs(s.operation(huma.Operation{
		Method: http.MethodGet, Path: "/v1/preferences", OperationID: "get-preferences", Tags: []string{"consent"},
		Summary:     "What a person told, and for what it is used now",
		Description: "Needs a proof of the person. What no purpose may use now is not shown. Of a user it is the newest that they or their linked visitors told, as in answers; a visitor sees only their own.",
		Errors:      []int{401, 403, 422, 429, 503},
	}, withKey)), s.getPreferences)
}

// preferences are what can be told: the attributes of the type categories.
type preferences struct {
	Likes  []string `json:"likes,omitempty" maxItems:"20" doc:"Categories that answers should hold more of" example:"[\"Kitchen > Mugs\"]"`
	Avoids []string `json:"avoids,omitempty" maxItems:"20" doc:"Categories that answers should hold less of"`
}

type putPreferencesInput struct {
	Body struct {
		Person      person      `json:"person" doc:"Who tells"`
		Preferences preferences `json:"preferences"`
	}
}

type preferencesOutput struct{ Body preferencesBody }

type preferencesBody struct {
	Preferences preferences `json:"preferences" doc:"What is used now"`
	// Kept is absent where nothing was told.
	Kept     *bool          `json:"kept,omitempty" doc:"Whether what was told is kept: not where no purpose held"`
	Purposes []purposeHolds `json:"purposes" doc:"What preferences are used for"`
}

type purposeHolds struct {
	Purpose string `json:"purpose"`
	Text    string `json:"text" doc:"What the purpose is, in plain words"`
	Holds   bool   `json:"holds" doc:"Whether preferences are used for it now"`
	Reason  string `json:"reason" doc:"The gate's answer: allowed, or why not" example:"no_choice"`
	Why     string `json:"why" doc:"The same in plain words"`
}

func (s *server) putPreferences(ctx context.Context, in *putPreferencesInput) (*preferencesOutput, error) {
	x := of(ctx)
	id, err := s.teller(x, in.Body.Person, "body.person")
	if err != nil {
		return nil, err
	}
	traits, err := s.traits(&in.Body.Preferences)
	if err != nil {
		return nil, err
	}
	lookup := s.People.Hasher().Lookup(id)
	if x.key.Kind != auth.Secret && !s.chooses.take(string(lookup[:]), 1, s.Now()) {
		s.metrics.limited.Inc()
		return nil, tooMany
	}
	kept, err := s.tell(ctx, x, id, traits)
	if err != nil {
		return nil, err
	}
	out, err := s.told(ctx, id)
	if err != nil {
		return nil, err
	}
	out.Body.Kept = &kept
	return out, nil
}

func (s *server) getPreferences(ctx context.Context, in *getConsentInput) (*preferencesOutput, error) {
	x := of(ctx)
	id, err := s.teller(x, person{UserID: in.UserID, AnonymousID: in.AnonymousID}, "query")
	if err != nil {
		return nil, err
	}
	lookup := s.People.Hasher().Lookup(id)
	if x.key.Kind != auth.Secret && !s.reads.take(string(lookup[:]), 1, s.Now()) {
		s.metrics.limited.Inc()
		return nil, tooMany
	}
	return s.told(ctx, id)
}

// teller returns the person, whom the speaker must have proved to be. A source that
// was stopped tells and reads nothing.
func (s *server) teller(x *exchange, p person, location string) (identity.Identifier, error) {
	id, err := s.identifier(p, location)
	if err == nil && x.speaker.Proves(id) == identity.Unproven {
		err = unproven
	}
	if err == nil && s.Gate.Stops(x.key.Source) {
		err = stopped
	}
	return id, err
}

// traits checks what is told and returns it as the traits of an identify call.
func (s *server) traits(p *preferences) (map[string][]string, error) {
	traits := map[string][]string{}
	for path, list := range map[string][]string{declare.Likes: p.Likes, declare.Avoids: p.Avoids} {
		if list == nil {
			continue
		}
		if f, ok := s.Declaration.Attribute(path); !ok || f.Type != declare.Categories {
			return nil, invalid("body.preferences."+path, "is not declared here: the declaration needs an attribute "+path+" of type categories")
		}
		if _, ok := event.CategoriesValue(list); !ok {
			return nil, invalid("body.preferences."+path, "is not a list of at most 20 names of categories, each of 1 to 300 bytes")
		}
		traits[path] = list
	}
	if len(traits) == 0 {
		return nil, invalid("body.preferences", "tells nothing: send likes or avoids, empty to take back what was told")
	}
	return traits, nil
}

// tell hands traits to the collector, the one way in for what is kept of people,
// and returns when they show in answers. It reports whether they are kept.
func (s *server) tell(ctx context.Context, x *exchange, id identity.Identifier, traits map[string][]string) (bool, error) {
	call := map[string]any{"type": "identify", "messageId": rand.Text(), "traits": traits}
	if id.Kind == identity.UserID {
		call["userId"] = id.Value
	} else {
		call["anonymousId"] = id.Value
	}
	body, err := json.Marshal(call)
	if err != nil {
		return false, err
	}
	r, err := s.Collector.Collect(ctx, collect.Request{Source: x.key.Source, Speaker: x.speaker, Where: x.where(""), Place: x.place, Honour: s.honouring(x), Kind: "identify", Body: body})
	if err != nil {
		return false, s.unrecorded(err)
	}
	if r.Kept > 0 && s.CaughtUp != nil {
		if err := s.CaughtUp(ctx); err != nil {
			return false, unavailable(err)
		}
	}
	return r.Kept > 0, nil
}

// told returns what a person told as far as a purpose may use it now.
func (s *server) told(ctx context.Context, id identity.Identifier) (*preferencesOutput, error) {
	t, known, err := s.find(id)
	if err != nil {
		return nil, err
	}
	out := &preferencesOutput{Body: preferencesBody{Purposes: []purposeHolds{}}}
	serves := s.toldPurposes()
	x := of(ctx)
	where := x.where("")
	if known {
		where = x.whereOf(ctx, t, x.speaker.Proves(id))
	}
	for i, reason := range s.Gate.Why(t, where, s.Now()) {
		purpose := declare.PurposeIndex(i)
		if !serves.Has(purpose) {
			continue
		}
		if reason == consent.Allowed && known {
			if reason, err = s.toldFor(ctx, t, purpose, where, &out.Body.Preferences); err != nil {
				return nil, err
			}
		}
		p := &s.Declaration.Purposes[i]
		out.Body.Purposes = append(out.Body.Purposes, purposeHolds{string(p.ID), p.Text, reason == consent.Allowed, reason.Code(), reason.String()})
	}
	return out, nil
}

// toldPurposes are the purposes that the declaration lets use what people tell.
func (s *server) toldPurposes() (all declare.Set) {
	for _, path := range []string{declare.Likes, declare.Avoids} {
		if f, ok := s.Declaration.Attribute(path); ok && f.Type == declare.Categories {
			all |= f.Class.Purposes
		}
	}
	return all
}

// toldFor fills in what a purpose may use now, where no other purpose has shown it
// yet. It goes the way of every answer: ask, view, ask again; of a user it is also
// what their visitors told.
func (s *server) toldFor(ctx context.Context, t identity.Token, purpose declare.PurposeIndex, where consent.Where, out *preferences) (consent.Reason, error) {
	grant, reason := s.Gate.Ask(t, purpose, where, s.Now())
	if reason != consent.Allowed {
		return reason, nil
	}
	view, others, err := run.Linked(ctx, s.Gate, s.Views, grant, purpose, s.Now)
	if err != nil {
		return reason, unavailable(err)
	}
	likes, avoids := view.Categories(declare.Likes), view.Categories(declare.Avoids)
	if reason = run.Release(s.Gate, grant, others, s.Now()); reason != consent.Allowed {
		return reason, nil
	}
	if out.Likes == nil {
		out.Likes = likes
	}
	if out.Avoids == nil {
		out.Avoids = avoids
	}
	return reason, nil
}
