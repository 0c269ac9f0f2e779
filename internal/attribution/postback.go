// Package attribution takes the postbacks of Apple's AdAttributionKit: a device tells
// the developer of an advertised app, days later, that an advertisement led to an
// installation or a return. A postback names no person and no device, and Accord adds
// neither: it keeps what Apple sends, counted, and no address.
//
//	config, err := attribution.ReadConfig("attribution.yaml", b)
//	store, err := attribution.Open("attribution.log")
//	r := &attribution.Receiver{Config: config, Store: store}
//	p, seen, err := r.Verify(body)
//	first, err := r.Take(p) // on disk when it returns
//	r.Counts()
//
// A postback counts once, by Apple's identifier, for ever. Conversion values, country
// and interaction stand beside the signed part and are not Apple's word: whoever
// passes a postback on could change them, though not count it twice.
//
// Promises kept here: 4 (nothing but what a postback has is kept), 5 (what is counted
// is on disk).
//
// Non-goals: ad networks' own postbacks of losing impressions, SKAdNetwork, pages.
package attribution

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
)

// MaxBody is how many bytes a postback may have. Apple's have about 700.
const MaxBody = 8 << 10

// ErrBad is returned for what is no postback that Apple signed. The error says what is
// wrong with it and holds nothing of it.
var ErrBad = errors.New("this is no postback that counts")

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBad, fmt.Sprintf(format, args...))
}

// ID is a postback's identifier, a UUID.
type ID [16]byte

// Postback is one report.
type Postback struct {
	ID ID
	Report
}

// Report is what a postback tells, less its identifier: what is counted. Absent
// numbers are -1, and absent texts "".
type Report struct {
	// Of the part that Apple signed.
	Item        uint64 `json:"item" doc:"The App Store's id of the advertised app"`
	Network     string `json:"network" doc:"The ad network's id"`
	Source      string `json:"source" doc:"The source identifier: 2 to 4 digits, fewer for small crowds"`
	Conversion  string `json:"conversion" doc:"download, redownload or re-engagement"`
	Impression  string `json:"impression" doc:"What was shown, such as app-impression"`
	Sequence    int    `json:"sequence" doc:"Which conversion window, 0 to 2"`
	Won         bool   `json:"won" doc:"Whether this impression was the one that the conversion counts for"`
	Publisher   uint64 `json:"publisher,omitzero" doc:"The App Store's id of the app that showed it; absent for small crowds"`
	Marketplace string `json:"marketplace,omitempty" doc:"Where the app was installed from"`
	Development bool   `json:"development,omitzero" doc:"Signed with a key for development"`
	// Beside it.
	Value       int    `json:"value" doc:"The conversion value, 0 to 63; -1 where there is none"`
	Coarse      string `json:"coarse,omitempty" doc:"low, medium or high"`
	Interaction string `json:"interaction,omitempty" doc:"view or click"`
	Country     string `json:"country,omitempty" doc:"ISO 3166-1; absent for small crowds"`
}

// apple are the keys that Apple publishes ("Verifying a postback", read in November
// 2026), by the id in a postback: SPKI in base64.
var apple = map[string]string{
	"apple-cas-identifier/0": "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEWdp8GPcGqmhgzEFj9Z2nSpQVddayaPe4FMzqM9wib1+aHaaIzoHoLN9zW4K8y4SPykE3YVK3sVqW6Af0lfx3gg==",
}

// development are those for postbacks that are made while an app is developed.
var development = map[string]string{
	"apple-development-identifier/0": "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAELeEDzpJEP+/qRSE5hJVC1p1J0ssUnQGMzBBbvnACBok8OVGGLgxL0myrKiy6lvRtSlLRsWit87i+vftD8AEqeQ==",
	"apple-development-identifier/1": "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8YzdO7eM97s/IJ25kdW5CZ3A14USE5IJ5Ha/vhWaxI6UBI1ZxCEvjrKxVluVGe6qWwF1BDFq+QHqKfH5u+wxHQ==",
}

// Keys verify postbacks, by the key's id.
type Keys map[string]*ecdsa.PublicKey

// ParseKeys reads P-256 keys, each SPKI in base64, by their ids.
func ParseKeys(texts map[string]string) (Keys, error) {
	keys := Keys{}
	for _, id := range slices.Sorted(maps.Keys(texts)) {
		der, err := base64.StdEncoding.DecodeString(texts[id])
		if err != nil {
			return nil, fmt.Errorf("the key %.80q is no base64", id)
		}
		parsed, err := x509.ParsePKIXPublicKey(der)
		if err != nil {
			return nil, fmt.Errorf("the key %.80q is no public key (SPKI): %w", id, err)
		}
		key, ok := parsed.(*ecdsa.PublicKey)
		if !ok || key.Curve != elliptic.P256() {
			return nil, fmt.Errorf("the key %.80q is not on the curve P-256, which ES256 needs", id)
		}
		keys[id] = key
	}
	return keys, nil
}

// outer is what comes; Apple may add names, of which nothing is kept. A name that
// comes twice, and a value of another type, is refused.
type outer struct {
	JWS         string  `json:"jws-string"`
	Value       *uint64 `json:"conversion-value"`
	Coarse      string  `json:"coarse-conversion-value"`
	Interaction string  `json:"ad-interaction-type"`
	Country     string  `json:"country-code"`
}

type header struct {
	Algorithm string `json:"alg"`
	Key       string `json:"kid"`
}

type payload struct {
	ID          string  `json:"postback-identifier"`
	Item        uint64  `json:"advertised-item-identifier"`
	Network     string  `json:"ad-network-identifier"`
	Source      string  `json:"source-identifier"`
	Conversion  string  `json:"conversion-type"`
	Impression  string  `json:"impression-type"`
	Won         *bool   `json:"did-win"`
	Sequence    *uint64 `json:"postback-sequence-index"`
	Publisher   uint64  `json:"publisher-item-identifier"`
	Marketplace string  `json:"marketplace-identifier"`
}

// Verify reads a postback and checks Apple's signature. Errors are ErrBad.
func (k Keys) Verify(body []byte) (Postback, error) {
	var o outer
	if len(body) > MaxBody {
		return Postback{}, bad("it has more than %d bytes", MaxBody)
	}
	if err := json.Unmarshal(body, &o); err != nil {
		return Postback{}, bad("it is not the JSON of one")
	}
	key, signed, err := k.open(o.JWS)
	if err != nil {
		return Postback{}, err
	}
	var p payload
	if err := json.Unmarshal(signed, &p); err != nil {
		return Postback{}, bad("its signed part is not the JSON of one")
	}
	return o.postback(&p, strings.Contains(key, "development"))
}

// open returns the id of the key and what was signed, if the signature holds.
func (k Keys) open(jws string) (id string, signed []byte, err error) {
	head, rest, _ := strings.Cut(jws, ".")
	middle, tail, ok := strings.Cut(rest, ".")
	raw := base64.RawURLEncoding.Strict()
	top, err1 := raw.DecodeString(head)
	signed, err2 := raw.DecodeString(middle)
	value, err3 := raw.DecodeString(tail)
	if !ok || errors.Join(err1, err2, err3) != nil {
		return "", nil, bad("jws-string is no compact JWS")
	}
	var h header
	if err := json.Unmarshal(top, &h); err != nil {
		return "", nil, bad("the header of its JWS is not the JSON of one")
	}
	key, known := k[h.Key]
	switch {
	case h.Algorithm != "ES256":
		return "", nil, bad("it is not signed with ES256")
	case !known:
		return "", nil, bad("it is signed with a key that is not Apple's, or is one for development")
	case len(value) != 64:
		return "", nil, bad("its signature is none of ES256")
	}
	digest := sha256.Sum256([]byte(jws[:len(head)+1+len(middle)]))
	if !ecdsa.Verify(key, digest[:], new(big.Int).SetBytes(value[:32]), new(big.Int).SetBytes(value[32:])) {
		return "", nil, bad("its signature does not hold")
	}
	return h.Key, signed, nil
}

// postback checks what a postback tells.
func (o *outer) postback(p *payload, development bool) (Postback, error) {
	out := Postback{Report: Report{
		Item: p.Item, Network: p.Network, Source: p.Source, Conversion: p.Conversion, Impression: p.Impression,
		Publisher: p.Publisher, Marketplace: p.Marketplace, Development: development,
		Value: -1, Coarse: o.Coarse, Interaction: o.Interaction, Country: o.Country,
	}}
	id, err := hex.DecodeString(strings.ReplaceAll(p.ID, "-", ""))
	switch {
	case err != nil || len(p.ID) != 36 || len(id) != len(out.ID):
		return Postback{}, bad("postback-identifier is no UUID")
	case p.Item == 0:
		return Postback{}, bad("it names no advertised item")
	case p.Won == nil || p.Sequence == nil || *p.Sequence > 2:
		return Postback{}, bad("did-win or postback-sequence-index is missing or none")
	case !word(p.Network, 1, 100) || !word(p.Conversion, 1, 32) || !word(p.Impression, 1, 32) || !word(p.Marketplace, 0, 100):
		return Postback{}, bad("a name in its signed part is missing or none")
	case !digits(p.Source, 1, 4):
		return Postback{}, bad("source-identifier is not of up to four digits")
	case o.Value != nil && *o.Value > 63:
		return Postback{}, bad("conversion-value is above 63")
	case !slices.Contains([]string{"", "low", "medium", "high"}, o.Coarse):
		return Postback{}, bad("coarse-conversion-value is none")
	case !slices.Contains([]string{"", "view", "click"}, o.Interaction):
		return Postback{}, bad("ad-interaction-type is none")
	case o.Country != "" && (len(o.Country) != 2 || !word(o.Country, 2, 2)):
		return Postback{}, bad("country-code is none")
	}
	copy(out.ID[:], id)
	out.Won, out.Sequence = *p.Won, int(*p.Sequence)
	if o.Value != nil {
		out.Value = int(*o.Value)
	}
	return out, nil
}

// word reports whether s is a name of Apple's: letters, digits, points and hyphens.
func word(s string, least, most int) bool {
	for i := range len(s) {
		b := s[i] | 0x20
		if (b < 'a' || b > 'z') && (s[i] < '0' || s[i] > '9') && s[i] != '.' && s[i] != '-' && s[i] != '_' {
			return false
		}
	}
	return len(s) >= least && len(s) <= most
}

func digits(s string, least, most int) bool {
	return len(s) >= least && len(s) <= most && strings.Trim(s, "0123456789") == ""
}
