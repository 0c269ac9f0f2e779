package vault

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/event"
	"accord/internal/identity"
	"accord/internal/profile"

	"github.com/cockroachdb/pebble/v2"
	"pgregory.net/rapid"
)

func (b *bed) wants(got []string, want ...string) {
	b.t.Helper()
	if !slices.Equal(got, want) {
		b.t.Errorf("got %q, want %q", got, want)
	}
}

// Promise 2: personal data leaves the vault only against a grant: this person,
// this purpose, these fields, until this time.
func TestOnlyAgainstAGrant(t *testing.T) {
	b := newBed(t)
	ann, bob := b.person(1), b.person(2)
	b.choose(ann, "personalization", consent.Given)
	b.choose(ann, "newsletter", consent.Given)
	b.apply(b.vault, frame(0, 1, b.viewed(ann, "scarf"), b.ordered(ann, "cap", "shoe"),
		b.records(ann, "", b.now(), fieldValue{"email", 0, text("ann@example.org")}),
		b.ordered(bob, "lamp"), b.viewed(bob, "secretly")))

	b.wants(b.items(b.vault, ann, "personalization"), "cap", "scarf", "shoe")
	b.wants(b.items(b.vault, ann, "orders"), "cap", "shoe")
	b.wants(b.view(b.vault, ann, "newsletter"), "email ann@example.org")
	b.wants(b.items(b.vault, bob, "orders"), "lamp")
	b.wants(b.items(b.vault, bob, "personalization"), "denied")

	ctx := t.Context()
	if view, err := b.vault.View(ctx, consent.Grant{}); !errors.Is(err, ErrNoGrant) || view.Personal() {
		t.Errorf("the zero grant: %v, %v", view, err)
	}
	g, _ := b.gate.Ask(ann, b.purpose("personalization"), consent.Where{}, b.now())
	other := consent.NewGate(b.d, b.book)
	other.Open()
	foreign, _ := other.Ask(ann, b.purpose("personalization"), consent.Where{}, b.now())
	if _, err := b.vault.View(ctx, foreign); !errors.Is(err, ErrNoGrant) {
		t.Errorf("another gate's grant: %v", err)
	}
	b.pass(consent.GrantLife)
	if view, err := b.vault.View(ctx, g); !errors.Is(err, ErrNoGrant) || view.Personal() {
		t.Errorf("a grant at its end: %v, %v", view, err)
	}
	g, _ = b.gate.Ask(ann, b.purpose("personalization"), consent.Where{}, b.now())
	b.choose(ann, "personalization", consent.Withdrawn)
	if _, err := b.vault.View(ctx, g); !errors.Is(err, ErrNoGrant) {
		t.Errorf("a grant whose choice is withdrawn: %v", err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	g, _ = b.gate.Ask(ann, b.purpose("orders"), consent.Where{}, b.now())
	if _, err := b.vault.View(cancelled, g); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who left: %v", err)
	}
}

// The acknowledged is folded once: not twice by a replay of the frame, by a
// frame that was published twice, or by a message that was sent again.
func TestNothingIsFoldedTwice(t *testing.T) {
	b := newBed(t)
	ann := b.person(1)
	b.choose(ann, "personalization", consent.Given)
	first, second := b.viewed(ann, "scarf"), b.ordered(ann, "cap")
	b.apply(b.vault,
		frame(2, 5, first, second, first), // twice within a frame
		frame(2, 5, first, second),        // a replay
		frame(2, 6, first, second),        // published twice
		frame(2, 9, b.viewed(ann, "hat")))
	again := b.recordsOf(first[0].ID, ann, "Product Viewed", b.now(), fieldValue{"product_id", 0, text("scarf")})
	b.apply(b.vault, frame(2, 10, again))
	b.reopen()
	b.apply(b.vault, frame(2, 11, again), frame(2, 3, b.viewed(ann, "late")))
	b.wants(b.items(b.vault, ann, "personalization"), "cap", "hat", "scarf")
	if got := b.vault.Applied(); got[2] != 11 || got[0] != 0 || len(got) != MaxStreams {
		t.Errorf("applied %v", got)
	}
	for _, c := range []struct {
		stream int
		id     event.ID
		class  declare.ClassID
		want   bool
	}{
		{2, first[0].ID, first[0].Class, true}, {2, second[0].ID, second[0].Class, true},
		{2, first[0].ID, second[0].Class, false}, {1, first[0].ID, first[0].Class, false}, {2, event.ID{9, 9}, first[0].Class, false},
	} {
		if got, err := b.vault.Seen(c.stream, c.id, c.class); err != nil || got != c.want {
			t.Errorf("Seen(%d, %x, %d): %v, %v", c.stream, c.id, c.class, got, err)
		}
	}
	if s := b.vault.Stats(); s.Duplicates != 1 || s.Frames != 1 {
		t.Errorf("stats since the restart: %+v", s)
	}
}

// One message whose fields belong to several classes is several records of one
// id: all are folded, in whatever frames they come.
func TestPiecesOfOneMessage(t *testing.T) {
	b := newBed(t)
	ann := b.person(1)
	b.choose(ann, "personalization", consent.Given)
	id := event.ID{1, 2, 3}
	a := b.recordsOf(id, ann, "Product Viewed", b.now(), fieldValue{"product_id", 0, text("scarf")})
	c := b.recordsOf(id, ann, "Banner Seen", b.now(), fieldValue{"product_id", 0, text("banner")})
	b.apply(b.vault, frame(0, 1, a), frame(0, 2, c), frame(0, 3, a, c))
	b.wants(b.items(b.vault, ann, "personalization"), "banner", "scarf")
}

// Seen ids are kept for the day and the day before, by the stream's own time.
func TestSeenIsForTwoDays(t *testing.T) {
	b := newBed(t)
	ann := b.person(1)
	b.choose(ann, "personalization", consent.Given)
	old := b.viewed(ann, "scarf")
	b.apply(b.vault, frame(0, 1, old))
	seq := uint64(1)
	for day, want := range []bool{true, true, false, false} {
		if day > 0 {
			b.pass(24 * time.Hour)
			seq++
			b.apply(b.vault, frame(0, seq, b.viewed(ann, fmt.Sprint("day", day))))
		}
		if got, err := b.vault.Seen(0, old[0].ID, old[0].Class); err != nil || got != want {
			t.Errorf("day %d: seen is %v, %v", day, got, err)
		}
	}
	if n := countRows(t, b.vault, rowSeen); n != 2 {
		t.Errorf("%d message ids are kept, not those of two days", n)
	}
	b.reopen()
	if got, err := b.vault.Seen(0, old[0].ID, old[0].Class); err != nil || got {
		t.Errorf("after a restart: %v, %v", got, err)
	}
}

func countRows(t testing.TB, v *Vault, kind byte) (n int) {
	t.Helper()
	it, err := v.db.NewIter(&pebble.IterOptions{LowerBound: []byte{kind}, UpperBound: []byte{kind + 1}})
	if err != nil {
		t.Fatal(err)
	}
	for it.First(); it.Valid(); it.Next() {
		n++
	}
	if err := it.Close(); err != nil {
		t.Fatal(err)
	}
	return n
}

// Promises 3 and 7, in part: what was withdrawn leaves the state, and no replay
// brings it back, not even after the person comes back by a new choice.
func TestWithdrawalAndReturn(t *testing.T) {
	b := newBed(t)
	ann := b.person(1)
	b.choose(ann, "personalization", consent.Given)
	before := frame(0, 1, b.viewed(ann, "scarf"), b.ordered(ann, "cap"))
	b.apply(b.vault, before)
	late := b.viewed(ann, "late") // sealed before, applied after
	b.withdraw(ann, "personalization")
	b.apply(b.vault, frame(0, 2, late))
	b.wants(b.items(b.vault, ann, "personalization"), "denied")
	b.wants(b.items(b.vault, ann, "orders"), "cap")
	if s := b.vault.Stats(); s.Erased != 1 {
		t.Errorf("stats %+v", s)
	}
	b.pass(time.Hour)
	b.choose(ann, "personalization", consent.Given)
	b.wants(b.items(b.vault, ann, "personalization"))
	b.apply(b.vault, frame(0, 3, late, b.viewed(ann, "new")))
	b.wants(b.items(b.vault, ann, "personalization"), "new")
	b.wants(b.items(b.vault, ann, "orders"), "cap")

	// The log from its start into a new state.
	fresh := b.open("rebuilt")
	defer fresh.Close()
	b.apply(fresh, before, frame(0, 2, late), frame(0, 3, late, b.viewed(ann, "newer")))
	b.wants(b.items(fresh, ann, "personalization"), "newer")
	b.wants(b.items(fresh, ann, "orders"), "cap")
}

// A part that an Apply wrote with a key that was then destroyed is as good as
// gone, whoever comes back.
func TestPartOfADestroyedKey(t *testing.T) {
	b := newBed(t)
	ann := b.person(1)
	b.choose(ann, "personalization", consent.Given)
	b.apply(b.vault, frame(0, 1, b.viewed(ann, "scarf")))
	f, _ := b.field("Product Viewed", "product_id")
	if err := b.keys.Destroy(t.Context(), ann, f.Class.ID); err != nil {
		t.Fatal(err)
	}
	b.wants(b.items(b.vault, ann, "personalization"))
	b.apply(b.vault, frame(0, 2, b.viewed(ann, "hat")))
	b.wants(b.items(b.vault, ann, "personalization"), "hat")
}

// Retention counts from the first instant of the month of acceptance (of the
// day, for classes that are kept less than three months): a view cuts what has
// outlived it, and a sweep deletes it.
func TestRetention(t *testing.T) {
	b := newBed(t)
	ann := b.person(1)
	b.choose(ann, "personalization", consent.Given)
	banner := func(item string) []event.Record {
		return b.records(ann, "Banner Seen", b.now(), fieldValue{"product_id", 0, text(item)})
	}
	b.apply(b.vault, frame(0, 1, b.viewed(ann, "may"), banner("banner"), b.ordered(ann, "cap")))
	at := func(y int, m time.Month, d int) {
		b.time.Store(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).UnixMilli())
	}
	step := func(want ...string) {
		t.Helper()
		b.wants(b.items(b.vault, ann, "personalization"), want...)
	}
	b.time.Store(time.Date(2026, 5, 23, 23, 59, 0, 0, time.UTC).UnixMilli())
	step("banner", "cap", "may")
	at(2026, 5, 24) // ten days after the 14th began
	step("cap", "may")
	at(2026, 6, 1)
	b.apply(b.vault, frame(0, 2, b.viewed(ann, "june")))
	at(2027, 5, 31)
	step("cap", "june", "may")
	if rows, err := b.vault.Sweep(t.Context()); err != nil || rows != 1 {
		t.Errorf("the banner's part was to be swept: %d rows, %v", rows, err)
	}
	at(2027, 6, 1) // thirteen months after May began
	step("cap", "june")
	if rows, err := b.vault.Sweep(t.Context()); err != nil || rows != 1 {
		t.Errorf("May was to be swept: %d rows, %v", rows, err)
	}
	at(2027, 7, 1)
	step("cap")
	b.apply(b.vault, frame(0, 3, []event.Record{})) // an empty frame is a frame
	if n := countRows(t, b.vault, rowFrame); n != 2 {
		t.Errorf("%d frames are indexed", n)
	}
	at(2031, 1, 1)
	if _, err := b.vault.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, kind := range []byte{rowPart, rowFrame} {
		if n := countRows(t, b.vault, kind); n != 0 {
			t.Errorf("%d rows %c are left after everything's retention", n, kind)
		}
	}
}

// Frames that the log still holds are indexed: those of the class that is kept
// longest leave on their day, and their places after them.
func TestFramesAreIndexedToTheirEnd(t *testing.T) {
	b := newBed(t)
	longest := b.d.ReceiptRetention
	rapid.Check(t, func(t *rapid.T) {
		accepted := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "accepted"), 0).UTC()
		end := accepted.Add(longest.Duration(accepted))
		if month := monthOf(accepted.UnixMilli()); b.vault.frameOutlived(month, end) {
			t.Errorf("of %v, which ends %v, the place is swept before", accepted, end)
		} else if !b.vault.frameOutlived(month, end.AddDate(0, 1, 1)) {
			t.Errorf("of %v the place stays for ever", accepted)
		}
	})
}

// A clock that steps back revives nothing, not even over a restart.
func TestHighWater(t *testing.T) {
	b := newBed(t)
	ann := b.person(1)
	if hw := b.vault.HighWater(); !hw.IsZero() {
		t.Errorf("a new state has seen %v", hw)
	}
	b.choose(ann, "personalization", consent.Given)
	b.apply(b.vault, frame(0, 1, b.records(ann, "Banner Seen", b.now(), fieldValue{"product_id", 0, text("banner")})))
	b.pass(30 * 24 * time.Hour)
	b.apply(b.vault, frame(0, 2, b.viewed(ann, "scarf")))
	high := b.now()
	b.pass(-29 * 24 * time.Hour)
	b.reopen()
	if hw := b.vault.HighWater(); !hw.Equal(high) {
		t.Errorf("high water %v, not %v", hw, high)
	}
	g, reason := b.gate.Ask(ann, b.purpose("personalization"), consent.Where{}, b.now())
	if reason != consent.Allowed {
		t.Fatal(reason)
	}
	if _, err := b.vault.View(t.Context(), g); !errors.Is(err, ErrNoGrant) {
		t.Errorf("a grant of the past: %v", err)
	}
	g, _ = b.gate.Ask(ann, b.purpose("personalization"), consent.Where{}, b.vault.HighWater())
	view, err := b.vault.View(t.Context(), g)
	if err != nil {
		t.Fatal(err)
	}
	if got := view.Interactions(); len(got) != 1 || got[0].Item != "scarf" {
		t.Errorf("a clock that stepped back shows %v", got)
	}
}

func TestFramesAndReceipts(t *testing.T) {
	b := newBed(t)
	ann, bob := b.person(1), b.person(2)
	b.choose(ann, "personalization", consent.Given)
	receipt := event.Record{Header: event.Header{ID: event.ID{7}, Token: ann, Class: declare.ClassReceipt, Kind: event.KindReceipt, Accepted: b.now().UnixMilli()}}
	b.apply(b.vault, frame(1, 4, b.viewed(ann, "scarf"), b.viewed(ann, "hat"), b.ordered(bob, "cap")),
		frame(1, 6, []event.Record{receipt}), frame(1, 7, b.ordered(bob, "lamp")))
	if got, err := b.vault.Frames(ann); err != nil || !slices.Equal(got, []Place{{1, 4}, {1, 6}}) {
		t.Errorf("Ann's frames: %v, %v", got, err)
	}
	if got, err := b.vault.Frames(bob); err != nil || !slices.Equal(got, []Place{{1, 4}, {1, 7}}) {
		t.Errorf("Bob's frames: %v, %v", got, err)
	}
	if p, ok, err := b.vault.Receipt(event.ID{7}); err != nil || !ok || p != (Place{1, 6}) {
		t.Errorf("receipt: %v %v %v", p, ok, err)
	}
	if _, ok, err := b.vault.Receipt(event.ID{8}); err != nil || ok {
		t.Errorf("no receipt: %v %v", ok, err)
	}
}

// Each shows everybody for whom the gate allows the purpose, and nobody else.
func TestEach(t *testing.T) {
	b := newBed(t)
	const people = 3*eachChunk + 5
	var records []event.Record
	want := map[identity.Token]string{}
	for i := range people {
		p := b.person(i)
		if i%3 == 0 {
			b.choose(p, "personalization", consent.Given)
			want[p] = fmt.Sprint("item", i)
		}
		records = append(records, b.ordered(p, fmt.Sprint("item", i))...)
	}
	b.apply(b.vault, frame(0, 1, records))
	got := map[identity.Token]string{}
	err := b.vault.Each(t.Context(), b.purpose("personalization"), func(v profile.View) error {
		if len(v.Interactions()) != 1 {
			t.Errorf("a view of %d interactions", len(v.Interactions()))
		}
		got[v.Grant().Token()] = v.Interactions()[0].Item
		// Slow work ends a grant; the next view stands on a new one.
		b.pass(consent.GrantLife / 3)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %d people, want %d", len(got), len(want))
	}
	stop := errors.New("enough")
	if err := b.vault.Each(t.Context(), b.purpose("orders"), func(profile.View) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("an error of fn: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.vault.Each(ctx, b.purpose("orders"), func(profile.View) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller who left: %v", err)
	}
	b.gate.Close()
	if err := b.vault.Each(t.Context(), b.purpose("orders"), func(profile.View) error { return stop }); err != nil {
		t.Errorf("a closed gate shows somebody: %v", err)
	}
}

// Damaged and unknown records are counted and passed over: one of them must not
// stop the log.
func TestBadRecords(t *testing.T) {
	b := newBed(t)
	ann := b.person(1)
	b.choose(ann, "personalization", consent.Given)
	good, flipped, class, kind, cut := b.viewed(ann, "scarf"), b.viewed(ann, "a"), b.viewed(ann, "b"), b.viewed(ann, "c"), b.viewed(ann, "d")
	flipped[0].Sealed[len(flipped[0].Sealed)-1] ^= 1
	class[0].Class = 12345
	kind[0].Kind = 99
	cut[0].Sealed = cut[0].Sealed[:3]
	b.apply(b.vault, frame(0, 1, flipped, class, kind, cut, good))
	b.wants(b.items(b.vault, ann, "personalization"), "scarf")
	if s := b.vault.Stats(); s.Damaged != 2 || s.Undeclared != 2 || s.Folded != 1 {
		t.Errorf("stats %+v", s)
	}
	for _, stream := range []int{-1, MaxStreams} {
		if err := b.vault.Apply(event.Frame{Stream: stream, Sequence: 1}); err == nil {
			t.Errorf("stream %d was taken", stream)
		}
	}
}

func TestStateOfAnotherFormat(t *testing.T) {
	b := newBed(t)
	if _, err := Open(filepath.Join(b.dir, "state"), b.d, b.keys, b.gate, b.now); !errors.Is(err, ErrInUse) {
		t.Errorf("a state in use: %v", err)
	}
	if err := b.vault.db.Set(metaFormat, []byte{0, 0, 0, 9}, pebble.Sync); err != nil {
		t.Fatal(err)
	}
	if err := b.vault.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := Open(filepath.Join(b.dir, "state"), b.d, b.keys, b.gate, b.now)
	if err == nil || !strings.Contains(err.Error(), "format 00000009") || !strings.Contains(err.Error(), "rebuilt from the log") {
		t.Errorf("another format: %v", err)
	}
}

func TestVaultClosed(t *testing.T) {
	b := newBed(t)
	ann := b.person(1)
	records := b.ordered(ann, "cap")
	b.apply(b.vault, frame(0, 1, records))
	g, _ := b.gate.Ask(ann, b.purpose("orders"), consent.Where{}, b.now())
	if err := b.vault.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := b.vault.View(t.Context(), g)
	_, framesErr := b.vault.Frames(ann)
	_, _, receiptErr := b.vault.Receipt(event.ID{1})
	_, seenErr := b.vault.Seen(0, records[0].ID, records[0].Class)
	for what, err := range map[string]error{"View": err, "Frames": framesErr, "Receipt": receiptErr, "Seen": seenErr,
		"Apply": b.vault.Apply(frame(0, 2)), "Drop": b.vault.Drop(ann, 1),
		"Each": b.vault.Each(t.Context(), 0, func(profile.View) error { return nil })} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}
