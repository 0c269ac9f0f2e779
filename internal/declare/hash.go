package declare

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
)

// canonical is what a declaration says, and nothing of how it is written: no
// comments, no order, no spelling of periods. Its JSON is what is hashed; the
// first field lets a later form be told apart.
type canonical struct {
	Version     int
	Controllers []ControllerInfo
	Receipts    Period
	ShopKeys    []string
	ShopJWKS    string `json:",omitempty"`
	Purposes    []canonicalPurpose
	Identifiers []canonicalIdentifier
	Attributes  []canonicalField
	Context     []canonicalField
	Events      []canonicalEvent
	Languages   []string
	Grade       float64
	Children    *Children `json:",omitempty"`
	Facts       []string  `json:",omitempty"`
}

type canonicalPurpose struct {
	ID         PurposeID
	Basis      Basis
	Text       string
	Receipt    string
	Categories []string
	Engines    []string
	Valid      Period
	Title      string
	Without    string
	Recipients []string
	Show       []Obligation `json:",omitempty"` // so that what says nothing of it keeps its hash
	Signed     bool         `json:",omitempty"`
	Uses       []string
}

type canonicalIdentifier struct {
	Kind      string
	Category  string
	Purposes  []PurposeID
	Retention Period
	Text      string
}

type canonicalField struct {
	Path        string
	Type        string
	Category    string
	Sensitivity string
	Purposes    []PurposeID
	Retention   Period
	Text        string
}

type canonicalEvent struct {
	Name   string
	Action string
	Fields []canonicalField
}

// hash returns the SHA-256 of the canonical content in hexadecimal.
func (d *Declaration) hash() string {
	c := canonical{
		Version: 1, Controllers: d.Controllers, Receipts: d.ReceiptRetention, ShopKeys: d.ShopKeys, ShopJWKS: d.ShopJWKS,
		Attributes: canonicalFields(d.Attributes), Context: canonicalFields(d.Context),
		Languages: d.Languages, Grade: d.Grade, Children: d.Children, Facts: d.Facts,
	}
	for i := range d.Purposes {
		p := &d.Purposes[i]
		c.Purposes = append(c.Purposes, canonicalPurpose{
			ID: p.ID, Basis: p.Basis, Text: p.Text, Receipt: p.Receipt.String(),
			Categories: p.Categories, Engines: p.Engines, Valid: p.Valid, Show: p.Show, Signed: p.Signed,
			Title: p.Title, Without: p.Without, Recipients: p.Recipients, Uses: p.Uses.Names(),
		})
	}
	for i := range d.Identifiers {
		id := &d.Identifiers[i]
		c.Identifiers = append(c.Identifiers, canonicalIdentifier{id.Kind.String(), id.Category, id.Purposes, id.Retention, id.Text})
	}
	for i := range d.Events {
		e := &d.Events[i]
		c.Events = append(c.Events, canonicalEvent{e.Name, e.Action.String(), canonicalFields(e.Fields)})
	}
	b, err := json.Marshal(c)
	if err != nil {
		// Strings, numbers and slices of them always marshal.
		panic("declare: canonical form: " + err.Error())
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func canonicalFields(fields []Field) []canonicalField {
	var out []canonicalField
	for i := range fields {
		f := &fields[i]
		out = append(out, canonicalField{
			Path: f.Path, Type: f.Type.String(), Category: f.Category, Sensitivity: f.Sensitivity.String(),
			Purposes: f.Purposes, Retention: f.Retention, Text: f.Text,
		})
	}
	return out
}
