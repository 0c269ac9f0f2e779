package run

import (
	"context"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/profile"
)

// Linked opens the view of a grant for a purpose. For a user whom visitors were
// proven to be it holds theirs too, each cut to a grant of its own, which are
// returned: what is made of it leaves only if all of them are still good, see
// [Release].
func Linked(ctx context.Context, gate *consent.Gate, views Views, grant consent.Grant, purpose declare.PurposeIndex, now func() time.Time) (profile.View, []consent.Grant, error) {
	view, err := views.View(ctx, grant)
	if err != nil || !grant.Linked() {
		return view, nil, err
	}
	var others []consent.Grant
	for _, visitor := range gate.Visitors(grant) {
		g, reason := gate.Ask(visitor, purpose, grant.Where(), now())
		if reason != consent.Allowed {
			continue
		}
		v, err := views.View(ctx, g)
		if err != nil {
			return profile.View{}, nil, err
		}
		view, others = profile.Merge(view, v), append(others, g)
	}
	return view, others, nil
}

// Release is the gate's last word on what was made of a view of [Linked]: see
// [consent.Gate.Release].
func Release(gate *consent.Gate, grant consent.Grant, others []consent.Grant, now time.Time) consent.Reason {
	for _, g := range others {
		if why := gate.Release(g, now); why != consent.Allowed {
			return why
		}
	}
	return gate.Release(grant, now)
}

func (t *try) view(ctx context.Context, grant consent.Grant) (profile.View, []consent.Grant, error) {
	return Linked(ctx, t.runner.Gate, t.runner.Views, grant, t.purpose, t.runner.Now)
}

func (t *try) release(grant consent.Grant, others []consent.Grant) consent.Reason {
	return Release(t.runner.Gate, grant, others, t.runner.Now())
}
