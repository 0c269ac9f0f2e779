// Package bench loads a running server over HTTP and says how fast it answered.
//
// It is the client behind `accord bench ingest` and `accord bench decide`: a
// second process on the same machine, so every cycle it saves is a cycle that
// the server keeps. Requests are built once and patched in place, connections
// are kept alive, and answers are read by a small reader that knows just enough
// of HTTP/1.1 to be right.
//
//	load := bench.Load{
//		Addr: "127.0.0.1:8080", Connections: 64, Duration: 10 * time.Second,
//		Next: bench.IngestBatch(bench.Ingest{Key: key, People: 50_000, NewShare: 0.05}),
//	}
//	result, err := load.Run(ctx) // err when a single answer was wrong
//
// A load is closed-loop (Rate 0: every connection asks again as soon as it is
// answered, which finds the saturated rate) or open-loop (a fixed Rate). In the
// open loop the k-th request is due at start + k/Rate, and its latency counts
// from then on, not from when it could be sent: a server that stalls is charged
// for every request that should have come meanwhile.
//
// What a figure of this package means:
//
//  1. Every answer was read to its end and had status 200. A run with a single
//     wrong answer returns an error, whatever its rate.
//  2. Latencies have a relative error below 1 %, and no request is left out:
//     those that were due and never sent are reported as Behind.
//  3. The same seed and run number give the same bytes, timestamps aside.
//
// Non-goals: TLS, HTTP/2, pipelining, redirects, more than one host.
package bench
