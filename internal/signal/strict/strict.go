// Package strict reads JSON objects strictly: every member once, none that is not
// known, nothing after the end.
//
// encoding/json takes the last of two members with one name and ignores the case
// of names. Somebody who encodes a consent must hear of both.
package strict

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// Member is one name with its value.
type Member struct {
	Name  string
	Value json.RawMessage
}

// Members returns an object's members in their order.
func Members(b []byte) ([]Member, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, errors.New("it must be a JSON object, {…}")
	}
	var all []Member
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, syntax(err)
		}
		m := Member{Name: t.(string)}
		if seen[m.Name] {
			return nil, fmt.Errorf("%q comes twice", m.Name)
		}
		seen[m.Name] = true
		if err := d.Decode(&m.Value); err != nil {
			return nil, syntax(err)
		}
		all = append(all, m)
	}
	if _, err := d.Token(); err != nil {
		return nil, syntax(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the end of the JSON object")
	}
	return all, nil
}

func syntax(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the JSON ends in the middle")
	}
	return err
}

// Struct reads an object into the struct that to points to. A member's name is the
// field's name. Pointers, slices and fields named in optional may be left out, all
// others may not.
func Struct(b []byte, to any, optional ...string) error {
	members, err := Members(b)
	if err != nil {
		return err
	}
	v := reflect.ValueOf(to).Elem()
	left := map[string]bool{}
	for f := range v.Type().Fields() {
		left[f.Name] = f.Type.Kind() != reflect.Pointer && f.Type.Kind() != reflect.Slice
	}
	for _, name := range optional {
		left[name] = false
	}
	for _, m := range members {
		if _, known := left[m.Name]; !known {
			return fmt.Errorf("%q is no field here: there are %s", m.Name, names(v.Type()))
		}
		delete(left, m.Name)
		if string(m.Value) == "null" {
			return fmt.Errorf("%s: it is null: leave the field out instead", m.Name)
		}
		if err := json.Unmarshal(m.Value, v.FieldByName(m.Name).Addr().Interface()); err != nil {
			return fmt.Errorf("%s: %w", m.Name, plain(err))
		}
	}
	for f := range v.Type().Fields() {
		if left[f.Name] {
			return fmt.Errorf("%s is missing", f.Name)
		}
	}
	return nil
}

// plain says what encoding/json says about a type in the words of JSON.
func plain(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		want := map[reflect.Kind]string{reflect.Bool: "true or false", reflect.String: "a text", reflect.Slice: "a list"}[wrong.Type.Kind()]
		if want == "" {
			want = "a whole number"
		}
		return fmt.Errorf("it must be %s", want)
	}
	return err
}

func names(t reflect.Type) string {
	var all []string
	for f := range t.Fields() {
		all = append(all, f.Name)
	}
	return strings.Join(all, ", ")
}
