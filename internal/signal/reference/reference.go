// Package reference runs IAB's own encoders for the tests of the codecs. They are
// JavaScript, so it needs node and the npm packages that
// ../testdata/reference/package.json names; where they are absent a test is skipped
// with the reason.
package reference

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Answer is one line of the encoder: a text and what it says, or why it has none.
type Answer struct {
	Text  string
	JSON  json.RawMessage
	Error string
}

// Count is how many strings are compared each way: $ACCORD_SIGNAL_VECTORS, else 300.
func Count(t *testing.T) int {
	v := os.Getenv("ACCORD_SIGNAL_VECTORS")
	if v == "" {
		return 300
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		t.Fatalf("ACCORD_SIGNAL_VECTORS is %q: it must be how many strings to compare, such as 10000", v)
	}
	return n
}

// Run runs one of the scripts with lines as its input and returns its answers.
func Run(t *testing.T, lines []string, script string, args ...string) []Answer {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("node is not installed: the reference encoders need it")
	}
	dir := filepath.Join("..", "testdata", "reference")
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		t.Skip("the reference encoders are not installed: run `npm ci` in internal/signal/testdata/reference")
	}
	run := exec.CommandContext(t.Context(), node, append([]string{script}, args...)...)
	run.Dir = dir
	run.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	var problems bytes.Buffer
	run.Stderr = &problems
	out, err := run.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s", script, err, problems.String())
	}
	var answers []Answer
	scan := bufio.NewScanner(bytes.NewReader(out))
	scan.Buffer(nil, 1<<24)
	for scan.Scan() {
		var a Answer
		if err := json.Unmarshal(scan.Bytes(), &a); err != nil {
			t.Fatalf("%s: %v in %.200s", script, err, scan.Text())
		}
		answers = append(answers, a)
	}
	if scan.Err() != nil {
		t.Fatal(scan.Err())
	}
	return answers
}

// Seed is the seed of the nth run of a script.
func Seed(n int) string { return fmt.Sprint(20261125 + n) }
