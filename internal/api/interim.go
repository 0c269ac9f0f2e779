package api

import (
	"errors"
	"time"

	"accord/internal/declare"
	"accord/internal/identity"
)

type Subject struct {
	Named bool
	Known bool
	Token identity.Token
	Proof identity.Proof
}

type CollectRequest struct {
	Source   string
	Speaker  identity.Speaker
	Kind     string
	Received time.Time
	Body     []byte
}

type CollectResult struct{ Accepted, Kept, Dropped, Duplicate, Bad int }

type Trace struct {
	Time  time.Time
	Type  string
	Event string
}

var errCollectTooLarge = errors.New("too large")
var errCollectBadJSON = errors.New("bad json")
var errNoReceipt = errors.New("no receipt")

type purposeError struct{ Purpose declare.PurposeID }

func (e *purposeError) Error() string { return "x" }

func basisName(b declare.Basis) string { return "" }
