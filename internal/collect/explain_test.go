package collect

import (
	"slices"
	"testing"

	"accord/internal/declare"
)

// What Explain shows is what the collector does.
func TestExplain(t *testing.T) {
	d := declaration(t)
	got, err := Explain(d, []byte(`[
		{"type":"track","event":"Order Completed","userId":"u","properties":{"order_id":"1","coupon":"X","total":"9","products":[{"product_id":"a"},{"product_id":"b"}]}},
		{"type":"track","event":"Product Viewed","userId":"u","properties":{"product_id":"a","secs":1},"context":{"ip":"198.51.100.7","device":{"type":"tv"}}},
		{"type":"track","userId":"u"},
		{"type":"track","event":"Unheard Of","userId":"u"}
	]`))
	if err != nil || len(got) != 4 {
		t.Fatalf("%+v, %v", got, err)
	}
	type fate struct {
		consented, unasked []declare.PurposeID
		dropped            string
	}
	type purposes = []declare.PurposeID
	for i, want := range []map[string]fate{
		{
			"order_id":              {purposes{"orders"}, purposes{"orders"}, ""},
			"products[].product_id": {purposes{"orders", "personalization"}, purposes{"orders"}, ""},
			"coupon":                {nil, nil, "undeclared"},
			"total":                 {nil, nil, "type"},
		},
		{
			"product_id":  {purposes{"model_training", "personalization"}, nil, ""},
			"secs":        {purposes{"stats"}, purposes{"stats"}, ""},
			"device.type": {purposes{"personalization"}, nil, ""},
			"ip":          {nil, nil, "undeclared"},
		},
	} {
		if len(got[i].Fields) != len(want) || got[i].Problem != "" {
			t.Errorf("event %d: %+v", i, got[i])
		}
		for _, f := range got[i].Fields {
			w, ok := want[f.Field]
			if !ok || !slices.Equal(f.Consented, w.consented) || !slices.Equal(f.Unasked, w.unasked) || f.Dropped != w.dropped {
				t.Errorf("event %d: %+v, want %+v", i, f, w)
			}
		}
	}
	if got[2].Problem != NoName.String() || got[3].Problem != UndeclaredEvent.String() {
		t.Errorf("%+v", got[2:])
	}
	for _, one := range []string{
		`{"type":"identify","userId":"u","traits":{"email":"a@example.com"}}`,
		`{"batch":[{"type":"identify","userId":"u","traits":{"email":"a@example.com"}}]}`,
	} {
		got, err := Explain(d, []byte(one))
		if err != nil || len(got) != 1 || len(got[0].Fields) != 1 || got[0].Fields[0].Field != "email" {
			t.Errorf("%s: %+v, %v", one, got, err)
		}
	}
	for _, bad := range []string{``, `{`, `7`, `[{]`, `"x"`} {
		if _, err := Explain(d, []byte(bad)); err != ErrBadJSON {
			t.Errorf("%q: %v, want ErrBadJSON", bad, err)
		}
	}
}
