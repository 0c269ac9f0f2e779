package recommend

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"testing"

	"accord/internal/decide"
	"accord/internal/profile"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func small(t testing.TB) *Model {
	data := shop(9, 80, 12, 6)
	for i := range data {
		data[i].Place = []string{"London", "Leeds"}[i%2]
	}
	m, err := Train(t.Context(), data, Options{Now: now, TopK: 4})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAModelReadsBackAsItWas(t *testing.T) {
	m := small(t)
	b, err := m.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var got Model
	if err := got.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(m, &got, cmp.AllowUnexported(Model{}, finder{}, word{}), cmpopts.EquateEmpty()); d != "" {
		t.Errorf("the model changed:\n%s", d)
	}
	again, err := got.MarshalBinary()
	if err != nil || !bytes.Equal(b, again) {
		t.Errorf("the same model gave other bytes (error %v)", err)
	}
	q := Question{Ask: ask(5), History: []profile.Interaction{{Item: m.items[2], At: now.UnixMilli(), Action: 3}}}
	q.Moment.Place = "Leeds"
	if d := cmp.Diff(m.Answer(&q), got.Answer(&q)); d != "" {
		t.Errorf("it answers otherwise:\n%s", d)
	}
	var zero, back Model
	if b, err = zero.MarshalBinary(); err != nil {
		t.Fatal(err)
	}
	if err := back.UnmarshalBinary(b); err != nil || back.Items() != 0 {
		t.Errorf("the zero model: %v", err)
	}
}

func TestADamagedModelIsRefused(t *testing.T) {
	m := small(t)
	b, err := m.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	kept := *m
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 0x55
		if err := kept.UnmarshalBinary(bad); err == nil {
			t.Fatalf("a flipped byte %d was not noticed", i)
		}
		if err := kept.UnmarshalBinary(b[:i]); err == nil {
			t.Fatalf("the first %d bytes were taken for a model", i)
		}
	}
	if kept.version != m.version || len(kept.items) != len(m.items) {
		t.Error("a failed read changed the model")
	}
	b[len(magic)]++
	if err := kept.UnmarshalBinary(b); !errors.Is(err, ErrVersion) {
		t.Errorf("another version: %v", err)
	}
}

// FuzzUnmarshal gives the reader bytes with a right checksum, so that it gets to
// see them; what it takes must answer.
func FuzzUnmarshal(f *testing.F) {
	b, err := small(f).MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b[len(magic)+1 : len(b)-4])
	f.Add([]byte{})
	zero, _ := new(Model).MarshalBinary()
	f.Add(zero[len(magic)+1 : len(zero)-4])
	f.Fuzz(func(t *testing.T, body []byte) {
		b := append(append([]byte(magic), formatVersion), body...)
		b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
		var m Model
		if err := m.UnmarshalBinary(b); err != nil {
			return
		}
		q := Question{Ask: decide.Ask{N: 10, Moment: decide.Moment{Time: now, Session: []string{"item-0001"}}}}
		for _, item := range m.items[:min(len(m.items), 20)] {
			q.History = append(q.History, profile.Interaction{Item: item, At: now.UnixMilli(), Action: 3})
		}
		for _, x := range m.Answer(&q).Items {
			if math.IsNaN(x.Score) || math.IsInf(x.Score, 0) {
				t.Fatalf("%q scores %v", x.ID, x.Score)
			}
		}
	})
}
