package main

import "accord/internal/app"

type noticeCommand struct {
	Show noticeShow `cmd:"" help:"Print the notice as people read it, with its version."`
	Lint noticeLint `cmd:"" help:"Name every text that is harder to read than the declaration's grade; exit status 1 if there is one."`
}

type noticeShow struct {
	files
	Language string `help:"One of the declaration's languages; default: its first."`
	JSON     bool   `help:"Print the very text that the version is the hash of."`
}

// Help shows examples.
func (noticeShow) Help() string {
	return `Examples:
  accord notice show --data shop --language ru
  accord notice show --config accord.yaml --json | sha256sum   # begins with the version`
}

// Run prints the notice.
func (c noticeShow) Run(s *session) error {
	return app.NoticeShow(c.Data, c.Config, c.Language, c.JSON, s.out)
}

type noticeLint struct {
	files
	JSON bool `help:"Print JSON."`
}

// Help shows an example.
func (noticeLint) Help() string {
	return `The grade is a school grade, from the length of sentences and words. It is 9
unless the declaration says another, such as "reading: {grade: 7}".

Example:
  accord notice lint --config accord.yaml`
}

// Run checks every text.
func (c noticeLint) Run(s *session) error { return app.NoticeLint(c.Data, c.Config, c.JSON, s.out) }
