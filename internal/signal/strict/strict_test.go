package strict

import (
	"strings"
	"testing"
)

type person struct {
	Name  string
	Age   int
	Likes []string
}

func TestStruct(t *testing.T) {
	var p person
	if err := Struct([]byte(`{"Age": 3, "Name": "Ann"}`), &p); err != nil || p.Name != "Ann" || p.Age != 3 {
		t.Fatalf("%+v, %v", p, err)
	}
	for in, want := range map[string]string{
		`[]`:                              "must be a JSON object",
		`{"Name":"A","Age":1`:             "ends in the middle",
		`{"Name":"A","Age":1} {}`:         "follows the end",
		`{"Name":"A","Name":"B","Age":1}`: `"Name" comes twice`,
		`{"name":"A","Age":1}`:            `"name" is no field here`,
		`{"Name":"A"}`:                    "Age is missing",
		`{"Name":"A","Age":null}`:         "Age: it is null",
		`{"Name":"A","Age":"1"}`:          "Age: it must be a whole number",
		`{"Name":7,"Age":1}`:              "Name: it must be a text",
	} {
		if err := Struct([]byte(in), &person{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", in, err, want)
		}
	}
	if err := Struct([]byte(`{"Name":"A"}`), &p, "Age"); err != nil {
		t.Error(err)
	}
}
