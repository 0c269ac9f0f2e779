// Package bits reads and writes the bit strings of IAB TCF and IAB GPP: big-endian
// integers, booleans, bit fields, Fibonacci-coded integers and ranges of vendor
// ids, in base64url as these specifications use it.
//
// Their base64url has six bits a character and no padding characters, and any
// number of characters is legal: a string of 5 characters is 30 bits. What follows
// the last field must be zero bits, however many.
//
// A Reader never fails in the middle: the first fault sticks, everything after it
// reads as zero, and Close tells it. Its work and memory are bounded by the length
// of the text, for which the callers have a limit, and ids stay in the form in
// which they came (see IDs), so a range of 65,535 ids costs as much as one id.
package bits

import "errors"

// alphabet is RFC 4648's base64url.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// foreign marks bytes that are not in the alphabet.
const foreign = 0x80

var values = func() (v [256]byte) {
	for i := range v {
		v[i] = foreign
	}
	for i := range len(alphabet) {
		v[alphabet[i]] = byte(i)
	}
	return v
}()

// The faults of a bit string. Messages name places and limits, never content.
var (
	ErrEmpty    = errors.New("the text is empty")
	ErrForeign  = errors.New("the text has a character that is not base64url (A–Z, a–z, 0–9, - and _)")
	ErrShort    = errors.New("the text ends in the middle of a field: was it cut off?")
	ErrTrailing = errors.New("bits follow the last field: the text is of another version, or damaged")
)
