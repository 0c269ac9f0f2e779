package app

import "testing"

// A measurement counts only when exactly what was sent was kept, in the log and
// in the state.
func TestBenchCountsWhatWasKept(t *testing.T) {
	good := totals{events: 100, kept: 100, frames: 3, records: 110, bytes: 9000, folded: 110}
	if err := good.allKept(100); err != nil {
		t.Error(err)
	}
	for what, spoil := range map[string]func(*totals){
		"an event that did not arrive":    func(t *totals) { t.events-- },
		"an event of which nothing stays": func(t *totals) { t.kept-- },
		"an event too many":               func(t *totals) { t.events++; t.kept++ },
		"a record that was not folded":    func(t *totals) { t.folded-- },
		"a record that was there before":  func(t *totals) { t.folded--; t.duplicates++ },
		"a record that was passed over":   func(t *totals) { t.folded--; t.skipped++ },
		"fewer records than events":       func(t *totals) { t.records, t.folded = 90, 90 },
		"nothing":                         func(t *totals) { *t = totals{} },
	} {
		bad := good
		spoil(&bad)
		if bad.allKept(100) == nil {
			t.Errorf("%s goes unnoticed", what)
		}
	}
}
