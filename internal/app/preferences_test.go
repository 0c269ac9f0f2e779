package app

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"accord/internal/decide"
)

// "What a person says they like … weighs in decisions from the next answer on",
// through the whole house: a key set proves the person, the catalogue knows the
// categories, and the answer after PUT /v1/preferences is another one.
func TestToldPreferencesChangeTheNextAnswer(t *testing.T) {
	c := newCrash(t)
	shop := &publisher{}
	shop.rotate("k1", 1)
	published := httptest.NewServer(shop)
	defer published.Close()
	declaration := filepath.Join(c.data, "accord.yaml")
	text, err := os.ReadFile(declaration)
	must(t, err)
	must(t, os.WriteFile(declaration, []byte(strings.Replace(string(text), "\npurposes:\n", "\nshop_jwks: "+published.URL+"\n\npurposes:\n", 1)), 0o600))
	public, _, err := MakeKey(c.data, "write", "web", nil)
	must(t, err)
	addr, _ := inProcess(t, serveIn(c.data))
	base := "http://" + addr

	product := func(id, category string) map[string]any {
		return map[string]any{"id": id, "title": id, "category": category, "price": "1.00", "currency": "GBP"}
	}
	must(t, c.ask(t.Context(), "PUT", base+"/v1/catalog", []any{product("fork", "Kitchen > Forks"), product("tea", "Food > Tea"), product("lamp", "Home")}, nil))
	anna := map[string]any{"user_id": "anna"}
	must(t, c.ask(t.Context(), "PUT", base+"/v1/consent", map[string]any{"person": anna, "choices": map[string]any{"told_preferences": "given"}}, nil))

	// From here the browser speaks, with what the shop signed.
	c.key, c.shopToken = public, shop.token(t, "k1", "anna")
	tell := func(preferences map[string]any) {
		t.Helper()
		must(t, c.ask(t.Context(), "PUT", base+"/v1/preferences", map[string]any{"person": anna, "preferences": preferences}, nil))
	}
	first := func(purpose string) decide.Item {
		t.Helper()
		var a struct{ Items []decide.Item }
		must(t, c.ask(t.Context(), "POST", base+"/v1/decide", map[string]any{"person": anna, "purpose": purpose}, &a))
		return a.Items[0]
	}
	if got := first("told_preferences"); got.ID != "fork" || got.Reasons[0].Code != "catalogue" {
		t.Fatalf("before: %+v", got)
	}
	tell(map[string]any{"likes": []string{"Food"}, "avoids": []string{"Kitchen"}})
	if got := first("told_preferences"); got.ID != "tea" || got.Reasons[0].Code != "told" || got.Reasons[0].Category != "Food" {
		t.Errorf("after: %+v", got)
	}
	if got := first("personalization"); got.ID != "fork" {
		t.Errorf("for a purpose that was not given: %+v", got)
	}
	tell(map[string]any{"likes": []string{}})
	if got := first("told_preferences"); got.ID != "tea" || got.Reasons[0].Code != "catalogue" {
		t.Errorf("what is avoided stays so: %+v", got)
	}
	tell(map[string]any{"avoids": []string{}})
	if got := first("told_preferences"); got.ID != "fork" {
		t.Errorf("after all was taken back: %+v", got)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
