package app

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"accord/internal/auth"
)

// access opens the keys of a data directory. It takes no lock that a running
// server holds: the server notices a changed file within a second.
func access(data string) (*auth.Keys, error) {
	d, err := OpenDirectory(data, "")
	if err != nil {
		return nil, err
	}
	return auth.Open(d.file("access.json"))
}

// MakeKey makes a key for the API and returns its plain text, which is not kept.
func MakeKey(data, kind, source string, origins []string) (string, auth.Key, error) {
	keys, err := access(data)
	if err != nil {
		return "", auth.Key{}, err
	}
	return keys.Make(auth.Kind(kind), source, origins)
}

// RotateKey makes a key in place of another, which lives on for the overlap.
func RotateKey(data, id string, overlap time.Duration) (string, auth.Key, error) {
	keys, err := access(data)
	if err != nil {
		return "", auth.Key{}, err
	}
	return keys.Rotate(id, overlap)
}

// RevokeKey ends a key now.
func RevokeKey(data, id string) error {
	keys, err := access(data)
	if err != nil {
		return err
	}
	_, err = keys.Revoke(id)
	return err
}

// ListKeys writes the keys without their secrets.
func ListKeys(data string, asJSON bool, out io.Writer) error {
	keys, err := access(data)
	if err != nil {
		return err
	}
	list := keys.List()
	if asJSON {
		return json.NewEncoder(out).Encode(list)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "ID\tKIND\tSOURCE\tMADE\tSTATE\tORIGINS")
	now := time.Now()
	for _, k := range list {
		state := "live"
		if !k.Live(now) {
			state = "ended"
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", k.ID, k.Kind, k.Source, k.Created.Format(time.DateOnly), state, strings.Join(k.Origins, " "))
	}
	return table.Flush()
}
