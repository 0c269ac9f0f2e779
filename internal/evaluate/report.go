package evaluate

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"text/tabwriter"
	"time"
)

// Names of the models in a report.
const (
	Popularity   = "popularity"
	Popularity30 = "popularity-30d"
	Repeats      = "repeats"
	Full         = "ease"
	Truncated    = "ease-truncated"
	Accord       = "accord"
	AccordFull   = "accord-full"
)

// NewItems ends a model's name where it was measured on items that are new to
// the person only.
const NewItems = ":new"

// models are the names in the order of the table.
var models = []string{Popularity, Popularity30, Repeats, Full, Truncated, AccordFull, Accord}

// Figures are a model's means over people and their standard errors.
type Figures struct {
	HR       float64 // people with a hit among k
	Recall   float64 // hits / min(k, targets)
	NDCG     float64
	HRSE     float64
	RecallSE float64
	NDCGSE   float64
	Users    int // people measured
}

// Report is what Temporal found.
type Report struct {
	K      int       // length of the lists
	Until  time.Time // the moment between learning and targets
	People int       // people learnt from
	Items  int       // items learnt
	Pairs  int       // different (person, item) learnt from
	TopK   int       // weights that an item kept when truncated
	// Synthetic is how many of the people consent by a simulated choice.
	Synthetic int
	Kept      float64 // part of the squared weights that truncation left, 0 to 1
	Figures   map[string]Figures
	// Lost is the part of NDCG that truncation loses of what is served, over all
	// items and over new ones, and EASELost that of the item model alone.
	Lost, LostNew, EASELost, EASELostNew Loss
}

// Loss is a part of a mean that was lost; below 0 it was a gain.
type Loss struct {
	Part float64
	SE   float64 // standard error of Part, from the differences person by person
}

func (l Loss) String() string { return fmt.Sprintf("%.2f ± %.2f %%", 100*l.Part, 100*l.SE) }

// MarshalJSON writes one object a model, keyed by its name, each with "hr@20",
// "recall@20", "ndcg@20" (20 being K), the same with "_se", and "users"; beside
// them "synthetic_people", where consents were simulated.
func (r Report) MarshalJSON() ([]byte, error) {
	out := make(map[string]any, len(r.Figures)+1)
	if r.Synthetic > 0 {
		out["synthetic_people"] = r.Synthetic
	}
	for name, f := range r.Figures {
		o := map[string]any{"users": f.Users}
		for key, v := range map[string][2]float64{"hr": {f.HR, f.HRSE}, "recall": {f.Recall, f.RecallSE}, "ndcg": {f.NDCG, f.NDCGSE}} {
			at := fmt.Sprintf("%s@%d", key, r.K)
			o[at], o[at+"_se"] = v[0], v[1]
		}
		out[name] = o
	}
	return json.Marshal(out)
}

// String returns the report as an aligned table.
func (r Report) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Learnt before %s: %d people, %d items, %d pairs.\n", r.Until.Format("2006-01-02"), r.People, r.Items, r.Pairs)
	if r.Synthetic > 0 {
		fmt.Fprintf(&b, "SYNTHETIC: the consents of %d people are simulated; no human gave them.\n", r.Synthetic)
	}
	r.table(&b, "(a) all items", "")
	r.table(&b, "(b) items new to the person", NewItems)
	fmt.Fprintf(&b, "\nTruncation to %d weights an item keeps %.1f %% of their squares. Of NDCG@%d it loses\n", r.TopK, 100*r.Kept, r.K)
	fmt.Fprintf(&b, "as served (accord): %v (a), %v (b); of the item model alone (ease): %v (a), %v (b).\n", r.Lost, r.LostNew, r.EASELost, r.EASELostNew)
	return b.String()
}

func (r Report) table(b *strings.Builder, title, suffix string) {
	base := r.Figures[Popularity+suffix]
	fmt.Fprintf(b, "\n%s, %d people\n", title, base.Users)
	w := tabwriter.NewWriter(b, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "model\tHR@%d\t±\tRecall@%d\t±\tNDCG@%d\t±\t× popularity\t\n", r.K, r.K, r.K)
	for _, name := range models {
		f, ok := r.Figures[name+suffix]
		if !ok {
			continue
		}
		times := "–"
		if base.NDCG > 0 {
			times = fmt.Sprintf("%.2f", f.NDCG/base.NDCG)
		}
		fmt.Fprintf(w, "%s\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%.3f\t%s\t\n", name, f.HR, f.HRSE, f.Recall, f.RecallSE, f.NDCG, f.NDCGSE, times)
	}
	w.Flush()
}

// Equal reports whether two reports hold the same figures.
func (r Report) Equal(o Report) bool { return maps.Equal(r.Figures, o.Figures) }
