package attribution

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"accord/internal/strict"
)

// Config is what an operator says of postbacks, in attribution.yaml:
//
//	apps: ["684939"]            # App Store ids whose postbacks are counted
//	development: "yes"          # optional: count those made while an app is developed
//	keys:                       # optional: Apple's public keys, where they are others
//	  apple-cas-identifier/0: MFkw…
//
// Where there is no such file no postback is taken.
type Config struct {
	Apps []uint64
	Keys Keys
}

var words = strict.Words{
	Of:       "a file about postbacks",
	TooLarge: "it lists a few apps",
	Empty:    "the file is empty: list the App Store ids whose postbacks are counted under apps, or remove it",
}

// ReadConfig reads attribution.yaml strictly. The faults, each a *[strict.Error] with
// its line, are joined.
func ReadConfig(name string, b []byte) (Config, error) {
	s := strict.New(name)
	c := Config{}
	root := s.Root(b, words)
	if root == nil {
		return c, s.Err()
	}
	m := s.Object(root, "the file", "apps", "development", "keys")
	if m == nil {
		return c, s.Err()
	}
	if m["apps"] == nil {
		s.Fault(root, "the file has no apps: list the App Store ids whose postbacks are counted, in quotes")
	} else {
		for _, e := range s.List(m["apps"], "apps") {
			id, err := strconv.ParseUint(e.Key, 10, 64)
			if err != nil || id == 0 {
				s.Fault(e.At, "apps lists %s; an App Store id is a number, such as \"684939\"", strict.Quote(e.Key))
			}
			c.Apps = append(c.Apps, id)
		}
		if len(c.Apps) == 0 && !s.Faulty() {
			s.Fault(m["apps"], "apps is empty, so no postback could count")
		}
	}
	c.Keys, _ = ParseKeys(apple)
	with := false
	if n := m["development"]; n != nil {
		text, ok := s.Text(n, "development")
		if with = text == "yes"; ok && !with && text != "no" {
			s.Fault(n, "development is %s; write \"yes\" or \"no\"", strict.Quote(text))
		}
	}
	if n := m["keys"]; n != nil {
		texts := map[string]string{}
		for _, e := range s.Entries(n, "keys") {
			if text, ok := s.Text(e.Value, "key "+e.Key); ok {
				texts[e.Key] = strings.TrimSpace(text)
			}
		}
		keys, err := ParseKeys(texts)
		if err != nil {
			s.Fault(n, "%s", err)
		}
		c.Keys = keys
	}
	if err := s.Err(); err != nil || !with {
		return c, err
	}
	more, err := ParseKeys(development)
	maps.Copy(c.Keys, more)
	return c, err
}

// Counts reports whether postbacks for an app are counted.
func (c *Config) Counts(item uint64) bool { return slices.Contains(c.Apps, item) }
