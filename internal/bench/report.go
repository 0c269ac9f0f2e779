package bench

import (
	"fmt"
	"strings"
)

// Report is what a bench command prints: one object with exactly these keys.
type Report struct {
	// RatePerS is events or decisions a second.
	RatePerS float64 `json:"rate_per_s"`
	P50MS    float64 `json:"p50_ms"`
	P99MS    float64 `json:"p99_ms"`
	// RSSMB is the server's resident memory in MB (10^6 bytes); 0 where the
	// system does not tell.
	RSSMB float64 `json:"rss_mb"`
	// RawRatePerS is the rate of the engine underneath, measured in the same
	// run, and Ratio is RatePerS / RawRatePerS; both 0 where none was measured.
	RawRatePerS float64 `json:"raw_rate_per_s"`
	Ratio       float64 `json:"ratio"`
}

// Report returns the figures of a run whose requests each held perRequest
// events or decisions, beside the server's memory in bytes and the raw rate of
// the engine underneath.
func (r Result) Report(perRequest int, rssBytes int64, rawRatePerS float64) Report {
	out := Report{
		RatePerS: r.RatePerS * float64(perRequest), P50MS: r.P50, P99MS: r.P99,
		RSSMB: float64(rssBytes) / 1e6, RawRatePerS: rawRatePerS,
	}
	if rawRatePerS > 0 {
		out.Ratio = out.RatePerS / rawRatePerS
	}
	return out
}

// Text returns the report for people, a figure a line. unit is what the rate
// counts, such as "events" or "decisions".
func (r Report) Text(unit string) string {
	var b strings.Builder
	line := func(name, format string, v ...any) {
		fmt.Fprintf(&b, "%-9s "+format+"\n", append([]any{name}, v...)...)
	}
	line("rate", "%.0f %s/s", r.RatePerS, unit)
	line("p50", "%.3f ms", r.P50MS)
	line("p99", "%.3f ms", r.P99MS)
	if r.RSSMB > 0 {
		line("memory", "%.0f MB resident", r.RSSMB)
	} else {
		line("memory", "not told by this system")
	}
	if r.RawRatePerS > 0 {
		line("raw rate", "%.0f %s/s of the engine underneath", r.RawRatePerS, unit)
		line("ratio", "%.2f", r.Ratio)
	}
	return b.String()
}
