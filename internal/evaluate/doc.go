// Package evaluate says how well the recommendations predict what people do
// next, beside the baselines that anybody could have had for nothing.
//
// The protocol is temporal, because that is the question a shop has: a model is
// learnt from everything before a moment, and the targets of each person who was
// there before are the items that they buy from that moment on. It is asked
// twice: of all items (a), where a person's own repeats count, and of the items
// that are new to the person (b), where what they bought before is neither a
// target nor answered. Everybody given counts as consenting; who did not consent
// must not be given.
//
//	report, err := evaluate.Temporal(ctx, histories, until, evaluate.Options{})
//	fmt.Print(report)              // an aligned table
//	b, err := json.Marshal(report) // {"accord": {"hr@20": 0.92, …, "users": 1395}, …}
//
// The models: [Popularity] of all time, [Popularity30] of the last thirty days,
// [Repeats] (a person's own purchases by the days they were bought on, then
// popularity of thirty days), [Full] (EASE with all its weights), [Truncated] (the
// weights that are served), [AccordFull] (what the engine would answer with all
// weights), and [Accord] (what it does answer). In (b) their names end in
// [NewItems]. The report also says what truncation loses, with the standard error
// of the differences person by person.
//
// Promises kept here: none of its own; it is the proof of the figure
// that NDCG@20 is at least 1.5 × popularity's.
//
// Non-goals: experiments on living people (package experiment), private figures:
// a report is about the data that it was given and stays with whoever may see it.
package evaluate
