package eventlog

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"accord/internal/event"
)

// childDir is the environment variable that makes this test binary a process
// that writes to a log until it is killed; childRound numbers its records.
const (
	childDir   = "ACCORD_EVENTLOG_CHILD"
	childRound = "ACCORD_EVENTLOG_ROUND"
)

// child appends records and choices without end and says on standard output
// what was acknowledged, after it was.
func child(dir string) int {
	l, err := Open(context.Background(), Options{Dir: dir, Retention: retention})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var round uint64
	fmt.Sscan(os.Getenv(childRound), &round)
	var out sync.Mutex
	say := func(line string) {
		out.Lock()
		defer out.Unlock()
		io.WriteString(os.Stdout, line)
	}
	var writers sync.WaitGroup
	for who := range uint64(16) {
		writers.Go(func() {
			for n := round << 32; ; n += 5 {
				var records []event.Record
				for k := range uint64(5) { // of five people, so several streams
					records = append(records, record(who+100*k, n+k, forEver, 100))
				}
				if err := l.Append(context.Background(), records); err == nil {
					say(fmt.Sprintf("r %d %d\n", who, n))
				}
			}
		})
	}
	writers.Go(func() {
		for n := round << 32; ; n++ {
			m := event.ChoiceMessage{Token: person(n), Sealed: fmt.Appendf(nil, "choice %d", n)}
			if seq, err := l.AppendChoice(context.Background(), m); err == nil {
				say(fmt.Sprintf("c %d %d\n", n, seq))
			}
		}
	})
	writers.Wait()
	return 0
}

// Promise 5: "An acknowledged event, choice or request survives a kill at any
// instant": a process that writes is killed again and again, and everything it
// said was acknowledged is there once.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("starts and kills processes for some seconds")
	}
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(5, 5))
	records := map[event.ID]int{} // acknowledged → times found
	choices := map[uint64]string{}
	for round := range uint64(10) {
		killOne(t, dir, round, time.Duration(random.IntN(250))*time.Millisecond, records, choices)
		l := open(t, Options{Dir: dir})
		for id := range records {
			records[id] = 0
		}
		twice := map[event.ID]bool{}
		for _, f := range collect(t, l, nil) {
			for _, r := range f.Records {
				if twice[r.ID] {
					t.Errorf("round %d: record %x is there twice", round, r.ID)
				}
				twice[r.ID] = true
				records[r.ID]++
			}
		}
		found := map[uint64]string{}
		if err := l.Choices(deadline(t), 0, func(m event.ChoiceMessage) error {
			found[m.Sequence] = string(m.Sealed)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		lost := 0
		for _, times := range records {
			if times == 0 {
				lost++
			}
		}
		for seq, want := range choices {
			if found[seq] != want {
				lost++
			}
		}
		if lost > 0 {
			t.Fatalf("round %d: %d acknowledged records or choices of %d and %d are lost", round, lost, len(records), len(choices))
		}
		closeLog(t, l)
	}
	if len(records) < 1000 || len(choices) < 100 {
		t.Errorf("only %d records and %d choices were acknowledged in all rounds", len(records), len(choices))
	}
	t.Logf("%d acknowledged records and stored ones, %d acknowledged choices, none lost", len(records), len(choices))
}

// killOne starts a child, kills it some time after its first acknowledgement
// and notes what it acknowledged.
func killOne(t *testing.T, dir string, round uint64, after time.Duration, records map[event.ID]int, choices map[uint64]string) {
	t.Helper()
	cmd := exec.CommandContext(deadline(t), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, fmt.Sprintf("%s=%d", childRound, round))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for first := true; ; first = false {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // a torn last line was not said
		}
		var kind string
		var a, b uint64
		if _, err := fmt.Sscan(line, &kind, &a, &b); err != nil {
			t.Fatalf("the child says %q", line)
		}
		if kind == "c" {
			choices[b] = fmt.Sprintf("choice %d", a)
		} else {
			for k := range uint64(5) {
				records[record(a+100*k, b+k, forEver, 0).ID] = 0
			}
		}
		if first {
			time.AfterFunc(after, func() { cmd.Process.Kill() })
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != -1 {
		t.Fatalf("the child ended by itself: %v", err)
	}
}

// A directory that a living process holds is refused, and free when it died.
func TestInUseByAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.CommandContext(deadline(t), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), Options{Dir: dir}); err != ErrInUse {
		t.Errorf("Open beside a living process: %v", err)
	}
	cmd.Process.Kill()
	cmd.Wait()
	open(t, Options{Dir: dir})
}
