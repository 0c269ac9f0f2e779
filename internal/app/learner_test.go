package app

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"
	"time"

	"accord/internal/collect"
	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
)

// learning is a shop with eight customers who let models learn from them.
type learning struct {
	t    *testing.T
	data string
	*House
}

const learntItem = "an-item-of-somebody"

func newLearning(t *testing.T) *learning {
	l := &learning{t: t, data: newCrash(t).data}
	l.open(time.Hour)
	l.choose(consent.Given)
	for u := range 8 {
		for i := range 4 {
			l.buy(fmt.Sprintf("u%d", u), fmt.Sprintf("m-%d-%d", u, i), fmt.Sprintf("%s-%d", learntItem, (u+i)%6))
		}
	}
	return l
}

func (l *learning) buy(user, message, item string) {
	l.t.Helper()
	body, err := json.Marshal(track(user, message, item))
	l.must(err)
	_, err = l.collector.Collect(l.t.Context(), collect.Request{Source: "shop", Speaker: identity.Server(), Kind: "track", Body: body})
	l.must(err)
}

func (l *learning) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// open opens the directory as a run that learns every so often.
func (l *learning) open(every time.Duration) {
	l.t.Helper()
	h, err := Open(l.t.Context(), Config{Data: l.data, Logger: quiet(), Learn: every})
	l.must(err)
	l.House = h
	l.t.Cleanup(func() { h.Close() }) //nolint:errcheck // a second time, or the test has failed
}

func (l *learning) close() {
	l.t.Helper()
	l.must(l.House.Close())
}

func (l *learning) choose(s consent.State) {
	l.t.Helper()
	people := map[string][]consent.Choice{}
	for u := range 8 {
		for _, p := range []string{"personalization", trainingPurpose} {
			people[fmt.Sprintf("u%d", u)] = append(people[fmt.Sprintf("u%d", u)], consent.Choice{Purpose: declare.PurposeID(p), State: s, At: l.clock.Now(), Method: "api"})
		}
	}
	l.must(l.recordMany(l.t.Context(), people, func(int64, int64) {}))
}

// dated writes the model on disk anew, as one that was learnt so long ago by a
// run with that pace.
func (l *learning) dated(every, age time.Duration) {
	l.t.Helper()
	sealed, err := os.ReadFile(l.learner.file())
	l.must(err)
	plain, err := l.keys.OpenNamed(modelSecret, sealed)
	l.must(err)
	r, err := unpack(plain)
	l.must(err)
	r.every, r.began = every, l.clock.Now().Add(-age)
	plain, err = r.pack()
	l.must(err)
	sealed, err = l.keys.SealNamed(modelSecret, plain)
	l.must(err)
	l.must(os.WriteFile(l.learner.file(), sealed, 0o600))
}

func (l *learning) onDisk() bool {
	_, err := os.Stat(l.learner.file())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		l.t.Fatal(err)
	}
	return err == nil
}

// Promise 3, "shared models have a deadline of their own, returned with the
// acknowledgement and shown to the person": a model that is past it is not put in
// force again, and does not stay on disk.
func TestModelDeadlineHoldsOverARestart(t *testing.T) {
	l := newLearning(t)
	for _, c := range []struct {
		what         string
		stored, then time.Duration // how often models were learnt
		age          time.Duration
		serves       bool
	}{
		{"within the deadline", time.Hour, time.Hour, 90 * time.Minute, true},
		{"past it", time.Hour, time.Hour, 2*time.Hour + time.Minute, false},
		{"past what this run tells people", time.Hour, time.Minute, 3 * time.Minute, false},
		{"past what the last run told people", time.Minute, time.Hour, 3 * time.Minute, false},
		{"of the future", time.Hour, time.Hour, -24 * time.Hour, false},
	} {
		l.must(l.learner.learn(t.Context()))
		l.dated(c.stored, c.age)
		l.close()
		l.open(c.then)
		if serves := l.engine.Model() != nil; serves != c.serves || l.onDisk() != c.serves {
			t.Errorf("a model %s: in force %v, on disk %v", c.what, serves, l.onDisk())
		}
		if wait := l.learner.wait(); wait > c.then {
			t.Errorf("a model %s: the next is learnt in %s, not within %s", c.what, wait, c.then)
		}
	}
}

// A command that learns nothing by itself tells people the deadline by which the
// server's models go, not one of its own.
func TestModelDeadlineOfACommand(t *testing.T) {
	l := newLearning(t)
	l.must(l.learner.learn(t.Context()))
	l.close()
	l.open(0)
	if l.learner.within() != 2*time.Hour {
		t.Errorf("the server learns every hour, and a command says %s", l.learner.within())
	}
}

// A model that is not replaced in time goes at its deadline.
func TestModelDeadlineWithoutANewModel(t *testing.T) {
	l := newLearning(t)
	l.close()
	l.open(150 * time.Millisecond)
	l.must(l.learner.learn(t.Context()))
	if l.engine.Model() == nil || !l.onDisk() {
		t.Fatal("no model was released")
	}
	for end := time.Now().Add(30 * time.Second); l.engine.Model() != nil || l.onDisk(); time.Sleep(5 * time.Millisecond) { // polls the deadline
		if time.Now().After(end) {
			t.Fatal("the model is in force long after its deadline")
		}
	}
	l.must(l.learner.learn(t.Context()))
	if l.engine.Model() == nil {
		t.Error("the next model does not come into force")
	}
}

// A model is as personal as the people it was learnt from: on disk it is sealed.
func TestModelIsSealed(t *testing.T) {
	l := newLearning(t)
	l.must(l.learner.learn(t.Context()))
	b, err := os.ReadFile(l.learner.file())
	l.must(err)
	if bytes.Contains(b, []byte(learntItem)) || len(b) < 100 {
		t.Errorf("the model's file shows what people did (%d bytes)", len(b))
	}
	l.must(os.WriteFile(l.learner.file(), b[:len(b)-1], 0o600))
	l.close()
	l.open(time.Hour)
	if l.engine.Model() != nil || l.onDisk() || l.learner.wait() != 0 {
		t.Error("a damaged model is not learnt anew at once")
	}
}

// After the state was lost, nothing is learnt before it is folded again: it would
// look as if nobody consented, and the model would be taken away.
func TestLearningWaitsForTheFold(t *testing.T) {
	l := newLearning(t)
	l.close()
	l.must(os.RemoveAll(l.directory.file("state")))
	l.open(time.Hour)
	l.must(l.learner.learn(t.Context()))
	if m := l.engine.Model(); m == nil || m.People() != 8 {
		t.Error("the model was learnt before the fold had caught up")
	}
	l.choose(consent.Withdrawn)
	l.must(l.learner.learn(t.Context()))
	if l.engine.Model() != nil || l.onDisk() {
		t.Error("everybody has withdrawn, and a model is left")
	}
}
