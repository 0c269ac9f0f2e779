// Package recommend answers which products a person should see.
//
// A score has three parts that are learnt, and every reason names one of them:
//
//   - the item model (EASE, package learn): what goes with what the person did
//     and with the items of the present session: because_item, session;
//   - the person's own repeats: what they bought before, the more often and the
//     more recently the more, where people buy again at all: because_item;
//   - popularity, halved every ten days, by hour of the day, weekday and place:
//     popular. It is all that is known for somebody who is not known.
//
// To these comes what the person told, by category of the catalogue: what they
// like weighs more than being the most popular product (told), what they would
// rather not see comes behind all else that says so little for itself. It is never
// learnt from.
//
// The weights are a [Model]'s: learnt by [Train] from histories, immutable,
// written and read as bytes, and swapped into an [Engine] while it answers.
//
//	model, err := recommend.Train(ctx, data, recommend.Options{Now: now})
//	engine := recommend.New(catalog.Sellable, catalog.IDs()...)
//	engine.Swap(model)
//	result, err := engine.Decide(ctx, ask, view)
//
// Without a model, and behind all that a model knows, products of the fallback
// are answered in order: catalogue. A shop where nobody lets anything be learnt
// has no model, and so no popularity either.
//
// What is never answered: what the ask excludes, what the catalogue does not
// show, the items of the present session (they are before the customer's eyes),
// what the person disliked last, and, where only new things are wanted, what
// they bought. Items that the model does not know are passed over.
//
// # Promises
//
//   - 2: the engine knows what the view holds and nothing else; the zero view,
//     and any view without a grant, is answered from the moment alone.
//   - 6 in part: a reason is read off the very weights that made the score, and
//     the shares are parts of its positive mass, so they sum to 1 at most.
//     Personal and Used say what of the view was used.
//   - 8 in part: popularity at a place is told apart only where twenty people or
//     more have been. A model is not private; it is sealed and never published.
//
// # Measured
//
// On Online Retail (learnt before 2011-11-09; 1,395 people): NDCG@20 .353 ± .007
// for all items, four times popularity's .087, though a person's own repeats alone
// give .350; and .117 ± .004 for new items, three times popularity's .039. Keeping
// 300 weights an item loses nothing of what is served over all items and 0.5 ± 0.7 %
// over new ones; of EASE alone 0.3 % (mean of five samples of 70 % of the customers,
// up to 1 % in one of them).
//
// An answer of 10 products out of 5,000, with a history of 30, took 24 µs of
// processor time (of 20 products 33 µs; each the best of thirty rounds) and three
// allocations, on a machine that was busy with other work. Learning
// 8,000 people × 5,000 items takes some 4.5 s of processor time on two cores.
//
// Non-goals: permission (the gate), receipts (the runner), prices and offers.
package recommend
