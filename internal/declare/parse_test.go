package declare

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"accord/internal/identity"
	"accord/internal/strict"
)

// small is the smallest declaration with one of everything; the table of faults
// edits it. Line numbers in the table are its own.
const small = `version: 1
controller:
  id: shop
  name: The Shop
  contact: privacy@example.com
  country: DE
receipts:
  retention: 36 months
purposes:
  orders:
    basis: contract
    text: To deliver what you ordered.
  taste:
    basis: consent
    text: To suggest what suits you.
    receipt: before
    categories: [ads]
    engines: [recommend]
    valid: 24 months
attributes:
  email:
    type: string
    category: contact
    purposes: [orders]
    retention: 24 months
events:
  Bought:
    action: purchase
    fields:
      id:
        type: item
        category: purchase
        purposes: [orders, taste]
        retention: 24 months
context:
  device.type:
    type: string
    category: device
    purposes: [taste]
    retention: 13 months
identifiers:
  user_id:
    category: account
    purposes: [orders]
    retention: 6 years
    text: Your account's number
`

func mustParse(t testing.TB, text string) *Declaration {
	t.Helper()
	d, err := Parse("accord.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// faults returns the faults of a declaration, each with its line.
func faults(t *testing.T, text string) []*Error {
	t.Helper()
	d, err := Parse("accord.yaml", []byte(text))
	if err == nil {
		return nil
	}
	if d != nil {
		t.Fatal("a declaration came with an error")
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatalf("%T is not joined", err)
	}
	var out []*Error
	for _, e := range joined.Unwrap() {
		fault, ok := errors.AsType[*Error](e)
		if !ok {
			t.Fatalf("%T is no *Error", e)
		}
		out = append(out, fault)
	}
	return out
}

// TestParseNamesTheLineOfEveryFault holds promise 4 at its root: a declaration
// that does not say what a field is for, or for how long, is no declaration.
func TestParseNamesTheLineOfEveryFault(t *testing.T) {
	for _, c := range []struct {
		name, old, new string
		line           int
		says           string
	}{
		{"unknown key at the top", "context:", "contxt:", 35, `has no key "contxt"; its keys are: version,`},
		{"unknown key of the controller", "  name: The Shop", "  title: The Shop", 4, `the controller has no key "title"`},
		{"unknown key of a purpose", "    valid: 24 months", "    vaild: 24 months", 19, `the purpose "taste" has no key "vaild"`},
		{"unknown key of a field", "    category: contact", "    categry: contact", 23, `the field "email" has no key "categry"`},
		{"unknown key of an event", "    action: purchase", "    does: purchase", 28, `the event "Bought" has no key "does"`},
		{"unknown key of receipts", "  retention: 36 months", "  keep: 36 months", 8, `receipts has no key "keep"`},
		{"duplicate purpose", "  taste:", "  orders:", 13, `purposes has the key "orders" twice; the first is in line 10`},
		{"duplicate key of a field", "    category: contact", "    type: string", 23, `the field "email" has the key "type" twice`},
		{"no version", "version: 1\n", "", 1, "has no version"},
		{"wrong version", "version: 1", "version: 2", 1, "version must be 1"},
		{"version as text", "version: 1", `version: "1"`, 1, "version must be 1"},
		{"no controller id", "  id: shop\n", "", 3, "the controller has no id"},
		{"bad controller id", "  id: shop", "  id: The Shop", 3, "must be small letters"},
		{"no contact", "  contact: privacy@example.com\n", "", 3, "the controller has no contact"},
		{"bad country", "country: DE", "country: Germany", 6, "two capital letters"},
		{"controller is a text", "receipts:\n  retention: 36 months", "receipts: 36 months", 7, "receipts must be a list of keys"},
		{"purpose without text", "    text: To deliver what you ordered.\n", "", 10, `the purpose "orders" has no text`},
		{"purpose with empty text", "text: To deliver what you ordered.", "text:", 12, `text of the purpose "orders" is empty`},
		{"purpose with blank text", "text: To deliver what you ordered.", `text: "  "`, 12, `text of the purpose "orders" is empty`},
		{"purpose without basis", "    basis: contract\n", "", 10, `the purpose "orders" has no basis`},
		{"unknown basis", "basis: contract", "basis: vital_interest", 11, `the bases are: consent, contract, legal_obligation, legitimate_interest, opt_out`},
		{"unknown receipt mode", "receipt: before", "receipt: never", 16, "it can be: after, before"},
		{"category of another purpose", "categories: [ads]", "categories: [orders]", 17, "is the name of a purpose"},
		{"category twice", "categories: [ads]", "categories: [ads, ads]", 17, `lists "ads" twice`},
		{"bad engine", "engines: [recommend]", "engines: [Recommend it]", 18, "the engine"},
		{"bad validity", "valid: 24 months", "valid: for ever", 19, `valid of the purpose "taste" is "for ever"`},
		{"validity of a contract", "    basis: contract\n", "    basis: contract\n    valid: 1 year\n", 12, "valid belongs to consent"},
		{"children of no attribute", "context:\n", "children: {attribute: age, bands: {child: [x]}, guardian: [taste]}\ncontext:\n", 35, `children names the attribute "age", which is not declared`},
		{"children without bands", "context:\n", "children: {attribute: email, guardian: [taste]}\ncontext:\n", 35, `children has no bands`},
		{"bands without a child", "context:\n", "children: {attribute: email, bands: {}, guardian: [taste]}\ncontext:\n", 35, `bands of children has no child`},
		{"children without a guardian", "context:\n", "children: {attribute: email, bands: {child: [x]}}\ncontext:\n", 35, `children has no guardian`},
		{"a guardian of nothing", "context:\n", "children: {attribute: email, bands: {child: [x]}, guardian: []}\ncontext:\n", 35, `guardian of children is empty`},
		{"a guardian of no purpose", "context:\n", "children: {attribute: email, bands: {child: [x]}, guardian: [tase]}\ncontext:\n", 35, `names the purpose "tase", which is not declared`},
		{"a guardian of a contract", "context:\n", "children: {attribute: email, bands: {child: [x]}, guardian: [orders]}\ncontext:\n", 35, `whose basis contract no choice gives or ends`},
		{"signature under a contract", "    basis: contract\n", "    basis: contract\n    signed: required\n", 12, "signed belongs to consent"},
		{"a word of signed", "valid: 24 months", "signed: yes", 19, "it can be: optional, required"},
		{"bad purpose name", "  orders:", "  The Orders:", 10, "must be small letters"},
		{"field without purposes", "    purposes: [orders]\n", "", 21, `the field "email" has no purposes`},
		{"field with no purpose", "purposes: [orders]", "purposes: []", 24, `the field "email" has no purposes`},
		{"field with an unknown purpose", "purposes: [orders]", "purposes: [orders, spying]", 24, `names the purpose "spying", which is not declared`},
		{"field with a purpose twice", "purposes: [orders]", "purposes: [orders, orders]", 24, `lists "orders" twice`},
		{"purposes as text", "purposes: [orders]", "purposes: orders", 24, "must be a list"},
		{"field without category", "    category: contact\n", "", 21, `the field "email" has no category`},
		{"field without type", "    type: string\n    category: contact", "    category: contact", 21, `the field "email" has no type`},
		{"categories in an event", "type: item", "type: categories", 30, "only the attributes likes and avoids"},
		{"show without a text", "receipt: before", "show: [{code: human}]", 16, `an entry of show of the purpose "taste" has no text`},
		{"show of another form", "receipt: before", "show: Ask us", 16, "must be a list of texts"},
		{"show with a bad code", "receipt: before", "show: [{code: Ask us, text: x}]", 16, "the code"},
		{"show twice", "receipt: before", "show: [{code: a, text: x}, {code: a, text: y}]", 16, `lists "a" twice`},
		{"a key set over http", "receipts:\n", "shop_jwks: http://shop.example/jwks.json\nreceipts:\n", 7, "must begin with https://"},
		{"a key set with a password", "receipts:\n", "shop_jwks: https://a:b@shop.example/jwks.json\nreceipts:\n", 7, "without a name, a password"},
		{"unknown type", "type: item", "type: product", 31, "it can be: string, number, integer, boolean, time, item, quantity, money, categories"},
		{"field without retention", "    purposes: [orders]\n    retention: 24 months", "    purposes: [orders]", 21, `the field "email" has no retention`},
		{"bad period", "retention: 13 months", "retention: 13 moons", 40, "a period is a number and a unit"},
		{"period without a unit", "retention: 13 months", "retention: 13", 40, "without a unit"},
		{"no time at all", "retention: 13 months", "retention: 0 days", 40, "from 1 day to 100 years"},
		{"too long a time", "retention: 13 months", "retention: 101 years", 40, "from 1 day to 100 years"},
		{"unknown sensitivity", "    category: contact", "    category: contact\n    sensitivity: secret", 24, "it can be: ordinary, special"},
		{"unknown identifier", "  user_id:", "  shoe_size:", 42, `identifiers has no key "shoe_size"; its keys are: user_id, anonymous_id`},
		{"unknown key of an identifier", "    category: account", "    type: account", 43, `the identifier "user_id" has no key "type"`},
		{"identifier without retention", "    retention: 6 years\n", "", 42, `the identifier "user_id" has no retention`},
		{"identifier without text", "    text: Your account's number\n", "", 42, `the identifier "user_id" has no text`},
		{"identifier without purposes", "    purposes: [orders]\n    retention: 6 years", "    retention: 6 years", 42, `the identifier "user_id" has no purposes`},
		{"identifier with an unknown purpose", "[orders]\n    retention: 6 years", "[spying]\n    retention: 6 years", 44, `names the purpose "spying"`},
		{"identifiers as a list", "  user_id:", "  - user_id:", 42, "identifiers must be a list of keys"},
		{"unknown action", "action: purchase", "action: rob", 28, "it can be: view, cart, purchase, like, dislike"},
		{"action without a product", "type: item", "type: string", 27, "no field of type item"},
		{"event without fields", "    fields:\n      id:\n        type: item\n        category: purchase\n        purposes: [orders, taste]\n        retention: 24 months\n", "", 27, `the event "Bought" has no fields`},
		{"event called trait", "  Bought:", "  trait:", 27, "are taken"},
		{"bad path", "  device.type:", "  device..type:", 36, "is no path"},
		{"path with two lists", "      id:", "      orders[].products[].id:", 30, "at most one []"},
		{"path in a path", "  device.type:", "  device: {type: string, category: c, purposes: [taste], retention: 1 day}\n  device.type:", 37, `lies inside "device"`},
		{"a list as an attribute", "  email:", "  interests[]:", 21, "is a list"},
		{"an anchor", "purposes: [orders]", "purposes: &p [orders]", 24, "anchor or an alias"},
		{"a merge", "    type: string\n    category: contact", "    <<: {type: string}\n    category: contact", 22, "is not a text"},
		{"a tag", "name: The Shop", "name: !!str The Shop", 4, "has a YAML tag"},
		{"a number for a text", "name: The Shop", "name: 365", 4, "write it in quotes"},
		{"a mapping for a text", "name: The Shop", "name: {a: b}", 4, "must be a text"},
		{"bad YAML", "controller:", "controller: [", 2, "not the YAML of one declaration"},
		{"a second document", "context:", "---\ncontext:", 35, "not the YAML of one declaration"},
		{"invalid UTF-8", "The Shop", "The \xff Shop", 1, "not the YAML of one declaration"},
		{"two names with one number", "  Bought:", "  costarring:\n    fields: {a: {type: string, category: c, purposes: [taste], retention: 1 day}}\n  liquid:", 29, `the names "liquid" and "costarring" (line 27) have the same number`},
		{"a shop key that is none", "purposes:\n  orders:", "shop_keys: [secret]\npurposes:\n  orders:", 9, "not a key that can be used"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if strings.Count(small, c.old) == 0 {
				t.Fatalf("%q is not in the declaration", c.old)
			}
			got := faults(t, strings.Replace(small, c.old, c.new, 1))
			for _, f := range got {
				if strings.Contains(f.Msg, c.says) {
					if c.name != "invalid UTF-8" && c.name != "bad YAML" && c.name != "a second document" && f.Line != c.line {
						t.Errorf("line %d, want %d: %v", f.Line, c.line, f)
					}
					return
				}
			}
			t.Fatalf("no fault says %q; got %v", c.says, got)
		})
	}
}

func TestParseRefusesWhatIsNoDeclaration(t *testing.T) {
	for name, text := range map[string]string{
		"empty":      "",
		"a comment":  "# nothing\n",
		"a text":     "hello",
		"a list":     "[1, 2]",
		"null":       "null",
		"no purpose": strings.Replace(small, small[strings.Index(small, "purposes:\n  orders"):strings.Index(small, "attributes:")], "purposes: {}\n", 1),
		"too large":  small + strings.Repeat("#", MaxFile),
		"deep":       strings.Repeat("[", 20000),
		"aliases":    "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n",
	} {
		if got := faults(t, text); len(got) == 0 {
			t.Errorf("%s: was taken", name)
		}
	}
}

func TestParseReportsAllFaultsInOrderAndNoMoreThanPeopleRead(t *testing.T) {
	text := strings.NewReplacer("country: DE", "country: de", "retention: 36 months", "retention: x", "type: item", "type: y").Replace(small)
	got := faults(t, text)
	var lines []int
	for _, f := range got {
		lines = append(lines, f.Line)
	}
	if !slices.Equal(lines, []int{6, 8, 31}) {
		t.Errorf("faults in lines %v: %v", lines, got)
	}
	if want := "accord.yaml:6: country"; !strings.HasPrefix(got[0].Error(), want) {
		t.Errorf("%q does not begin with %q", got[0], want)
	}
	if got := faults(t, small+strings.Repeat("x", 10)+":\n"+strings.Join(manyKeys(500), "\n")); len(got) != strict.MaxFaults {
		t.Errorf("%d faults, want %d", len(got), strict.MaxFaults)
	}
}

func manyKeys(n int) (keys []string) {
	for i := range n {
		keys = append(keys, fmt.Sprintf("k%d: 1", i))
	}
	return keys
}

func TestParseBoundsPurposes(t *testing.T) {
	with := func(purposes, of int) string {
		var b strings.Builder
		b.WriteString(small[:strings.Index(small, "purposes:\n")] + "purposes:\n")
		var names []string
		for i := range purposes {
			fmt.Fprintf(&b, "  p%02d: {basis: consent, text: x}\n", i)
			if i < of {
				names = append(names, fmt.Sprintf("p%02d", i))
			}
		}
		fmt.Fprintf(&b, "attributes:\n  a: {type: string, category: c, retention: 1 day, purposes: [%s]}\n", strings.Join(names, ", "))
		return b.String()
	}
	d := mustParse(t, with(MaxPurposes, MaxClassPurposes))
	c := d.Attributes[0].Class
	if c.Mask(^Set(0)) != 0xffff || c.Set(0xffff) != 0xffff {
		t.Errorf("mask %x, set %x", c.Mask(^Set(0)), c.Set(0xffff))
	}
	if got := faults(t, with(MaxPurposes+1, 1)); len(got) != 1 || !strings.Contains(got[0].Msg, "more than 64 purposes") {
		t.Errorf("65 purposes: %v", got)
	}
	if got := faults(t, with(MaxPurposes, MaxClassPurposes+1)); len(got) != 1 || !strings.Contains(got[0].Msg, "more than 16 purposes") {
		t.Errorf("a field with 17 purposes: %v", got)
	}
}

func TestParseRefusesTwoClassesWithOneNumber(t *testing.T) {
	text := strings.NewReplacer("  orders:", "  costarring:", "  taste:", "  liquid:", "[orders]", "[costarring]",
		"[orders, taste]", "[liquid]", "[taste]", "[liquid]").Replace(small)
	got := faults(t, text)
	if len(got) != 1 || !strings.Contains(got[0].Msg, "number of another class") {
		t.Fatalf("got %v", got)
	}
}

func TestParseReadsWhatIsDeclared(t *testing.T) {
	d := mustParse(t, small)
	taste, ok := d.Purpose("taste")
	if !ok || d.Purposes[taste].Basis != Consent || d.Purposes[taste].Receipt != ReceiptBefore || d.Purposes[taste].Valid.Months != 24 ||
		!slices.Equal(d.Purposes[taste].Engines, []string{"recommend"}) {
		t.Errorf("taste is %+v", d.Purposes[taste])
	}
	if d.Category("ads") != Set(0).With(taste) || d.Category("taste") != Set(0).With(taste) || d.Category("none") != 0 {
		t.Error("categories do not lead to their purposes")
	}
	e, ok := d.Event("Bought")
	if !ok || e.Action != Purchase {
		t.Fatalf("event %+v", e)
	}
	f, ok := e.Field("id")
	if !ok || f.Type != Item || f.ID != NameID(fnv1a("Bought/id")) || f.Class.Retention != (Period{Months: 24}) {
		t.Fatalf("field %+v", f)
	}
	if byID, _ := d.FieldByID(f.ID); byID != f {
		t.Error("FieldByID finds another field")
	}
	if byID, _ := d.EventByID(e.ID); byID != e {
		t.Error("EventByID finds another event")
	}
	if a, ok := d.Attribute("email"); !ok || a.ID != NameID(fnv1a("trait/email")) {
		t.Errorf("attribute %+v", a)
	}
	if c, ok := d.ContextField("device.type"); !ok || c.ID != NameID(fnv1a("context/device.type")) {
		t.Errorf("context %+v", c)
	}
	for _, missing := range []bool{has(d.Attribute("id")), has(e.Field("email")), has(d.ContextField("ip")), has(d.FieldByID(1)), has(d.Class(1)), has(d.Event("bought"))} {
		if missing {
			t.Error("something undeclared was found (promise 4)")
		}
	}
	if orders, _ := d.Purpose("orders"); d.Identifies(identity.UserID) != Set(0).With(orders) || d.Identifies(identity.AnonymousID) != 0 {
		t.Errorf("identifiers %+v", d.Identifiers)
	}
	if d.Controller() != "shop" || d.ReceiptRetention.String() != "3 years" {
		t.Errorf("controller %q, receipts %v", d.Controller(), d.ReceiptRetention)
	}
}

func has[T any](_ T, ok bool) bool { return ok }

func TestSystemClassesStandInEveryDeclarationAndNameNoPurpose(t *testing.T) {
	if uint32(ClassChoice) != fnv1a("system/choice") || uint32(ClassReceipt) != fnv1a("system/receipt") {
		t.Fatal("the numbers of the system's classes changed: what is on disk could not be read")
	}
	d := mustParse(t, small)
	for _, id := range []ClassID{ClassChoice, ClassReceipt} {
		c, ok := d.Class(id)
		if !ok || c.Purposes != 0 || c.Retention != d.ReceiptRetention || c.Mask(^Set(0)) != 0 || c.Set(0xffff) != 0 {
			t.Errorf("class %x: %+v", id, c)
		}
	}
	if !slices.IsSortedFunc(d.Classes, func(a, b Class) int { return int(int64(a.ID) - int64(b.ID)) }) {
		t.Error("classes are not sorted")
	}
}

// TestMasksOutliveOtherPurposes: a durable mask means the same purposes when the
// declaration gains others in front of them.
func TestMasksOutliveOtherPurposes(t *testing.T) {
	old := mustParse(t, small)
	now := mustParse(t, strings.Replace(small, "purposes:\n", "purposes:\n  aaa: {basis: consent, text: x}\n  paaa: {basis: consent, text: x}\n", 1))
	for i := range old.Classes {
		was := &old.Classes[i]
		is, ok := now.Class(was.ID)
		if !ok {
			t.Fatalf("class %x is gone", was.ID)
		}
		for mask := range uint16(4) {
			if a, b := names(old, was.Set(mask)), names(now, is.Set(mask)); !slices.Equal(a, b) {
				t.Errorf("mask %b meant %v and means %v", mask, a, b)
			}
			if is.Mask(is.Set(mask)) != mask&is.Mask(^Set(0)) {
				t.Errorf("mask %b does not come back", mask)
			}
		}
	}
}

func names(d *Declaration, s Set) (out []PurposeID) {
	for i := range d.Purposes {
		if s.Has(PurposeIndex(i)) {
			out = append(out, d.Purposes[i].ID)
		}
	}
	return out
}

func TestHashIsOfWhatIsSaidAndNotOfHow(t *testing.T) {
	want := mustParse(t, small).Hash
	same := map[string]string{
		"comments":        "# hello\n" + strings.ReplaceAll(small, "basis: contract", "basis: contract # why not"),
		"quotes":          strings.Replace(small, "name: The Shop", `name: "The Shop"`, 1),
		"spelling":        strings.ReplaceAll(small, "24 months", "2 years"),
		"order in a list": strings.Replace(small, "[orders, taste]", "[taste, orders]", 1),
		"order of parts":  small[strings.Index(small, "context:"):] + small[:strings.Index(small, "context:")],
		"flow style":      strings.Replace(small, "receipts:\n  retention: 36 months", "receipts: {retention: 3 years}", 1),
	}
	for name, text := range same {
		if got := mustParse(t, text).Hash; got != want {
			t.Errorf("%s changed the hash", name)
		}
	}
	for old, new := range map[string]string{
		"text: To suggest": "text: To offer", "36 months": "37 months", "category: device": "category: thing", "receipt: before": "receipt: after",
		"    valid: 24 months": "    valid: 24 months\n    show: [{code: human, text: Ask us}]",
		"[ads]":                "[ad]", "[recommend]": "[price]", "action: purchase": "action: cart", "country: DE": "country: FR", "type: string": "type: time", "6 years": "7 years", "Your account's": "Your", "  email:": "  mail:",
		"version: 1\n": "version: 1\nlanguages: [en, ru]\n", "version: 1": "version: 1\nreading: {grade: 8}", "basis: contract": "basis: contract\n    title: Orders",
		"basis: consent": "basis: consent\n    recipients: [x]", "valid: 24 months": "valid: 24 months\n    without: Nothing.",
	} {
		if mustParse(t, strings.Replace(small, old, new, 1)).Hash == want {
			t.Errorf("%q for %q did not change the hash", new, old)
		}
	}
}

func TestWhereAKeySetMayBe(t *testing.T) {
	for _, where := range []string{"https://shop.example/jwks.json", "http://127.0.0.1:8081/jwks", "http://localhost/jwks", "http://[::1]/jwks", "keys/jwks.json"} {
		d := mustParse(t, strings.Replace(small, "receipts:\n", "shop_jwks: "+where+"\nreceipts:\n", 1))
		if d.ShopJWKS != where || d.Hash == mustParse(t, small).Hash {
			t.Errorf("%q became %q", where, d.ShopJWKS)
		}
	}
}

func TestShopKeysAreNormalised(t *testing.T) {
	public := ed25519.NewKeyFromSeed(make([]byte, 32)).Public()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	key := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
	d := mustParse(t, small+"shop_keys:\n  - |\n    "+strings.ReplaceAll(strings.TrimSpace(key), "\n", "\n    ")+"\n")
	if len(d.ShopKeys) != 1 || d.ShopKeys[0] != key {
		t.Errorf("keys %q", d.ShopKeys)
	}
}

// FuzzParse: no file panics, every fault has a line, and what is taken is whole.
func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	f.Add(Template("Shop"))
	f.Add([]byte("a: &a [*a]"))
	f.Add([]byte("version: 1\npurposes: {x: {basis: consent}}\nevents: {\"\": 1}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Parse("f", b)
		if err == nil {
			checkWhole(t, d)
			return
		}
		for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
			if fault, ok := errors.AsType[*Error](e); !ok || fault.Line < 1 || fault.Msg == "" {
				t.Fatalf("a fault without its place: %v", e)
			}
		}
	})
}

// checkWhole holds what Parse promises of a declaration without an error.
func checkWhole(t rapidOrTest, d *Declaration) {
	d.eachField(func(f *Field) {
		if f.Class == nil || len(f.Purposes) == 0 || f.Retention.IsZero() || f.Type == 0 || f.Category == "" || f.ID == 0 {
			t.Fatalf("field %+v is not whole (promise 4)", f)
		}
		if c, ok := d.Class(f.Class.ID); !ok || c != f.Class || c.ID == ClassChoice || c.ID == ClassReceipt {
			t.Fatalf("class of %s cannot be found", f.Path)
		}
		if found, ok := d.FieldByID(f.ID); !ok || found != f {
			t.Fatalf("%s cannot be found by its number", f.Path)
		}
		for _, p := range f.Purposes {
			i, ok := d.Purpose(p)
			if !ok || !f.Class.Purposes.Has(i) {
				t.Fatalf("%s: class lacks purpose %s", f.Path, p)
			}
		}
	})
	for i := range d.Purposes {
		if p := &d.Purposes[i]; p.Text == "" || p.Basis == 0 {
			t.Fatalf("purpose %+v is not whole", p)
		}
	}
	if len(d.Hash) != 64 || d.Controller() == "" || d.ReceiptRetention.IsZero() {
		t.Fatalf("declaration is not whole")
	}
}

type rapidOrTest interface{ Fatalf(string, ...any) }

var _ rapidOrTest = (*rapid.T)(nil)

func TestChildren(t *testing.T) {
	d := mustParse(t, small+"children: {attribute: email, bands: {child: [b, a]}, guardian: [taste]}\n")
	taste, _ := d.Purpose("taste")
	if c := d.Children; !c.IsChild("a") || c.IsChild("c") || c.IsChild("") || c.Guarded != Set(0).With(taste) {
		t.Errorf("%+v", d.Children)
	}
	if d.Hash == mustParse(t, small).Hash {
		t.Error("who is a child does not change the hash")
	}
	if none := mustParse(t, small).Children; none.IsChild("a") {
		t.Error("without children somebody is a child")
	}
}
