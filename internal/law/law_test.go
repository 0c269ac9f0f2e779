package law

import (
	"testing"
	"time"

	"accord/internal/declare"
)

func day(t testing.TB, s string) time.Time {
	t.Helper()
	d, err := time.Parse(time.DateOnly, s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestEmbedded(t *testing.T) {
	c := Embedded()
	table := c.On(day(t, "2026-11-25"))
	l := table.Limit(1 << declare.Sale)
	t.Logf("%v %+v %v", c.Names(c.All()), l, table.From)
	if n := testing.AllocsPerRun(100, func() { table.Regimes("us-ca"); c.On(table.From) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
