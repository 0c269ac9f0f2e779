package api

import (
	"errors"
	"time"

	"accord/internal/identity"
)

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
