package app

import (
	"context"
	"encoding/binary"
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

// modelSecret names the key under which the model lies on disk.
const modelSecret = "models"

// learner learns a new model on a schedule and swaps it in while the old one
// answers. What a person withdrew is gone from the models by the next release
// but one at the latest: that is the deadline that a withdrawal is answered
// with. It holds whatever happens: a model that has not been replaced by then is
// taken out of force and off the disk, and one that is found on disk after it is
// not loaded.
type learner struct {
	house *House
	every time.Duration

	mu     sync.Mutex // guards a training under way: one at a time
	stop   context.CancelFunc
	done   chan struct{}
	people atomic.Int64 // whom the newest model was learnt from

	force sync.Mutex  // guards which model is in force and on disk, and the fields below
	began time.Time   // when the last learning began that succeeded
	lapse *time.Timer // takes the model away at its deadline; nil: none is in force
}

func newLearner(h *House) *learner {
	every := h.config.Learn
	if every == 0 {
		every = defaultLearn
	}
	return &learner{house: h, every: every}
}

func (l *learner) file() string { return l.house.directory.file("models/recommend") }

// within is how long, at the most, shared models go on resting on a person who
// withdraws now: one release may be under way already, the one after is clean.
func (l *learner) within() time.Duration { return 2 * l.every }

// release is a model and what its deadline follows from: who withdrew after the
// learning began may be in it, and was told a deadline by the pace of then.
type release struct {
	began time.Time
	every time.Duration
	model *recommend.Model
}

// pack returns the bytes of a release as they are sealed.
func (r *release) pack() ([]byte, error) {
	model, err := r.model.MarshalBinary()
	if err != nil {
		return nil, err
	}
	b := make([]byte, 0, 16+len(model))
	b = binary.BigEndian.AppendUint64(b, uint64(r.began.UnixMilli()))
	b = binary.BigEndian.AppendUint64(b, uint64(r.every))
	return append(b, model...), nil
}

// unpack is the inverse of pack.
func unpack(b []byte) (*release, error) {
	if len(b) < 16 {
		return nil, recommend.ErrCorrupt
	}
	r := &release{model: &recommend.Model{}}
	r.began = time.UnixMilli(int64(binary.BigEndian.Uint64(b)))
	r.every = time.Duration(binary.BigEndian.Uint64(b[8:]))
	return r, r.model.UnmarshalBinary(b[16:])
}

// load puts the model in force that an earlier run left, for as long as its
// deadline lets it be. A damaged one is no fault: the next release replaces it.
func (l *learner) load() error {
	sealed, err := os.ReadFile(l.file())
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	var r *release
	plain, err := l.house.keys.OpenNamed(modelSecret, sealed)
	if err == nil {
		r, err = unpack(plain)
	}
	l.force.Lock()
	defer l.force.Unlock()
	if err != nil {
		l.house.logger.Warn("the stored model cannot be read and will be learnt anew", "error", err)
		return l.away()
	}
	if l.house.config.Learn == 0 {
		l.every = r.every // this run has no pace of its own, so people are told the server's
	}
	return l.put(r)
}

// put puts a release in force until its deadline; one that is past it, or that a
// clock of the future has dated, is taken away instead. The caller holds force.
func (l *learner) put(r *release) error {
	age := l.house.clock.Now().Sub(r.began)
	left := 2*min(r.every, l.every) - age
	if age < 0 || left <= 0 {
		l.house.logger.Warn("a model is older than people who withdrew were told and is not used", "learnt", r.began)
		return l.away()
	}
	if l.lapse != nil {
		l.lapse.Stop()
	}
	l.began = r.began
	l.house.engine.Swap(r.model)
	l.lapse = time.AfterFunc(left, func() { l.expire(r.model) })
	return nil
}

// expire takes a model away that was not replaced by its deadline.
func (l *learner) expire(m *recommend.Model) {
	l.force.Lock()
	defer l.force.Unlock()
	if l.lapse == nil || l.house.engine.Model() != m {
		return
	}
	l.house.logger.Error("the model has reached the deadline that people who withdrew were told, and no new one was learnt: answers go by the catalogue until one is")
	if err := l.away(); err != nil {
		l.house.logger.Error("a model that is out of force could not be deleted", "error", err)
	}
}

// away takes the model out of force and off the disk. The caller holds force.
func (l *learner) away() error {
	if l.lapse != nil {
		l.lapse.Stop()
		l.lapse = nil
	}
	l.house.engine.Swap(nil)
	if err := os.Remove(l.file()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// wait is how long the last learning may still serve before the next begins.
func (l *learner) wait() time.Duration {
	l.force.Lock()
	defer l.force.Unlock()
	return min(max(l.every-l.house.clock.Now().Sub(l.began), 0), l.every)
}

// learnt returns when the last learning began that succeeded, in Unix seconds;
// 0 before the first.
func (l *learner) learnt() float64 {
	l.force.Lock()
	defer l.force.Unlock()
	if l.began.IsZero() {
		return 0
	}
	return float64(l.began.Unix())
}

// run learns when the last learning has served its time, until close.
func (l *learner) run() {
	ctx, cancel := context.WithCancel(context.Background())
	l.stop, l.done = cancel, make(chan struct{})
	go func() {
		defer close(l.done)
		for wait := l.wait(); ; {
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				return
			}
			if err := l.learn(ctx); err == nil {
				wait = l.wait()
			} else if ctx.Err() == nil {
				l.house.logger.Error("learning failed; the old model stays until its deadline", "error", err)
				wait = l.every / 4
			}
		}
	}()
}

func (l *learner) close() {
	if l.stop != nil {
		l.stop()
		<-l.done
	}
	l.force.Lock()
	defer l.force.Unlock()
	if l.lapse != nil {
		l.lapse.Stop()
		l.lapse = nil // an expire under way does nothing any more
	}
}

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

// learn learns a model from all that is in the log, keeps it and swaps it in.
func (l *learner) learn(ctx context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := l.house
	h.showCatalog()
	// While the state is folded anew it knows nobody, or a part of them.
	if err := h.CatchUp(ctx); err != nil {
		return err
	}
	r := &release{began: h.clock.Now(), every: l.every}
	data, _, err := h.histories(ctx)
	if err != nil {
		return err
	}
	if len(data) == 0 {
		// Nobody consents (any more): nothing may be left that rests on anybody.
		l.force.Lock()
		defer l.force.Unlock()
		l.began = r.began
		return l.away()
	}
	if r.model, err = recommend.Train(ctx, data, recommend.Options{Now: r.began}); err != nil {
		return err
	}
	if err := l.keep(r); err != nil {
		return err
	}
	l.people.Store(int64(len(data)))
	h.logger.Info("a model was released", "engine", h.engine.Name(), "people", len(data), "took", h.clock.Now().Sub(r.began).Round(time.Millisecond))
	return nil
}

// keep seals a release, writes it to disk and puts it in force.
func (l *learner) keep(r *release) error {
	plain, err := r.pack()
	if err != nil {
		return err
	}
	sealed, err := l.house.keys.SealNamed(modelSecret, plain)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(l.house.directory.file("models"), 0o700); err != nil {
		return err
	}
	l.force.Lock()
	defer l.force.Unlock()
	if err := writeFile(l.file(), sealed); err != nil {
		return err
	}
	if err := l.put(r); err != nil {
		return err
	}
	if l.house.engine.Model() != r.model {
		return fmt.Errorf("learning began at %s and took longer than people who withdraw are told: raise --learn", r.began.Format(time.TimeOnly))
	}
	return nil
}
