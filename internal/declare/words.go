package declare

import "slices"

// The words of the declaration, in the order of their constants. The first of
// each list stands for the constant 0; where 0 is no value its word is "".
var (
	basisWords       = []string{"", "consent", "contract", "legal_obligation", "legitimate_interest", "opt_out"}
	receiptWords     = []string{"after", "before"}
	typeWords        = []string{"", "string", "number", "integer", "boolean", "time", "item", "quantity", "money", "categories"}
	sensitivityWords = []string{"ordinary", "special"}
	actionWords      = []string{"", "view", "cart", "purchase", "like", "dislike"}
)

func word(words []string, i int) string {
	if i < len(words) {
		return words[i]
	}
	return "unknown"
}

// find returns the position of a word in words; the empty word is none.
func find(words []string, s string) (int, bool) {
	i := slices.Index(words, s)
	return i, i >= 0 && s != ""
}

// String returns the basis as the declaration and the API spell it: "consent",
// "contract", "legal_obligation", "legitimate_interest" or "opt_out".
func (b Basis) String() string { return word(basisWords, int(b)) }

// MarshalText returns String, so that a Basis is a word in JSON.
func (b Basis) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// ParseBasis reads what String wrote.
func ParseBasis(s string) (Basis, bool) {
	i, ok := find(basisWords, s)
	if !ok {
		return 0, false
	}
	return Basis(i), true
}

// String returns "after" or "before".
func (m ReceiptMode) String() string { return word(receiptWords, int(m)) }

// String returns the type as the declaration spells it, such as "item".
func (t Type) String() string { return word(typeWords, int(t)) }

// String returns "ordinary" or "special".
func (s Sensitivity) String() string { return word(sensitivityWords, int(s)) }

// String returns the action as the declaration and the API spell it, such as
// "purchase", and "" for NoAction.
func (a Action) String() string { return word(actionWords, int(a)) }
