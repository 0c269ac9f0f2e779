package api

import (
	"cmp"
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"accord/internal/auth"
	"accord/internal/choices"
	"accord/internal/collect"
	"accord/internal/consent"
	"accord/internal/declare"
	"accord/internal/identity"
	"accord/internal/law"
	"accord/internal/signal"
)

// evidenceGPC is what shows that a browser's signal refused.
const evidenceGPC = "Sec-GPC: 1"

// listen notes what the browser's signal refuses. A secret key speaks from the shop's
// own server, whose header says nothing of the person.
func (x *exchange) listen(r *http.Request) {
	s := x.server
	if s.Signals == nil || x.key.Kind == auth.Secret || !signal.GPC(r.Header[signal.Header]) {
		return
	}
	x.refuses = s.refuses(x.in)
	s.metrics.signals.Inc()
}

// refuses returns what Global Privacy Control refuses in some regimes.
func (s *server) refuses(in law.Regimes) declare.Set {
	said := s.Signals.Judge(in, &signal.Signals{GPC: true})
	return signal.Refused(s.Declaration, said.Deny|said.Doubt)
}

// signalled returns what it refuses somewhere.
func (s *server) signalled() declare.Set {
	if s.Signals == nil {
		return 0
	}
	return s.refuses(0)
}

// whereOf is where for a person who is known and proven: what their browser's signal
// refuses is recorded, once, and what they chose in knowledge of it goes before it.
// That it cannot be recorded now does not keep it from counting for this request.
func (x *exchange) whereOf(ctx context.Context, t identity.Token, proof identity.Proof) consent.Where {
	w := x.where("")
	if w.Deny != 0 {
		w.Deny = x.server.honour(ctx, x, t, proof, x.signal(proof))
	}
	return w
}

// honour returns what a signal refuses for a person who proved to be one, and records it
// where that is new.
func (s *server) honour(ctx context.Context, x *exchange, t identity.Token, proof identity.Proof, said choices.Signal) declare.Set {
	denied, err := s.Choices.Honour(ctx, t, said, func() bool { return s.mayChoose(x, t, proof) })
	if err != nil {
		s.metrics.unrecordedSignals.Inc()
	}
	return denied
}

// signal is what the request's signal refuses, as it is recorded.
func (x *exchange) signal(proof identity.Proof) choices.Signal {
	return choices.Signal{Refuses: x.refuses, Evidence: evidenceGPC, Jurisdiction: string(x.place), Proof: proof.String()}
}

// honouring is honour for the collector: of the request's signal, and of what a message
// says that its page saw of it.
func (s *server) honouring(x *exchange) func(context.Context, identity.Token, identity.Proof, collect.Heard) declare.Set {
	return func(ctx context.Context, t identity.Token, proof identity.Proof, heard collect.Heard) declare.Set {
		said := x.signal(proof)
		if x.refuses == 0 {
			said.Evidence = heard.Evidence
		} else if heard.Refuses != 0 {
			said.Evidence += "; " + heard.Evidence
		}
		said.Refuses |= heard.Refuses
		said.Jurisdiction = cmp.Or(heard.Place, said.Jurisdiction)
		return s.honour(ctx, x, t, proof, said)
	}
}

// honourFirst records what the signal beside some choices refuses, as of their time:
// before them.
func (s *server) honourFirst(ctx context.Context, x *exchange, t identity.Token, proof identity.Proof, cs []consent.Choice) error {
	if x.refuses == 0 || len(cs) == 0 {
		return nil
	}
	said := x.signal(proof)
	said.At = cs[0].At
	if _, err := s.Choices.Honour(ctx, t, said, nil); err != nil {
		return s.unrecorded(err)
	}
	return nil
}

type gpcOutput struct {
	CacheControl string `header:"Cache-Control"`
	Body         struct {
		GPC        bool   `json:"gpc" doc:"Whether the server abides by Global Privacy Control: always"`
		LastUpdate string `json:"lastUpdate" format:"date" doc:"The day of the table of signals"`
	}
}

func (s *server) registerSignals(api huma.API) {
	if s.Signals == nil {
		return // nothing to say of it
	}
	huma.Register(api, s.operation(huma.Operation{
		Method: http.MethodGet, Path: "/.well-known/gpc.json", OperationID: "get-gpc", Tags: []string{"consent"},
		Summary:     "That Global Privacy Control is honoured",
		Description: "As the specification of Global Privacy Control wants it: every request with a public key and the field \"Sec-GPC: 1\" refuses what the table of signals says (docs/signals.md). Public.",
	}, public), func(context.Context, *struct{}) (*gpcOutput, error) {
		out := &gpcOutput{CacheControl: "public, max-age=86400"}
		out.Body.GPC, out.Body.LastUpdate = true, s.Signals.Dated.Format("2006-01-02")
		return out, nil
	})
}
