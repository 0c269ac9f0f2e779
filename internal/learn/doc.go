// Package learn holds what several engines learn with. It is pure: no input or
// output, no clock, no randomness; the same data gives the same model on the
// same machine.
//
// # A linear item model
//
// [EASE] (Steck, "Embarrassingly shallow autoencoders for sparse data", 2019)
// predicts what belongs to a history from the items already in it. With the
// binary matrix X of people × items it is the ridge regression of every item on
// all others, in closed form:
//
//	P = (XᵀX + λI)⁻¹
//	B = I − P·diagMat(1/diag P)      so  B[i][j] = −P[i][j]/P[j][j],  B[i][i] = 0
//
// The score of item j for a history H is Σ B[i][j] over the i in H. Being a sum
// over what the person did, it explains itself.
//
//	m := learn.NewMatrix(items)
//	for _, h := range histories {
//		m.Append(h) // item numbers, any order, repeats allowed
//	}
//	model, err := learn.EASE(ctx, m, 200)
//	served, err := model.Truncate(ctx, 300) // 300 weights an item
//
// # Cost
//
// The Gram matrix costs Σ|H|²/2 additions and the inverse n³ multiply-adds,
// both spread over the processors. One triangle is kept, in square tiles, so n
// items need 4n² bytes: 100 MB at 5,000, which take two seconds on two cores. More than [MaxItems] items are refused;
// keep the most frequent ones. A cancelled context stops the work within one
// tile column.
//
// # Measures of a ranking
//
// [Judge] gives hit rate, recall and NDCG at k of one ranked list, and [Mean]
// their average over people with its standard error.
//
// # Promises
//
// 8 in part: nothing here releases anything. What is learnt from people is as
// personal as the people until it was made private (package dp), so a model is
// kept sealed and is never published.
//
// Non-goals: names of items, popularity, blending (package decide/recommend);
// protocols of evaluation (package evaluate).
package learn
