package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"accord/internal/declare"
	"accord/internal/notice"
)

// translate reads the declaration's texts in its other languages, each from the
// file beside it: accord.ru.yaml for accord.yaml.
func translate(d *declare.Declaration, name string) error {
	for _, language := range d.Languages[1:] {
		file := translationOf(name, language)
		b, err := os.ReadFile(file)
		if errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("the declaration speaks %s and there is no %s: translate it there, or take %s out of languages", language, file, language)
		}
		if err != nil {
			return err
		}
		if err := d.Translate(language, file, b); err != nil {
			return err
		}
	}
	return nil
}

func translationOf(name, language string) string {
	extension := filepath.Ext(name)
	return strings.TrimSuffix(name, extension) + "." + language + extension
}

// writeTemplate writes the declaration that a new directory begins with, and its
// translations, which come first: with the declaration all is there.
func (d *Directory) writeTemplate(name, brand string) error {
	for language, b := range declare.TemplateTranslations() {
		if file := translationOf(name, language); !exists(file) {
			if err := writeFile(file, b); err != nil {
				return err
			}
		}
	}
	return writeFile(name, d.template(brand))
}

// notices returns the registry of what people read: the notices of the
// declaration, which are made durable here before anybody can choose by them, and
// every one of the past. A file is named by the hash of what is in it, so one that
// was changed is refused.
func (d *Directory) notices(declaration *declare.Declaration) (*notice.Registry, error) {
	folder := d.file("notices")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		return nil, err
	}
	var past []*notice.Notice
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		n, err := notice.Parse(b)
		if err != nil || n.Version+".json" != filepath.Base(file) {
			return nil, fmt.Errorf("%s is not the notice that it was: put it back from your backup, since people chose by it; without the file their consents to it count for nothing", file)
		}
		past = append(past, n)
	}
	r, err := notice.NewRegistry(declaration, past...)
	if err != nil {
		return nil, err
	}
	for _, n := range r.Present() {
		if file := filepath.Join(folder, n.Version+".json"); !exists(file) {
			if err := writeFile(file, n.Bytes()); err != nil {
				return nil, err
			}
		}
	}
	return r, syncDirectory(d.Path)
}

// lint returns the texts that are harder to read than the declaration says.
func lint(d *declare.Declaration, r *notice.Registry) (out []notice.Finding) {
	for _, n := range r.Present() {
		out = append(out, notice.Lint(n, d.Grade)...)
	}
	return out
}

// declared reads the declaration that --config or the data directory names, and
// writes its notices. It opens no data.
func declared(data, config string) (*declare.Declaration, *notice.Registry, error) {
	d, err := (&Directory{Path: data, Kind: Production}).declaration(config)
	if err != nil {
		return nil, nil, err
	}
	r, err := notice.NewRegistry(d)
	return d, r, err
}

// NoticeShow writes the notice as people read it, or as JSON.
func NoticeShow(data, config, language string, asJSON bool, out io.Writer) error {
	d, r, err := declared(data, config)
	if err != nil {
		return err
	}
	if language == "" {
		language = d.Languages[0]
	}
	n := r.In(language)
	if n.Language != language {
		return &UsageError{fmt.Sprintf("--language takes one of the declaration's: %s", strings.Join(d.Languages, ", "))}
	}
	if asJSON {
		_, err := out.Write(n.Bytes())
		return err
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\nVersion %s\n", n.Title, n.Version)
	for _, p := range n.Purposes {
		fmt.Fprintf(&b, "\n%s (%s, grade %.1f)\n%s\n", p.Title, p.ID, p.Grade, p.Sentence)
		for _, part := range p.Detail {
			fmt.Fprintf(&b, "  %s: %s\n", part.Title, part.Text)
			for _, item := range part.Items {
				fmt.Fprintf(&b, "    - %s\n", item)
			}
		}
	}
	fmt.Fprintf(&b, "\n%s\n%s\n", n.Withdraw, n.Records)
	for _, right := range n.Rights {
		fmt.Fprintf(&b, "- %s\n", right)
	}
	_, err = io.WriteString(out, strings.ReplaceAll(b.String(), ": \n", ":\n"))
	return err
}

// NoticeLint reports the texts that are harder to read than the declaration says,
// and fails if there are some.
func NoticeLint(data, config string, asJSON bool, out io.Writer) error {
	d, r, err := declared(data, config)
	if err != nil {
		return err
	}
	found := lint(d, r)
	if asJSON {
		if err := json.NewEncoder(out).Encode(append([]notice.Finding{}, found...)); err != nil {
			return err
		}
	} else {
		for _, f := range found {
			fmt.Fprintln(out, f)
		}
	}
	if len(found) > 0 {
		return fmt.Errorf("%s harder to read than grade %g, which the declaration names below reading", are(len(found), "text"), d.Grade)
	}
	if !asJSON {
		fmt.Fprintf(out, "Every text reads within grade %g, in %s.\n", d.Grade, strings.Join(d.Languages, ", "))
	}
	return nil
}

func are(n int, what string) string {
	if n == 1 {
		return "1 " + what + " is"
	}
	return counted(n, what) + " are"
}
