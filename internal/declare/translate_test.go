package declare

import (
	"strings"
	"testing"
)

// TestTemplateIsTranslated: what `accord init` writes is whole in each language.
func TestTemplateIsTranslated(t *testing.T) {
	d := mustParse(t, string(Template("Shop")))
	all := TemplateTranslations()
	for _, language := range d.Languages[1:] {
		if err := d.Translate(language, "accord."+language+".yaml", all[language]); err != nil {
			t.Fatal(err)
		}
		if len(d.Texts(language)) != len(d.Texts("en")) {
			t.Errorf("%s has %d texts, the template %d", language, len(d.Texts(language)), len(d.Texts("en")))
		}
		delete(all, language)
	}
	if len(all) > 0 {
		t.Errorf("translations that the template does not declare: %v", all)
	}
}

// TestTranslationNamesEveryFault: a text that is missing, and one too many, are
// errors that name it.
func TestTranslationNamesEveryFault(t *testing.T) {
	whole := string(TemplateTranslations()["ru"])
	for _, c := range []struct{ name, old, new, says string }{
		{"missing part", "    title: Заказы\n", "", `lacks purposes: "orders": "title"`},
		{"missing field", "    total: Сколько вы заплатили\n", "", `lacks events: "Order Completed": "total"`},
		{"missing recipient", "  The company that brings your parcel: Служба, которая везёт вам заказ\n", "", `lacks recipients: "The company that brings your parcel"`},
		{"missing section", "categories:", "# categories:\nattributes2:", `has no key "attributes2"`},
		{"surplus", "  name: Ваше имя\n", "  name: Ваше имя\n  nick: Кличка\n", `accord.ru.yaml:50: the declaration has no text for attributes: "nick"`},
		{"surplus part", "    title: Счета\n", "    title: Счета\n    without: Ничего\n", `no text for purposes: "accounting": "without"`},
		{"empty", "  name: Ваше имя\n", "  name:\n", "is empty"},
		{"anchor", "  name: Ваше имя\n", "  name: &a Ваше имя\n", "anchor"},
		{"not yaml", whole, "\t", "not the YAML"},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(whole, c.old, c.new, 1)
			if text == whole {
				t.Fatal("nothing was replaced")
			}
			d := mustParse(t, string(Template("Shop")))
			err := d.Translate("ru", "accord.ru.yaml", []byte(text))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want %q", err, c.says)
			}
			if d.Texts("ru") != nil {
				t.Error("a faulty translation was taken")
			}
		})
	}
	d := mustParse(t, small)
	if err := d.Translate("ru", "accord.ru.yaml", []byte(whole)); err == nil || !strings.Contains(err.Error(), "add it to languages") {
		t.Errorf("a language that is not declared: %v", err)
	}
}

// smallInRussian translates small but for what it is given beside.
const smallInRussian = `purposes:
  orders: {text: Чтобы привезти заказ.}
  taste: {text: Чтобы советовать.}
identifiers: {user_id: Номер}
categories: {contact: связь, purchase: покупки, device: устройство, account: запись}
`

// TestObligationsAreTranslated: what goes with an answer has a translation like any
// other text, and who asks for none or an unknown one reads the declaration's own.
func TestObligationsAreTranslated(t *testing.T) {
	const own = "languages: [en, ru, pt-br]\n"
	declared := strings.NewReplacer("version: 1\n", "version: 1\n"+own, "receipt: before", "show: [{code: human, text: Ask us}, {code: price, text: Same for all}]").Replace(small)
	for without, says := range map[string]string{
		"human": `lacks show: "taste": "human", which is "Ask us"`, "nobody": `no text for show: "taste": "nobody"`,
	} {
		text := smallInRussian + "show: {taste: {human: Спросите нас, price: Одна для всех, " + without + ": x}}\n"
		if without == "human" {
			text = smallInRussian + "show: {taste: {price: Одна для всех}}\n"
		}
		if err := mustParse(t, declared).Translate("ru", "accord.ru.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
	d := mustParse(t, declared)
	if err := d.Translate("ru", "accord.ru.yaml", []byte(smallInRussian+"show: {taste: {human: Спросите нас, price: Одна для всех}}\n")); err != nil {
		t.Fatal(err)
	}
	p, _ := d.Purpose("taste")
	taste := &d.Purposes[p]
	for asked, want := range map[string]string{
		"": "Ask us, Same for all", "en": "Ask us, Same for all", "de": "Ask us, Same for all", "pt-BR": "Ask us, Same for all", // not translated yet
		"ru": "Спросите нас, Одна для всех", "RU-ru": "Спросите нас, Одна для всех",
	} {
		show := d.Obligations(taste, asked)
		if len(show) != 2 || show[0].Text+", "+show[1].Text != want || show[0].Code != "human" {
			t.Errorf("%q: %v", asked, show)
		}
	}
	if taste.Show[0].Text != "Ask us" {
		t.Error("the declaration itself was changed")
	}
}

func TestLanguagesAndReading(t *testing.T) {
	d := mustParse(t, small)
	if len(d.Languages) != 1 || d.Languages[0] != "en" || d.Grade != 9 {
		t.Errorf("without a word: languages %v, grade %v", d.Languages, d.Grade)
	}
	for text, says := range map[string]string{
		"languages: []":        "languages is empty",
		"languages: [English]": "must be a short tag",
		"languages: en":        "must be a list",
		"languages: [en, en]":  "twice",
		"reading: {grade: x}":  "a school grade from 1 to 20",
		"reading: {grade: 40}": "a school grade from 1 to 20",
		"reading: {level: 9}":  `has no key "level"`,
	} {
		_, err := Parse("accord.yaml", []byte(strings.Replace(small, "version: 1\n", "version: 1\n"+text+"\n", 1)))
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
	d = mustParse(t, strings.Replace(small, "version: 1\n", "version: 1\nlanguages: [ru, en]\nreading: {grade: 7}\n", 1))
	if d.Languages[0] != "ru" || d.Grade != 7 || d.Texts("ru") == nil || d.Texts("en") != nil {
		t.Errorf("languages %v, grade %v", d.Languages, d.Grade)
	}
}

func FuzzTranslate(f *testing.F) {
	f.Add(TemplateTranslations()["ru"])
	f.Add([]byte("purposes: {orders: {title: x}}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		d := mustParse(t, string(Template("Shop")))
		if err := d.Translate("ru", "accord.ru.yaml", b); (err == nil) != (len(d.Texts("ru")) == len(d.Texts("en"))) {
			t.Errorf("taken although not whole, or the other way round: %v", err)
		}
	})
}
