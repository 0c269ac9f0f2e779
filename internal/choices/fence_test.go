package choices

import (
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// The fence as a history: clients choose, link, mark children, stop, erase and
// decide at once on the real log, key store and vault, which are killed between two
// steps and started again. Every answer that left must have been allowed at a moment
// between the call of the gate's last check and its return, by what had been
// acknowledged until then, and by what may have been (promise 3: no check succeeds
// after the withdrawal's acknowledgement); and it must have read exactly what was
// kept and not destroyed. An answer that did not leave is always right.

// holds reports whether a history keeps the definition.
func (h *history) holds() bool {
	h.t.Helper()
	switch porcupine.CheckOperationsTimeout(fenceModel.ToModel(), h.ops, time.Minute) {
	case porcupine.Ok:
		return true
	case porcupine.Illegal:
		return false
	}
	h.t.Fatalf("the history is too long to be checked:\n%s", h.told())
	return false
}

// TestFenceHistories holds promise 3. ACCORD_HISTORIES sets how many (default 16:
// each mixture of subjects once).
func TestFenceHistories(t *testing.T) {
	n := 16
	if testing.Short() {
		n = 3
	}
	if s := os.Getenv("ACCORD_HISTORIES"); s != "" {
		var err error
		n, err = strconv.Atoi(s)
		check(t, err)
	}
	did, unknown := make(map[string]int), 0
	for seed := range uint64(n) {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			h := newHistory(t, seed, nil)
			h.run(seed)
			if !h.holds() {
				t.Errorf("an answer left, or somebody was found, that no order of these allows:\n%s", h.told())
			}
			for _, o := range h.ops {
				a := o.Input.(*act)
				did[a.what]++
				if a.unknown {
					unknown++
				}
			}
		})
	}
	t.Logf("%d histories: %d acts were killed, the acts were %v", n, unknown, did)
	if did["release"] < n || unknown < n {
		t.Error("the histories did not reach every part, so they show nothing")
	}
}

// fault is planted: what clients say is not what is done.
type fault struct {
	name string
	acts map[string]string
	open bool // answers leave without the gate's last word
}

func (f *fault) unchecked() bool { return f != nil && f.open }

func (f *fault) of(what string) string {
	if f != nil && f.acts[what] != "" {
		return f.acts[what]
	}
	return what
}

var fenceFaults = []fault{
	{"an answer leaves unchecked", nil, true},
	{"a withdrawal is not obeyed", map[string]string{"withdraw": "nothing"}, false},
	{"a withdrawal destroys nothing", map[string]string{"withdraw": "withdraw unproven"}, false},
	{"a link is not obeyed", map[string]string{"link": "nothing"}, false},
	{"an unproven end is not obeyed", map[string]string{"withdraw unproven": "nothing"}, false},
	{"an unproven end is final", map[string]string{"withdraw unproven": "withdraw"}, false},
	{"a child is not marked", map[string]string{"mark child": "nothing"}, false},
	{"a child consents as a guardian does", map[string]string{"give": "give by guardian"}, false},
	{"a stop is not obeyed", map[string]string{"stop": "nothing"}, false},
	{"an erasure is not obeyed", map[string]string{"erase": "nothing"}, false},
	{"an erasure forgets nobody", map[string]string{"erase": "withdraw"}, false},
}

// A fault that is planted is found.
func TestFenceFindsFault(t *testing.T) {
	for _, f := range fenceFaults {
		t.Run(f.name, func(t *testing.T) {
			for i := range uint64(100) {
				h := newHistory(t, 16*i, &f) // of all subjects
				if h.run(16 * i); !h.holds() {
					t.Logf("found in history %d", i+1)
					return
				}
			}
			t.Error("the planted fault was not found")
		})
	}
}
