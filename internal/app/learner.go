package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"accord/internal/decide/recommend"
	"accord/internal/profile"
)

// trainingPurpose is the purpose under which models are learnt: the bulk view
// holds only people whose choice permits it.
const trainingPurpose = "model_training"

// defaultLearn is how often a model is learnt.
const defaultLearn = 10 * time.Minute

// learner learns a new model on a schedule and swaps it in while the old one
// answers. What a person withdrew is gone from the models by the next release
// but one at the latest: that is the deadline that a withdrawal is answered
// with.
type learner struct {
	house *House
	every time.Duration

	mu      sync.Mutex // guards a training under way: one at a time
	stop    context.CancelFunc
	done    chan struct{}
	trained atomic.Int64 // Unix seconds of the newest model
	people  atomic.Int64 // whom it was learnt from
}

func newLearner(h *House) *learner {
	every := h.config.Learn
	if every == 0 {
		every = defaultLearn
	}
	return &learner{house: h, every: every}
}

func (l *learner) file() string { return l.house.directory.file("models/recommend") }

// load swaps in the model that an earlier run left. A damaged one is no fault:
// the next release replaces it.
func (l *learner) load() error {
	sealed, err := os.ReadFile(l.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	var m recommend.Model
	if err := m.UnmarshalBinary(sealed); err != nil {
		l.house.logger.Warn("the stored model cannot be read and will be learnt anew", "error", err)
		return nil
	}
	l.house.engine.Swap(&m)
	if info, err := os.Stat(l.file()); err == nil {
		l.trained.Store(info.ModTime().Unix())
	}
	return nil
}

// wait is how long the present model may still serve before the next is learnt.
func (l *learner) wait() time.Duration {
	return max(l.every-time.Since(time.Unix(l.trained.Load(), 0)), 0)
}

// run learns when the present model has served its time, until close.
func (l *learner) run() {
	ctx, cancel := context.WithCancel(context.Background())
	l.stop, l.done = cancel, make(chan struct{})
	go func() {
		defer close(l.done)
		next := time.NewTimer(l.wait())
		defer next.Stop()
		for {
			select {
			case <-next.C:
			case <-ctx.Done():
				return
			}
			if err := l.learn(ctx); err != nil && ctx.Err() == nil {
				l.house.logger.Error("learning failed; the old model stays", "error", err)
			}
			next.Reset(l.every)
		}
	}()
}

func (l *learner) close() {
	if l.stop != nil {
		l.stop()
		<-l.done
	}
}

// within is how long, at the most, shared models go on resting on a person who
// withdraws now: one release may be under way already, the one after is clean.
func (l *learner) within() time.Duration { return 2 * l.every }

// histories returns what the consenting people did, the bulk view under the
// purpose of training, and how many of them consent by a simulated choice.
func (h *House) histories(ctx context.Context) (data recommend.Data, synthetic int, err error) {
	purpose, ok := h.gate.Purpose(trainingPurpose)
	if !ok {
		return nil, 0, fmt.Errorf("the declaration has no purpose %q, so nothing may be learnt", trainingPurpose)
	}
	err = h.vault.Each(ctx, purpose, func(v profile.View) error {
		if x := recommend.HistoryOf(v); len(x.Items) > 0 {
			data = append(data, x)
			if v.Grant().Synthetic() {
				synthetic++
			}
		}
		return nil
	})
	return data, synthetic, err
}

// learn learns a model, keeps it and swaps it in.
func (l *learner) learn(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.house
	h.showCatalog()
	began := time.Now()
	data, _, err := h.histories(ctx)
	if err != nil {
		return err
	}
	if len(data) == 0 {
		// Nobody consents (any more): nothing may be left that rests on anybody.
		h.engine.Swap(nil)
		if err := os.Remove(l.file()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	m, err := recommend.Train(ctx, data, recommend.Options{Now: h.clock.Now()})
	if err != nil {
		return err
	}
	b, err := m.MarshalBinary()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(h.directory.file("models"), 0o700); err != nil {
		return err
	}
	if err := writeFile(l.file(), b); err != nil {
		return err
	}
	h.engine.Swap(m)
	l.trained.Store(h.clock.Now().Unix())
	l.people.Store(int64(len(data)))
	h.logger.Info("a model was released", "engine", h.engine.Name(), "people", len(data), "took", time.Since(began).Round(time.Millisecond))
	return nil
}
