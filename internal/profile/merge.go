package profile

import "slices"

// Merge returns what two views of one person's tokens show together, on the grant
// of the first. Both are cut to their own grants already. The views are not
// changed.
func Merge(v, other View) View {
	out := v
	out.interactions = slices.Concat(v.interactions, other.interactions)
	out.traits = slices.Clone(v.traits)
	for i := range other.traits {
		out.put(&other.traits[i])
	}
	return out
}
