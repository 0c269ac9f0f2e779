package event

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"accord/internal/declare"
	"accord/internal/identity"
)

func drawHeader(t *rapid.T) (h Header) {
	copy(h.ID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	copy(h.Token[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "token"))
	h.Class = declare.ClassID(rapid.Uint32().Draw(t, "class"))
	h.Mask = rapid.Uint16().Draw(t, "mask")
	h.Kind = Kind(rapid.Byte().Draw(t, "kind"))
	h.Choice = rapid.Uint64().Draw(t, "choice")
	h.Accepted = rapid.Int64().Draw(t, "accepted")
	return h
}

func drawRecord(t *rapid.T) Record {
	return Record{Header: drawHeader(t), Sealed: rapid.SliceOfN(rapid.Byte(), 0, 300).Draw(t, "sealed")}
}

func drawPiece(t *rapid.T) Piece {
	return Piece{
		Event:  declare.NameID(rapid.Uint32().Draw(t, "event")),
		At:     rapid.Int64().Draw(t, "at"),
		Fields: rapid.SliceOfN(rapid.Custom(drawField), 0, 20).Draw(t, "fields"),
	}
}

func drawField(t *rapid.T) Field {
	f := Field{ID: declare.NameID(rapid.Uint32().Draw(t, "field")), Index: rapid.Uint16().Draw(t, "index")}
	f.Value.Kind = ValueKind(rapid.IntRange(1, 5).Draw(t, "kind"))
	switch f.Value.Kind {
	case ValueString:
		f.Value.Text = rapid.String().Draw(t, "text")
	case ValueNumber:
		f.Value.Num = rapid.Float64().Draw(t, "number")
	default:
		f.Value.Int = rapid.Int64().Draw(t, "integer")
	}
	return f
}

// TestFramesComeBack: what is in the log is what was put there, record by
// record.
func TestFramesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		records := rapid.SliceOfN(rapid.Custom(drawRecord), 0, 20).Draw(t, "records")
		b, size := AppendFrameHead(nil), 1
		for i := range records {
			b = AppendRecord(b, &records[i])
			size += records[i].Size()
		}
		if len(b) > size {
			t.Fatalf("a frame of %d bytes, and Size said at most %d", len(b), size)
		}
		got, err := DecodeFrame(b)
		if err != nil || len(got) != len(records) {
			t.Fatalf("%d records came back of %d: %v", len(got), len(records), err)
		}
		for i := range got {
			if got[i].Header != records[i].Header || !bytes.Equal(got[i].Sealed, records[i].Sealed) {
				t.Fatalf("record %d: %+v, want %+v", i, got[i], records[i])
			}
			if cap(got[i].Sealed) != len(got[i].Sealed) {
				t.Fatal("an append to one record would write into the next")
			}
		}
		if len(records) == 0 {
			return
		}
		// A frame that was cut off is no frame, except at a record's end.
		ends := map[int]bool{1: true}
		at := AppendFrameHead(nil)
		for i := range records {
			at = AppendRecord(at, &records[i])
			ends[len(at)] = true
		}
		n := rapid.IntRange(0, len(b)-1).Draw(t, "cut")
		if _, err := DecodeFrame(b[:n]); (err == nil) != ends[n] {
			t.Fatalf("the first %d of %d bytes: %v", n, len(b), err)
		}
	})
}

func TestPiecesComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawPiece(t)
		b := AppendPiece(nil, &want)
		got := Piece{Event: 7, Fields: []Field{{ID: 1, Value: Value{Text: "old"}}}} // is reused
		if err := DecodePiece(b, &got); err != nil {
			t.Fatal(err)
		}
		if got.Event != want.Event || got.At != want.At || len(got.Fields) != len(want.Fields) {
			t.Fatalf("%+v, want %+v", got, want)
		}
		for i := range got.Fields {
			if got.Fields[i] != want.Fields[i] {
				t.Fatalf("field %d: %+v, want %+v", i, got.Fields[i], want.Fields[i])
			}
		}
		if again := AppendPiece(nil, &got); !bytes.Equal(again, b) {
			t.Fatal("the encoding is not canonical")
		}
		if err := DecodePiece(append(b[:len(b):len(b)], 0), &got); !errors.Is(err, ErrCorrupt) {
			t.Fatal("a trailing byte was taken")
		}
		if n := rapid.IntRange(0, len(b)-1).Draw(t, "cut"); DecodePiece(b[:n], &got) == nil {
			t.Fatalf("the first %d of %d bytes were taken", n, len(b))
		}
	})
}

func TestCorruptFrames(t *testing.T) {
	one := AppendRecord(AppendFrameHead(nil), &Record{Header: Header{Kind: KindPiece}, Sealed: []byte("x")})
	length := len(one) - 2 // where the length of the payload is
	with := func(i int, tail ...byte) []byte { return append(append([]byte(nil), one[:i]...), tail...) }
	for name, b := range map[string][]byte{
		"nothing":             nil,
		"another version":     with(0, 2),
		"half a header":       one[:20],
		"no length":           one[:length],
		"a length too long":   with(length, 2, 'x'),
		"a length for ever":   with(length, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
		"a length overflowed": with(length, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
		"half a length":       with(length, 0x80),
		"something after":     append(append([]byte(nil), one...), 1),
		"larger than a frame": append(append([]byte(nil), one...), make([]byte, MaxFrame)...),
	} {
		if got, err := DecodeFrame(b); !errors.Is(err, ErrCorrupt) || got != nil {
			t.Errorf("%s: %d records, %v", name, len(got), err)
		}
	}
	if got, err := DecodeFrame(AppendFrameHead(nil)); err != nil || len(got) != 0 {
		t.Errorf("an empty frame: %v, %v", got, err)
	}
}

func TestCorruptPieces(t *testing.T) {
	head := []byte{1, 0, 0, 0, 0} // event 1 at 0
	with := func(tail ...byte) []byte { return append(append([]byte(nil), head...), tail...) }
	for name, b := range map[string][]byte{
		"nothing":              nil,
		"half a head":          head[:3],
		"no count":             head,
		"too many fields":      with(0x81, 0x20),
		"more fields than are": with(2, 1, 0, 0, 0, 0, byte(ValueInteger), 0),
		"an unknown kind":      with(1, 1, 0, 0, 0, 0, 6, 0),
		"kind 0":               with(1, 1, 0, 0, 0, 0, 0, 0),
		"an index too large":   with(1, 1, 0, 0, 0, 0x80, 0x80, 0x04, byte(ValueInteger), 0),
		"a text too long":      with(1, 1, 0, 0, 0, 0, byte(ValueString), 5, 'x'),
		"a text for ever":      with(1, 1, 0, 0, 0, 0, byte(ValueString), 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1),
		"half a number":        with(1, 1, 0, 0, 0, 0, byte(ValueNumber), 0, 0),
	} {
		if err := DecodePiece(b, &Piece{}); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAADBindsEverything: no part of a header, and no controller, can be
// exchanged under a sealed payload.
func TestAADBindsEverything(t *testing.T) {
	var h Header
	seen := map[string]string{string(h.AppendAAD(nil, "shop")): "the first"}
	add := func(name string, h Header, c identity.Controller) {
		aad := string(h.AppendAAD([]byte("kept"), c))
		if aad[:4] != "kept" {
			t.Errorf("%s: what was there is gone", name)
		}
		if other, ok := seen[aad[4:]]; ok {
			t.Errorf("%s and %s have the same associated data", name, other)
		}
		seen[aad[4:]] = name
	}
	add("another controller", h, "shop2")
	add("no controller", h, "")
	// Every field of the header, also those that are added later.
	for i := range reflect.TypeOf(h).NumField() {
		changed := h
		f := reflect.ValueOf(&changed).Elem().Field(i)
		switch f.Kind() {
		case reflect.Array:
			f.Index(f.Len() - 1).SetUint(1)
		case reflect.Int64:
			f.SetInt(1)
		default:
			f.SetUint(1)
		}
		add(reflect.TypeOf(h).Field(i).Name, changed, "shop")
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

// TestDecodersAllocateInProportion: no claim inside the bytes makes a decoder
// take more memory than the bytes can hold.
func TestDecodersAllocateInProportion(t *testing.T) {
	empty := AppendFrameHead(nil)
	for range 50_000 {
		empty = AppendRecord(empty, &Record{})
	}
	zeros := append(AppendFrameHead(nil), make([]byte, MaxFrame-1)...)
	junk := append(AppendFrameHead(nil), bytes.Repeat([]byte{0xff}, MaxFrame-1)...)
	for name, b := range map[string][]byte{"empty records": empty, "zeros": zeros, "junk": junk, "small": junk[:60]} {
		if got, most := allocated(func() { _, _ = DecodeFrame(b) }), uint64(6*len(b)+4096); got > most {
			t.Errorf("frame of %s: %d bytes made %d", name, len(b), got)
		}
	}
	claims := []byte{1, 0, 0, 0, 0, 0x80, 0x20} // 4,096 fields, and none there
	if got := allocated(func() { _ = DecodePiece(claims, &Piece{}) }); got > 4096 {
		t.Errorf("a piece of %d bytes made %d", len(claims), got)
	}
}

func seedPiece() []byte {
	return AppendPiece(nil, &Piece{Event: 3, At: 1_700_000_000_000, Fields: []Field{
		{ID: 1, Value: Value{Kind: ValueString, Text: "85123A"}},
		{ID: 2, Index: 1, Value: Value{Kind: ValueNumber, Num: 2.55}},
		{ID: 3, Value: Value{Kind: ValueInteger, Int: -6}},
		{ID: 4, Value: Value{Kind: ValueBoolean, Int: 1}},
		{ID: 5, Index: math.MaxUint16, Value: Value{Kind: ValueTime, Int: 1 << 40}},
	}})
}

// FuzzDecodeFrame: no bytes panic, memory is bounded, and what was read is what
// is written again.
func FuzzDecodeFrame(f *testing.F) {
	r := Record{Header: Header{ID: ID{1}, Token: identity.Token{2}, Class: 3, Mask: 4, Kind: KindReceipt, Choice: 5, Accepted: 6}, Sealed: []byte("sealed")}
	f.Add(AppendRecord(AppendRecord(AppendFrameHead(nil), &r), &r))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		records, err := DecodeFrame(b)
		if err != nil {
			if records != nil {
				t.Fatal("records came with an error")
			}
			return
		}
		if cap(records) > len(b)/headerSize*2+2 {
			t.Fatalf("%d bytes made room for %d records", len(b), cap(records))
		}
		again := AppendFrameHead(nil)
		for i := range records {
			again = AppendRecord(again, &records[i])
		}
		back, err := DecodeFrame(again)
		if err != nil || !reflect.DeepEqual(back, records) && len(records) > 0 {
			t.Fatalf("%v became %v: %v", records, back, err)
		}
	})
}

// FuzzDecodePiece: no bytes panic, memory is bounded, and what was read is what
// is written again.
func FuzzDecodePiece(f *testing.F) {
	f.Add(seedPiece())
	f.Add([]byte{1, 0, 0, 0, 0, 0x80, 0x20})
	f.Fuzz(func(t *testing.T, b []byte) {
		var p Piece
		if DecodePiece(b, &p) != nil {
			return
		}
		if len(p.Fields) > MaxFields || cap(p.Fields) > len(b)/7*2+8 {
			t.Fatalf("%d bytes made room for %d fields", len(b), cap(p.Fields))
		}
		again := AppendPiece(nil, &p)
		var back Piece
		if err := DecodePiece(again, &back); err != nil || !bytes.Equal(AppendPiece(nil, &back), again) {
			t.Fatalf("%+v became %+v: %v", p, back, err)
		}
	})
}

func BenchmarkDecodePiece(b *testing.B) {
	in := seedPiece()
	var p Piece
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if err := DecodePiece(in, &p); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeFrame(b *testing.B) {
	in := AppendFrameHead(nil)
	for range 500 {
		in = AppendRecord(in, &Record{Sealed: make([]byte, 150)})
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		if _, err := DecodeFrame(in); err != nil {
			b.Fatal(err)
		}
	}
}

func TestCategoriesComeBack(t *testing.T) {
	v, ok := CategoriesValue([]string{" Tea", "Kitchen > Mugs", "Tea"})
	if got := v.Categories(); !ok || !slices.Equal(got, []string{"Tea", "Kitchen > Mugs"}) {
		t.Errorf("%q, %v", got, ok)
	}
	if v, ok = CategoriesValue(nil); !ok || v.Kind != ValueString || v.Categories() != nil {
		t.Errorf("no categories are %+v, %v", v, ok)
	}
	for _, bad := range [][]string{{""}, {" "}, {"a\nb"}, {"\xff"}, make([]string, MaxCategories+1)} {
		if _, ok := CategoriesValue(bad); ok {
			t.Errorf("%q was taken", bad)
		}
	}
	if got := (Value{Kind: ValueInteger, Text: "a"}).Categories(); got != nil {
		t.Errorf("a number has the categories %q", got)
	}
}
