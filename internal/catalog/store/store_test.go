package store_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"accord/internal/catalog"
	"accord/internal/catalog/store"
)

func product(id, title string, stock int) catalog.Product {
	p := catalog.Product{ID: id, Title: title, Price: 1299, Currency: "GBP"}
	if stock >= 0 {
		p.Stock = &stock
	}
	return p
}

func open(t testing.TB, file string) *store.Store {
	t.Helper()
	s, err := store.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func ids(ps []catalog.Product) (out []string) {
	for _, p := range ps {
		out = append(out, p.ID)
	}
	return out
}

// What was put is there, and is there again after the file was opened anew.
func TestPutGetDelete(t *testing.T) {
	file := filepath.Join(t.TempDir(), "catalog.json")
	s := open(t, file)
	if s.Len() != 0 || s.Sellable("a") {
		t.Fatal("a new catalogue is not empty")
	}
	full := catalog.Product{ID: "b", Title: "Tea & “more” <x>", Category: "Tea > Black", Price: 0, Currency: "JPY", Stock: new(int), Picture: "/b.svg", URL: "https://shop.example/b?x=1&y=2"}
	if err := s.Put([]catalog.Product{product("c", "Old", 1), full, product("a", "Blue mug", -1), product("c", "Red mug", 3)}); err != nil {
		t.Fatal(err)
	}
	want := []catalog.Product{product("c", "Red mug", 3), full, product("a", "Blue mug", -1)} // in the order in which they came
	for range 2 {
		if d := cmp.Diff(want, slices.Collect(s.All())); d != "" {
			t.Error(d)
		}
		if p, ok := s.Get("c"); !ok || p.Title != "Red mug" {
			t.Errorf("c is %+v, %v", p, ok)
		}
		if !s.Sellable("a") || s.Sellable("b") || !s.Sellable("c") || s.Sellable("d") || s.Len() != 3 {
			t.Error("a and c may be shown; b has no stock and d is not there")
		}
		s = open(t, file)
	}
	before := s.All()
	if err := s.Delete("a", "nobody"); err != nil {
		t.Fatal(err)
	}
	if got := slices.Collect(before); len(got) != 3 {
		t.Errorf("what was asked for before has %d products, want 3", len(got))
	}
	if _, ok := s.Get("a"); ok || s.Len() != 2 {
		t.Error("a is still there")
	}
	if got := ids(slices.Collect(open(t, file).All())); !slices.Equal(got, []string{"c", "b"}) {
		t.Errorf("after opening anew: %v", got)
	}
}

// A change that fails changes nothing.
func TestFailedPut(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s := open(t, filepath.Join(dir, "catalog.json"))
	if err := s.Put([]catalog.Product{product("a", "Blue mug", -1)}); err != nil {
		t.Fatal(err)
	}
	bad := product("c", "Bad", -1)
	bad.URL = "javascript:alert(1)"
	if err := s.Put([]catalog.Product{product("b", "Good", -1), bad}); err == nil {
		t.Error("a product that is not valid was taken")
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := s.Put([]catalog.Product{product("b", "Good", -1)}); err == nil || !strings.Contains(err.Error(), "was not changed") {
		t.Errorf("a put onto a disk that is gone: %v", err)
	}
	if err := s.Delete("a"); err == nil {
		t.Error("a delete on a disk that is gone succeeded")
	}
	if got := ids(slices.Collect(s.All())); !slices.Equal(got, []string{"a"}) {
		t.Errorf("after the failures: %v", got)
	}
}

// A crash while a snapshot is written leaves the catalogue that was
// acknowledged before.
func TestHalfWritten(t *testing.T) {
	file := filepath.Join(t.TempDir(), "catalog.json")
	if err := open(t, file).Put([]catalog.Product{product("a", "Blue mug", -1)}); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".new", []byte("{\"accord_catalog\":1}\n{\"id\":"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, file)
	if got := ids(slices.Collect(s.All())); !slices.Equal(got, []string{"a"}) {
		t.Errorf("%v, want a", got)
	}
	if _, err := os.Stat(file + ".new"); !os.IsNotExist(err) {
		t.Errorf("the half-written file is still there: %v", err)
	}
}

// A file that was cut or changed is refused with words, whatever byte it is.
func TestDamaged(t *testing.T) {
	file := filepath.Join(t.TempDir(), "catalog.json")
	if err := open(t, file).Put([]catalog.Product{product("a", "Blue mug", -1), product("b", "Red mug", 2)}); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	refused := func(content []byte, what string) {
		t.Helper()
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := store.Open(file); err == nil {
			t.Errorf("%s: %d products were taken", what, s.Len())
		}
	}
	for i := range len(whole) - 1 { // the last line end carries nothing
		refused(whole[:i], fmt.Sprintf("cut at %d", i))
		wrong := slices.Clone(whole)
		wrong[i] ^= 1
		refused(wrong, fmt.Sprintf("byte %d changed", i))
	}
	refused([]byte(strings.Repeat("x", 1<<20)), "another file")
	refused(append(slices.Clone(whole), "more\n"...), "something added")
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if s := open(t, file); s.Len() != 2 {
		t.Errorf("the whole file has %d products", s.Len())
	}
}

// Find looks at the beginnings of ids and of the words of titles.
func TestFind(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "catalog.json"))
	if err := s.Put([]catalog.Product{
		product("10", "Mug, blue", -1), product("11", "Blue mug", -1), product("12", "Teapot (mug-shaped)", -1),
		product("mug-9", "Red cup", -1), product("13", "Smug cat", -1), product("14", "Mug mug mug", -1), product("15", "Éclair", -1),
	}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		prefix string
		limit  int
		want   []string
	}{
		{"mug", 10, []string{"mug-9", "14", "10", "11", "12"}},
		{" MUG", 2, []string{"mug-9", "14"}},
		{"blue m", 10, []string{"11"}},
		{"1", 3, []string{"10", "11", "12"}},
		{"éc", 10, []string{"15"}},
		{"zebra", 10, nil},
		{"", 2, []string{"10", "11"}},
		{"mug", 0, nil},
		{"mug", -1, nil},
	} {
		if got := ids(s.Find(c.prefix, c.limit)); !slices.Equal(got, c.want) {
			t.Errorf("Find(%q, %d) = %v, want %v", c.prefix, c.limit, got, c.want)
		}
	}
}

// Any run of changes leaves what a map would hold, in memory and on disk.
func TestAsMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "store")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		file := filepath.Join(dir, "catalog.json")
		s, err := store.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		model := map[string]catalog.Product{}
		id := rapid.StringMatching(`[a-e]{1,2}`)
		for range rapid.IntRange(1, 6).Draw(t, "changes") {
			if rapid.Bool().Draw(t, "delete") {
				gone := rapid.SliceOfN(id, 0, 4).Draw(t, "gone")
				if err := s.Delete(gone...); err != nil {
					t.Fatal(err)
				}
				for _, g := range gone {
					delete(model, g)
				}
				continue
			}
			var ps []catalog.Product
			for _, i := range rapid.SliceOfN(id, 1, 5).Draw(t, "put") {
				ps = append(ps, product(i, fmt.Sprint("title ", len(ps)), rapid.IntRange(-1, 2).Draw(t, "stock")))
			}
			if err := s.Put(ps); err != nil {
				t.Fatal(err)
			}
			for _, p := range ps {
				model[p.ID] = p
			}
		}
		again, err := store.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range []*store.Store{s, again} {
			got := map[string]catalog.Product{}
			for p := range s.All() {
				got[p.ID] = p
			}
			if d := cmp.Diff(model, got); d != "" {
				t.Fatal(d)
			}
		}
	})
}

// Readers never wait and never see half a change. Run with -race.
func TestConcurrent(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "catalog.json"))
	pair := func(n int) []catalog.Product {
		title := fmt.Sprint("title ", n)
		return []catalog.Product{product("a", title, n), product("b", title, n)}
	}
	if err := s.Put(pair(1)); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				all := slices.Collect(s.All())
				if len(all) != 2 || all[0].Title != all[1].Title || !s.Sellable("a") || len(s.Find("title", 5)) != 2 {
					t.Errorf("half a change: %v", all)
					return
				}
			}
		})
	}
	for n := range 50 {
		if err := s.Put(pair(n + 1)); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	readers.Wait()
}

func many(n int) []catalog.Product {
	r := rand.New(rand.NewPCG(1, 2))
	words := strings.Fields("blue red mug cup teapot candle holder set of heart vintage large small wooden glass")
	ps := make([]catalog.Product, n)
	for i := range ps {
		ps[i] = product(fmt.Sprintf("p%06d", i), fmt.Sprintf("%s %s %s %d", words[r.IntN(len(words))], words[r.IntN(len(words))], words[r.IntN(len(words))], i), i%7)
	}
	return ps
}

func BenchmarkSellable(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "catalog.json"))
	if err := s.Put(many(5000)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Sellable("p002500")
	}
}

func BenchmarkFind(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "catalog.json"))
	if err := s.Put(many(5000)); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		s.Find("teap", 10)
	}
}

func BenchmarkPut(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "catalog.json"))
	ps := many(5000)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Put(ps); err != nil {
			b.Fatal(err)
		}
	}
}

// A category counts what lies below it, and is found by any name in its path.
func TestCategories(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "catalog.json"))
	in := func(id, category string) catalog.Product {
		p := product(id, id, 1)
		p.Category = category
		return p
	}
	if err := s.Put([]catalog.Product{in("1", "Kitchen > Mugs"), in("2", "Kitchen > Mugs"), in("3", "Kitchen > Tea"), in("4", "Tea"), in("5", ""), in("6", "Élan & éclat")}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		prefix string
		limit  int
		want   string
	}{
		{"", 10, "[{Kitchen 3} {Kitchen > Mugs 2} {Kitchen > Tea 1} {Tea 1} {Élan & éclat 1}] false"},
		{" kit", 10, "[{Kitchen 3} {Kitchen > Mugs 2} {Kitchen > Tea 1}] false"},
		{"TEA", 10, "[{Kitchen > Tea 1} {Tea 1}] false"},
		{"tea", 1, "[{Kitchen > Tea 1}] true"},
		{"itchen", 10, "[] false"},
		{"clat", 10, "[] false"},
		{"éclat", 10, "[{Élan & éclat 1}] false"},
	} {
		found, more := s.Categories(c.prefix, c.limit)
		if got := fmt.Sprint(found, " ", more); got != c.want {
			t.Errorf("%q: %s, want %s", c.prefix, got, c.want)
		}
	}
	if err := s.Delete("4"); err != nil {
		t.Fatal(err)
	}
	if found, _ := s.Categories("tea", 10); len(found) != 1 {
		t.Errorf("after a delete: %v", found)
	}
}
