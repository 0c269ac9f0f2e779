package notice

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"accord/internal/declare"
)

// Finding is a text that is harder to read than it was meant to be.
type Finding struct {
	Language string  `json:"language"`
	Purpose  string  `json:"purpose"`
	Grade    float64 `json:"grade"`    // of the layer
	Sentence string  `json:"sentence"` // the hardest of it
}

// String says what to do.
func (f Finding) String() string {
	return fmt.Sprintf("%s (%s) reads like grade %.1f: make it shorter or plainer, first of all %q", f.Purpose, f.Language, f.Grade, f.Sentence)
}

// Lint returns the purposes of which a layer is harder to read than grade.
func Lint(n *Notice, grade float64) (out []Finding) {
	l, ok := languages[declare.PrimaryLanguage(n.Language)]
	if !ok {
		return nil
	}
	for i := range n.Purposes {
		if p := &n.Purposes[i]; p.Grade > grade {
			_, sentence := hardest(l, p)
			out = append(out, Finding{n.Language, p.ID, p.Grade, sentence})
		}
	}
	return out
}

// hardest returns the grade of the harder one of a purpose's two layers, and the
// hardest sentence in it. An entry of a list is read by itself, so it counts as a
// sentence. Titles are no sentences.
func hardest(l *language, p *Purpose) (grade float64, sentence string) {
	first := sentences(p.Sentence)
	var detail []string
	for _, part := range p.Detail {
		detail = append(append(detail, sentences(part.Text)...), part.Items...)
	}
	layer := first
	if grade = l.grade(first); l.grade(detail) > grade {
		grade, layer = l.grade(detail), detail
	}
	for _, s := range layer {
		if sentence == "" || l.grade([]string{s}) > l.grade([]string{sentence}) {
			sentence = s
		}
	}
	return grade, sentence
}

// grade returns the school grade that sentences are readable at, after Flesch and
// Kincaid: 0.39*ASL + 11.8*ASW - 15.59 in English, and with Oborneva's coefficients
// 0.5*ASL + 8.4*ASW - 15.59 in Russian, where ASL is words a sentence and ASW
// syllables a word. It may be below 0. Nothing to read is as easy as can be, 0.
func (g *grammar) grade(sentences []string) float64 {
	words, syllables := 0, 0
	for _, s := range sentences {
		for _, w := range wordsOf(s) {
			words++
			syllables += max(1, g.syllables(w))
		}
	}
	if words == 0 {
		return 0
	}
	return g.sentence*float64(words)/float64(len(sentences)) + g.word*float64(syllables)/float64(words) - g.less
}

var ends = regexp.MustCompile(`[.!?…]+["”»)]*(\s+|$)`)

// sentences splits a text behind the marks that end a sentence.
func sentences(text string) (out []string) {
	for text = strings.TrimSpace(text); text != ""; {
		end := len(text)
		if at := ends.FindStringIndex(text); at != nil {
			end = at[1]
		}
		if s := strings.TrimSpace(text[:end]); len(wordsOf(s)) > 0 {
			out = append(out, s)
		}
		text = text[end:]
	}
	return out
}

// wordsOf returns the words of a sentence in small letters. A word may have
// hyphens and apostrophes in it; a number is one, of one syllable.
func wordsOf(s string) []string {
	return strings.FieldsFunc(strings.ToLower(s), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '-' && r != '\'' && r != '’'
	})
}

// englishSyllables counts the syllables of an English word: the groups of vowels,
// less the e that is not heard ("liked", "use", "sees" keeps its own), and one
// more where two vowels are heard apart ("idea", "radio"). That is right for about
// nine words of ten, and its errors go both ways.
func englishSyllables(word string) (n int) {
	for part := range strings.SplitSeq(word, "-") {
		n += englishPart(strings.NewReplacer("'", "", "’", "").Replace(part))
	}
	return n
}

var (
	vowels   = regexp.MustCompile(`[aeiouy]+`)
	apart    = regexp.MustCompile(`[^ctsgx]i[ao]|eo[^p]|[^q]ua|[^aeiou]ea$|iet|ienc|ying|creat`)
	unheard  = regexp.MustCompile(`[^aeiouy](e|ed|es|ely)$`)
	heardEnd = regexp.MustCompile(`([td]ed|[sxzcg]es|[sc]hes|[^aeiouy]le|[^aeiouy]les|[^aeiouy]led)$`)
)

func englishPart(w string) int {
	n := len(vowels.FindAllString(w, -1)) + len(apart.FindAllString(w, -1))
	if n > 1 && unheard.MatchString(w) && !heardEnd.MatchString(w) {
		n--
	}
	return n
}

// russianSyllables counts the vowels: each is a syllable.
func russianSyllables(word string) (n int) {
	for _, r := range word {
		if strings.ContainsRune("аеёиоуыэюя", r) {
			n++
		}
	}
	return n
}
