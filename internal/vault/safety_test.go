package vault

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"accord/internal/consent"
	"accord/internal/event"
	"accord/internal/identity"
	"accord/internal/profile"

	"github.com/cockroachdb/pebble/v2"
)

// No value and no identifier of a person is in any byte of either directory.
func TestNothingInTheClear(t *testing.T) {
	b := newBed(t)
	planted := []string{"ann@example.org", "planted-item-17", "planted-user-id", "planted-message-id"}
	h := b.keys.Hasher()
	ts := ensure(t, b.keys, h.Lookup(identity.Identifier{Kind: identity.UserID, Value: planted[2]}))
	b.choose(ts[0], "personalization", consent.Given)
	b.choose(ts[0], "newsletter", consent.Given)
	id := event.ID(h.Message("web", identity.ByServer, identity.Identifier{}, planted[3]))
	records := b.recordsOf(id, ts[0], "Product Viewed", b.now(), fieldValue{"product_id", 0, text(planted[1])})
	b.apply(b.vault, frame(0, 1, records, b.records(ts[0], "", b.now(), fieldValue{"email", 0, text(planted[0])})))
	b.wants(b.view(b.vault, ts[0], "newsletter"), "email "+planted[0])
	raw, err := b.keys.dataKey(keyRef{ts[0], records[0].Class})
	if err != nil {
		t.Fatal(err)
	}
	secrets := append(planted, string(raw.key[:]))
	look := func(when string) {
		t.Helper()
		for _, s := range secrets {
			if inFiles(t, b.dir, []byte(s)) {
				t.Errorf("%s: %.20q is on disk in the clear", when, s)
			}
		}
		if !inFiles(t, b.dir, id[:]) {
			t.Errorf("%s: the hashed id is on no disk: this test looks in the wrong place", when)
		}
	}
	if err := b.vault.db.LogData(nil, pebble.Sync); err != nil {
		t.Fatal(err)
	}
	look("in the log")
	if err := errors.Join(b.vault.db.Flush(), b.keys.db.Flush()); err != nil {
		t.Fatal(err)
	}
	look("after a flush")
	if err := errors.Join(b.vault.db.Compact(t.Context(), []byte{0}, []byte{0xff}, false), b.vault.Close(), b.keys.Close()); err != nil {
		t.Fatal(err)
	}
	look("after a compaction and a close")
}

// Streams are applied at once while people are viewed, withdraw, and the state
// is swept: nothing is lost, and nothing that was withdrawn is shown again.
func TestEverythingAtOnce(t *testing.T) {
	b := newBed(t)
	const streams, frames = 4, 40
	var people [streams]identity.Token
	var stock [streams][]event.Frame
	for s := range streams {
		people[s] = b.person(s)
		b.choose(people[s], "personalization", consent.Given)
		for f := range frames {
			stock[s] = append(stock[s], frame(s, uint64(f+1), b.viewed(people[s], fmt.Sprint("item", f)), b.ordered(people[s], fmt.Sprint("order", f))))
		}
	}
	var all sync.WaitGroup
	done := make(chan struct{})
	for s := range streams {
		all.Go(func() {
			for _, f := range stock[s] {
				if err := b.vault.Apply(f); err != nil {
					t.Error(err)
				}
			}
		})
	}
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				for s := range streams {
					if g, reason := b.gate.Ask(people[s], b.purpose("personalization"), consent.Where{}, b.now()); reason == consent.Allowed {
						if _, err := b.vault.View(t.Context(), g); err != nil && !errors.Is(err, ErrNoGrant) {
							t.Error(err)
						}
					}
					if _, err := b.vault.Seen(s, stock[s][0].Records[0].ID, stock[s][0].Records[0].Class); err != nil {
						t.Error(err)
					}
				}
				if err := b.vault.Each(t.Context(), b.purpose("orders"), func(profile.View) error { return nil }); err != nil {
					t.Error(err)
				}
				if _, err := b.vault.Sweep(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Go(func() { b.withdraw(people[0], "personalization") })
	all.Wait()
	close(done)
	readers.Wait()
	b.choose(people[0], "personalization", consent.Given)
	if got := b.items(b.vault, people[0], "personalization"); len(got) != 0 {
		t.Errorf("after a withdrawal and a new consent: %q", got)
	}
	for s := range streams {
		if got := b.items(b.vault, people[s], "orders"); len(got) != frames {
			t.Errorf("stream %d: %d orders of %d", s, len(got), frames)
		}
		if got := b.items(b.vault, people[s], "personalization"); s > 0 && len(got) != 2*frames {
			t.Errorf("stream %d: %d items of %d", s, len(got), 2*frames)
		}
	}
}

// What a read or a fold saw in plain does not wait in its buffers for the next
// one, not even when it failed.
func TestBuffersAreWiped(t *testing.T) {
	b := newBed(t)
	ann := b.person(1)
	b.choose(ann, "personalization", consent.Given)
	b.apply(b.vault, frame(0, 1, b.viewed(ann, "scarf"), b.ordered(ann, "cap")))
	class := fieldOf(b, "Product Viewed product_id").Class
	spoil(b, keyRef{ann, class.ID}, bucketOf(class, b.now().UnixMilli()))
	it, err := b.vault.db.NewIter(&pebble.IterOptions{LowerBound: []byte{rowPart}, UpperBound: []byte{rowPart + 1}})
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	g, _ := b.gate.Ask(ann, b.purpose("personalization"), consent.Where{}, b.now())
	r := &reader{}
	if _, err := b.vault.read(r, it, g, b.now()); !errors.Is(err, errDamaged) {
		t.Fatal(err)
	}
	seen := 0
	for i := range r.parts {
		seen += cap(r.parts[i].Interactions)
		for _, x := range r.parts[i].Interactions[:cap(r.parts[i].Interactions)] {
			if x != (profile.Interaction{}) {
				t.Errorf("a reader keeps %+v", x)
			}
		}
	}
	if seen == 0 {
		t.Fatal("nothing was read, so nothing was shown")
	}
	if err := b.vault.Apply(frame(0, 2, b.viewed(ann, "hat"))); !errors.Is(err, errDamaged) {
		t.Fatal(err)
	}
	f := b.vault.streams[0].folder
	for _, x := range f.piece.Fields[:cap(f.piece.Fields)] {
		if x != (event.Field{}) {
			t.Errorf("a folder keeps %+v", x)
		}
	}
	for _, x := range f.part.Interactions[:cap(f.part.Interactions)] {
		if x != (profile.Interaction{}) {
			t.Errorf("a folder keeps %+v", x)
		}
	}
}

// spoil puts a part in the place of another that opens, and then does not read
// to its end.
func spoil(b *bed, ref keyRef, bucket uint16) {
	b.t.Helper()
	key, err := b.keys.dataKey(ref)
	if err != nil {
		b.t.Fatal(err)
	}
	s, err := key.sealer()
	if err != nil {
		b.t.Fatal(err)
	}
	part := profile.Part{Interactions: []profile.Interaction{{At: 1, Item: "scarf"}}}
	row := appendPartKey(nil, ref, bucket)
	sealed, err := s.seal(nil, append(part.Append(nil), 1), appendPartAAD(nil, b.keys.controller, row))
	if err != nil {
		b.t.Fatal(err)
	}
	b.vault.parts.remove(partRef{ref, bucket})
	if err := b.vault.db.Set(row, sealed, pebble.NoSync); err != nil {
		b.t.Fatal(err)
	}
}
