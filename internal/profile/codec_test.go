package profile

import (
	"bytes"
	"errors"
	"math"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"accord/internal/declare"
	"accord/internal/event"
)

func drawAnyPart(t *rapid.T) *Part {
	p := &Part{}
	stamp := func() Stamp {
		return Stamp{Mask: rapid.Uint16().Draw(t, "mask"), Choice: rapid.Uint64().Draw(t, "choice")}
	}
	for range rapid.IntRange(0, 8).Draw(t, "interactions") {
		p.Interactions = append(p.Interactions, Interaction{
			At: rapid.Int64().Draw(t, "at"), Item: rapid.String().Draw(t, "item"), Action: declare.Action(rapid.Byte().Draw(t, "action")),
			Quantity: rapid.Float32().Draw(t, "quantity"), Stamp: stamp(),
		})
	}
	for range rapid.IntRange(0, 4).Draw(t, "traits") {
		v := event.Value{Kind: event.ValueKind(rapid.IntRange(1, 5).Draw(t, "kind"))}
		switch v.Kind {
		case event.ValueString:
			v.Text = rapid.String().Draw(t, "text")
		case event.ValueNumber:
			v.Num = rapid.Float64().Draw(t, "number")
		default:
			v.Int = rapid.Int64().Draw(t, "integer")
		}
		p.Traits = append(p.Traits, Trait{Field: declare.NameID(rapid.Uint32().Draw(t, "field")), At: rapid.Int64().Draw(t, "at"), Value: v, Stamp: stamp()})
	}
	return p
}

func TestPartsComeBack(t *testing.T) {
	got := &Part{} // reused, as the vault does
	rapid.Check(t, func(t *rapid.T) {
		want := drawAnyPart(t)
		b := want.Append(nil)
		if err := got.Decode(b); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Interactions, want.Interactions) || !slices.Equal(got.Traits, want.Traits) {
			t.Fatalf("%+v, want %+v", got, want)
		}
		if !bytes.Equal(got.Append(nil), b) {
			t.Fatal("the encoding is not canonical")
		}
		// What was decoded stands on its own: the buffer is used again.
		for i := range b {
			b[i] ^= 0xff
		}
		if !slices.Equal(got.Interactions, want.Interactions) || !slices.Equal(got.Traits, want.Traits) {
			t.Fatal("the part aliases the buffer")
		}
		b = want.Append(b[:0])
		if n := rapid.IntRange(0, len(b)-1).Draw(t, "cut"); got.Decode(b[:n]) == nil {
			t.Fatalf("the first %d of %d bytes were taken", n, len(b))
		}
		if got.Decode(append(b, 0)) == nil {
			t.Fatal("a trailing byte was taken")
		}
	})
}

func TestCorruptParts(t *testing.T) {
	piece := func(p event.Piece) []byte {
		body := event.AppendPiece(nil, &p)
		return append([]byte{1, 0, 1, 0, 0, 0, byte(len(body)), 0, 0, 0}, body...)
	}
	value := event.Value{Kind: event.ValueInteger}
	if err := new(Part).Decode(piece(event.Piece{Fields: []event.Field{{ID: 1, Value: value}}})); err != nil {
		t.Fatalf("the table's own form is wrong: %v", err)
	}
	for name, b := range map[string][]byte{
		"nothing":                   nil,
		"another version":           {2, 0, 0},
		"no count":                  {1},
		"too many interactions":     binaryUvarint([]byte{1}, MaxInteractions+1),
		"more than the bytes hold":  binaryUvarint([]byte{1}, MaxInteractions),
		"no traits":                 {1, 0},
		"more traits than there":    {1, 0, 0xff, 0xff, 0xff, 0xff, 0x0f},
		"a trait that is an event":  piece(event.Piece{Event: 3, Fields: []event.Field{{ID: 1, Value: value}}}),
		"a trait with two values":   piece(event.Piece{Fields: []event.Field{{ID: 1, Value: value}, {ID: 2, Value: value}}}),
		"a trait without a value":   piece(event.Piece{}),
		"a trait in a list":         piece(event.Piece{Fields: []event.Field{{ID: 1, Index: 1, Value: value}}}),
		"an item longer than bytes": append([]byte{1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 0}, 0xff, 0xff, 0xff, 0xff, 0x0f, 0),
	} {
		if err := new(Part).Decode(b); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func binaryUvarint(b []byte, n uint64) []byte {
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

// TestDecodeAllocatesInProportion: three bytes that claim a long history make
// no room for it.
func TestDecodeAllocatesInProportion(t *testing.T) {
	many := &Part{}
	for range 5000 {
		many.Interactions = append(many.Interactions, Interaction{})
		many.Traits = append(many.Traits, Trait{Value: event.Value{Kind: event.ValueInteger}})
	}
	for name, b := range map[string][]byte{
		"a claim": binaryUvarint([]byte{1}, MaxInteractions),
		"zeros":   append(binaryUvarint([]byte{1}, 16384), make([]byte, 200_000)...),
		"full":    many.Append(nil),
	} {
		if got, most := allocated(func() { _ = new(Part).Decode(b) }), uint64(24*len(b)+4096); got > most {
			t.Errorf("%s: %d bytes made %d", name, len(b), got)
		}
	}
}

// allocated returns how many bytes fn allocates: the least of some runs, since
// the runtime counts its own work too.
func allocated(fn func()) uint64 {
	least := uint64(math.MaxUint64)
	for range 10 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		fn()
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	return least
}

func seedPart() *Part {
	return &Part{
		Interactions: []Interaction{{At: 1_700_000_000_000, Item: "85123A", Action: declare.Purchase, Quantity: 6, Stamp: Stamp{3, 7}}},
		Traits:       []Trait{{Field: 9, At: 5, Value: text("DE"), Stamp: Stamp{1, 2}}},
	}
}

// FuzzDecode: no bytes panic, memory is bounded, and what was read is what is
// written again.
func FuzzDecode(f *testing.F) {
	f.Add(seedPart().Append(nil))
	f.Add([]byte{1, 0, 0})
	f.Add(binaryUvarint([]byte{1}, MaxInteractions))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Part
		if p.Decode(b) != nil {
			if cap(p.Interactions) > len(b)/minInteraction*2+8 {
				t.Fatalf("%d bytes made room for %d interactions", len(b), cap(p.Interactions))
			}
			return
		}
		again := p.Append(nil)
		var back Part
		if err := back.Decode(again); err != nil || !bytes.Equal(back.Append(nil), again) {
			t.Fatalf("%+v became %+v: %v", p, back, err)
		}
	})
}

func BenchmarkDecode30(b *testing.B) {
	in := history(30).Append(nil)
	var p Part
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if err := p.Decode(in); err != nil {
			b.Fatal(err)
		}
	}
}
