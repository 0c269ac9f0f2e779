package notice

import (
	"crypto/sha256"
	"encoding/hex"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"accord/internal/declare"
)

// template returns the declaration that `accord init` writes, changed and with
// its translations.
func template(t *testing.T, pairs ...string) *declare.Declaration {
	t.Helper()
	text := string(declare.Template("Shop"))
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			t.Fatalf("the template has no %q", pairs[i])
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	d, err := declare.Parse("accord.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for language, b := range declare.TemplateTranslations() {
		if slices.Contains(d.Languages, language) {
			if err := d.Translate(language, "accord."+language+".yaml", b); err != nil {
				t.Fatal(err)
			}
		}
	}
	return d
}

func write(t *testing.T, d *declare.Declaration, language string) *Notice {
	t.Helper()
	n, err := Write(d, language)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestLanguagesSayTheSame: promise 10, English and Russian are equal in content.
func TestLanguagesSayTheSame(t *testing.T) {
	d := template(t)
	en, ru := write(t, d, "en"), write(t, d, "ru")
	if len(en.Purposes) != len(d.Purposes) || len(ru.Purposes) != len(d.Purposes) {
		t.Fatalf("%d and %d purposes, want %d", len(en.Purposes), len(ru.Purposes), len(d.Purposes))
	}
	for i := range en.Purposes {
		a, b := &en.Purposes[i], &ru.Purposes[i]
		if a.ID != b.ID || !reflect.DeepEqual(a.Facts, b.Facts) {
			t.Errorf("the facts differ: %+v and %+v", a, b)
		}
		for j, part := range a.Detail {
			if other := b.Detail[j]; part.About != other.About || len(part.Items) != len(other.Items) || (part.Text == "") != (other.Text == "") {
				t.Errorf("%s: the detail differs: %+v and %+v", a.ID, part, other)
			}
		}
		if a.Sentence == b.Sentence || a.Title == b.Title {
			t.Errorf("%s is not translated: %q", a.ID, b.Sentence)
		}
	}
	if len(en.Rights) != len(ru.Rights) {
		t.Error("the rights differ")
	}
}

// TestTemplateReadsWithinItsGrade: every text that ships, and every frame around
// them, is as easy as the template says.
func TestTemplateReadsWithinItsGrade(t *testing.T) {
	d := template(t)
	for _, language := range d.Languages {
		n := write(t, d, language)
		for _, f := range Lint(n, d.Grade) {
			t.Error(f)
		}
		l := languages[language]
		frames := append([]string{n.Withdraw, n.Records}, n.Rights...)
		for _, text := range l.Bases {
			frames = append(frames, text)
		}
		for _, text := range frames {
			if g := l.grade(sentences(strings.ReplaceAll(text, d.Controllers[0].Contact, "us"))); g > d.Grade {
				t.Errorf("%s: grade %.1f: %s", language, g, text)
			}
		}
		for i := range n.Purposes {
			t.Logf("%s %-16s %.1f", language, n.Purposes[i].ID, n.Purposes[i].Grade)
		}
	}
}

// TestGradeIsThatOfHand: words, sentences and syllables of these texts were
// counted by hand.
func TestGradeIsThatOfHand(t *testing.T) {
	for _, c := range []struct {
		language, text              string
		sentences, words, syllables int
		grade                       float64
	}{
		// The cat sat on the mat. | It was hap-py. 0.39*9/2 + 11.8*10/9 - 15.59
		{"en", "The cat sat on the mat. It was happy.", 2, 9, 10, -0.7239},
		// We use what you looked at, liked and bought here to show you prod-ucts that may suit you.
		// 0.39*18 + 11.8*19/18 - 15.59
		{"en", "We use what you looked at, liked and bought here to show you products that may suit you.", 1, 18, 19, 3.8856},
		// Some peo-ple need-ed to re-turn pack-ag-es. | Is the in-voice a-vail-a-ble?
		// 0.39*10/2 + 11.8*19/10 - 15.59
		{"en", "Some people needed to return packages. Is the invoice available?", 2, 10, 19, 8.78},
		// We send you our news-let-ter by e-mail. 0.39*7 + 11.8*10/7 - 15.59
		{"en", "We send you our newsletter by e-mail.", 1, 7, 10, 3.9971},
		// Мы смот-рим, что вы ис-ка-ли. | Так мы на-хо-дим то-ва-ры. 0.5*9/2 + 8.4*16/9 - 15.59
		{"ru", "Мы смотрим, что вы искали. Так мы находим товары.", 2, 9, 16, 1.5933},
		// Е-щё не ве-чер! 0.5*3 + 8.4*5/3 - 15.59
		{"ru", "Ещё не вечер!", 1, 3, 5, -0.09},
		// Хра-нить сче-та нас о-бя-зы-ва-ет за-кон о на-ло-гах. 0.5*7 + 8.4*16/7 - 15.59
		{"ru", "Хранить счета нас обязывает закон о налогах.", 1, 7, 16, 7.11},
	} {
		l, list := languages[c.language], sentences(c.text)
		words, syllables := 0, 0
		for _, s := range list {
			for _, w := range wordsOf(s) {
				words++
				syllables += l.syllables(w)
			}
		}
		if len(list) != c.sentences || words != c.words || syllables != c.syllables {
			t.Errorf("%q: %d sentences, %d words, %d syllables, by hand %d, %d, %d", c.text, len(list), words, syllables, c.sentences, c.words, c.syllables)
		}
		if got := l.grade(list); math.Abs(got-c.grade) > 0.0001 {
			t.Errorf("%q: grade %.4f, by hand %.4f", c.text, got, c.grade)
		}
	}
}

func TestLintNamesPurposeAndSentence(t *testing.T) {
	const hard = "Notwithstanding aforementioned provisions, personalization necessitates comprehensive behavioural examination."
	d := template(t, "We send you our newsletter by e-mail.", "We send it. "+hard)
	found := Lint(write(t, d, "en"), d.Grade)
	if len(found) != 1 || found[0].Purpose != "newsletter" || found[0].Sentence != hard || found[0].Grade <= 9 {
		t.Errorf("found %v", found)
	}
	if found := Lint(write(t, d, "ru"), d.Grade); len(found) != 0 {
		t.Errorf("found %v", found)
	}
}

// TestVersionIsTheHashOfWhatIsSaid: whoever has the text can check its version.
func TestVersionIsTheHashOfWhatIsSaid(t *testing.T) {
	d := template(t)
	n := write(t, d, "ru")
	sum := sha256.Sum256(n.Bytes())
	if n.Version != hex.EncodeToString(sum[:])[:32] {
		t.Errorf("version %s is not the hash", n.Version)
	}
	if again := write(t, template(t), "ru"); again.Version != n.Version {
		t.Error("the same declaration gives another version")
	}
	if write(t, d, "en").Version == n.Version {
		t.Error("two languages have one version")
	}
	back, err := Parse(n.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(back, n) {
		t.Errorf("read back %+v, want %+v", back, n)
	}
	for _, bad := range []string{"", "{}", "[]", `{"language":"en"}`} {
		if _, err := Parse([]byte(bad)); err == nil {
			t.Errorf("%q is taken for a notice", bad)
		}
	}
}

// TestMaterialChanges: what asks again, and what does not.
func TestMaterialChanges(t *testing.T) {
	names := func(d *declare.Declaration, s declare.Set) (out []string) {
		for i := range d.Purposes {
			if !s.Has(declare.PurposeIndex(i)) {
				out = append(out, string(d.Purposes[i].ID))
			}
		}
		return out
	}
	const field = "        purposes: [personalization, model_training]\n        retention: 13 months\n        text: A product that you liked"
	for _, c := range []struct {
		name     string
		pairs    []string
		uncovers []string
	}{
		{"nothing", nil, nil},
		{"wording", []string{"to show you products that may suit you", "to show you what may suit you"}, nil},
		{"another title", []string{"title: Products that suit you", "title: For you"}, nil},
		{"another contact", []string{"privacy@example.com", "hello@example.com"}, nil},
		{"a new recipient", []string{"title: Newsletter", "title: Newsletter\n    recipients: [The mail service]"}, []string{"newsletter"}},
		{"a recipient less", []string{"    recipients: [The company that brings your parcel]\n", ""}, nil},
		{"longer retention", []string{field, strings.Replace(field, "13 months", "14 months", 1)}, []string{"model_training", "personalization"}},
		{"shorter retention", []string{field, strings.Replace(field, "13 months", "12 months", 1)}, nil},
		{"another purpose of a field", []string{"purposes: [orders, newsletter]", "purposes: [orders, newsletter, personalization]"}, []string{"personalization"}},
		{"a purpose less of a field", []string{field, strings.Replace(field, "personalization, ", "", 1)}, nil},
		{"sensitive", []string{field, strings.Replace(field, "        retention", "        sensitivity: special\n        retention", 1)}, []string{"model_training", "personalization"}},
		{"another basis", []string{"basis: consent\n    use: [direct_marketing]\n    title: Newsletter", "basis: opt_out\n    title: Newsletter"}, []string{"newsletter"}},
		{"asked again later", []string{"valid: 24 months\n    title: Products", "valid: 36 months\n    title: Products"}, []string{"personalization"}},
		{"asked again sooner", []string{"valid: 24 months\n    title: Products", "valid: 12 months\n    title: Products"}, nil},
		{"never asked again", []string{"    valid: 24 months\n    title: Products", "    title: Products"}, []string{"personalization"}},
		{"another use", []string{"use: [direct_marketing]", "use: [direct_marketing, sale]"}, []string{"newsletter"}},
		{"a use less", []string{"use: [personalization]\n    receipt", "use: [service]\n    receipt"}, nil},
		{"a use that was not told apart", []string{"    use: [direct_marketing]\n", ""}, []string{"newsletter"}},
		{"another controller", []string{"  id: shop", "  id: other"}, []string{"accounting", "model_training", "newsletter", "orders", "personalization", "told_preferences"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			old := write(t, template(t, "languages: [en, ru]", "languages: [en]"), "en")
			d := template(t, append([]string{"languages: [en, ru]", "languages: [en]"}, c.pairs...)...)
			r, err := NewRegistry(d, old)
			if err != nil {
				t.Fatal(err)
			}
			s, known := r.Covered(old.Version)
			if got := names(d, s); !known || !slices.Equal(got, c.uncovers) {
				t.Errorf("asks again about %v, want %v", got, c.uncovers)
			}
			if s, known := r.Covered(r.Version("en")); !known || len(names(d, s)) != 0 {
				t.Error("the notice in force does not cover itself")
			}
		})
	}
}

func TestRegistry(t *testing.T) {
	d := template(t)
	r, err := NewRegistry(d)
	if err != nil {
		t.Fatal(err)
	}
	for asked, want := range map[string]string{"en": "en", "ru": "ru", "ru-RU": "ru", "en-GB": "en", "de": "en", "": "en"} {
		if got := r.In(asked); got.Language != want || r.Version(asked) != got.Version {
			t.Errorf("%q is answered in %s", asked, got.Language)
		}
	}
	if _, known := r.Covered("v7"); known {
		t.Error("a version that never was is known")
	}
	if _, known := r.Covered(""); known {
		t.Error("no version is known")
	}
	if n, ok := r.Find(r.Version("ru")); !ok || n.Language != "ru" || len(r.Present()) != 2 {
		t.Error("the notice in force is not found")
	}
	untranslated, err := declare.Parse("accord.yaml", declare.Template("Shop"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewRegistry(untranslated); err == nil {
		t.Error("a language without a translation is taken")
	}
	if _, err := NewRegistry(template(t, "languages: [en, ru]", "languages: [de]")); err == nil || !strings.Contains(err.Error(), "only in en, ru") {
		t.Errorf("a language without a frame: %v", err)
	}
}

// TestLanguageFilesAreWhole: each has every part, and every form of every unit.
func TestLanguageFilesAreWhole(t *testing.T) {
	for tag, l := range languages {
		v := reflect.ValueOf(*l)
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Errorf("%s: %s is empty", tag, v.Type().Field(i).Name)
			}
		}
		for b := declare.Consent; b <= declare.OptOut; b++ {
			if l.Bases[b.String()] == "" {
				t.Errorf("%s: no words for the basis %s", tag, b)
			}
		}
		if len(l.Rights) != len(languages["en"].Rights) {
			t.Errorf("%s: other rights", tag)
		}
		for months := range 40 {
			for days := range 40 {
				if got := l.period(declare.Period{Months: months, Days: days}); strings.Contains(got, "{") || (got == "") != (months+days == 0) {
					t.Errorf("%s: %q", tag, got)
				}
			}
		}
	}
	for _, c := range []struct {
		p      declare.Period
		en, ru string
	}{
		{declare.Period{Months: 12}, "1 year", "1 год"}, {declare.Period{Months: 24}, "2 years", "2 года"}, {declare.Period{Months: 72}, "6 years", "6 лет"},
		{declare.Period{Months: 13}, "13 months", "13 месяцев"}, {declare.Period{Months: 21}, "21 months", "21 месяц"}, {declare.Period{Months: 1, Days: 11}, "1 month and 11 days", "1 месяц и 11 дней"},
	} {
		if en, ru := languages["en"].period(c.p), languages["ru"].period(c.p); en != c.en || ru != c.ru {
			t.Errorf("%v: %q and %q", c.p, en, ru)
		}
	}
}

// TestAnIdentifierServesNoLongerThanWhatItFinds: of an id that lives longer for
// another purpose, each purpose says the time of its own data.
func TestAnIdentifierServesNoLongerThanWhatItFinds(t *testing.T) {
	d, err := declare.Parse("accord.yaml", declare.Template("shop"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := Write(d, "en")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"orders": "6 years", "newsletter": "2 years", "personalization": "2 years"}
	for _, p := range n.Purposes {
		for _, f := range p.Facts.Fields {
			if got := f.Retention.String(); f.Name == "identifier/user_id" && want[p.ID] != "" && got != want[p.ID] {
				t.Errorf("%s keeps the account's number for %s, want %s", p.ID, got, want[p.ID])
			}
		}
	}
}

// What a person would not expect of a use is said, in every language and easily.
func TestUsesAreTold(t *testing.T) {
	d := template(t, "use: [direct_marketing]", "use: [direct_marketing, targeted_advertising, sale, personal_price, automated_decision]")
	for _, language := range d.Languages {
		n, err := Write(d, language)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range n.Purposes {
			i := slices.IndexFunc(p.Detail, func(part Paragraph) bool { return part.About == "means" })
			if told := i >= 0 && len(p.Detail[i].Items) == 4; told != (p.ID == "newsletter") {
				t.Errorf("%s of %s: %+v", p.ID, language, p.Detail)
			}
		}
		if hard := Lint(n, d.Grade); len(hard) > 0 {
			t.Errorf("%v", hard)
		}
	}
}
