package run

import (
	"context"

	"accord/internal/consent"
	"accord/internal/profile"
)

// view opens the view of a grant. For a user whom visitors were proven to be it
// holds theirs too, each cut to a grant of its own, which are returned: the answer
// leaves only if all of them are still good.
func (t *try) view(ctx context.Context, grant consent.Grant) (profile.View, []consent.Grant, error) {
	r := t.runner
	view, err := r.Views.View(ctx, grant)
	if err != nil || !grant.Linked() {
		return view, nil, err
	}
	var others []consent.Grant
	for _, visitor := range r.Gate.Visitors(grant) {
		g, reason := r.Gate.Ask(visitor, t.purpose, consent.Where{}, r.Now())
		if reason != consent.Allowed {
			continue
		}
		v, err := r.Views.View(ctx, g)
		if err != nil {
			return profile.View{}, nil, err
		}
		view, others = profile.Merge(view, v), append(others, g)
	}
	return view, others, nil
}

// release is the gate's last word on an answer: see [consent.Gate.Release].
func (t *try) release(grant consent.Grant, others []consent.Grant) consent.Reason {
	now := t.runner.Now()
	for _, g := range others {
		if why := t.runner.Gate.Release(g, now); why != consent.Allowed {
			return why
		}
	}
	return t.runner.Gate.Release(grant, now)
}
