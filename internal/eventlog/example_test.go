package eventlog_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"accord/internal/event"
	"accord/internal/eventlog"
	"accord/internal/identity"
)

// A record is appended, acknowledged when the disk has it, and followed.
func Example() {
	dir, err := os.MkdirTemp("", "eventlog")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	l, err := eventlog.Open(ctx, eventlog.Options{Dir: dir})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close(context.Background())

	r := event.Record{Header: event.Header{Token: identity.Token{1}, Kind: event.KindPiece}, Sealed: []byte("sealed")}
	if err := l.Append(ctx, []event.Record{r}); err != nil {
		log.Fatal(err) // not acknowledged
	}
	l.Follow(ctx, nil, func(f event.Frame) error {
		fmt.Printf("stream %d, frame %d: %d record\n", f.Stream, f.Sequence, len(f.Records))
		cancel()
		return nil
	})
	// Output: stream 0, frame 1: 1 record
}
