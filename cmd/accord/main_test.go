package main

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"accord": main})
}

// TestScripts runs the real binary through the scripts: what a person types and
// what they must see.
func TestScripts(t *testing.T) {
	signal.Ignore(syscall.SIGPIPE)
	testscript.Run(t, testscript.Params{
		Dir:                 filepath.Join("testdata", "script"),
		RequireExplicitExec: true,
		Deadline:            time.Now().Add(8 * time.Minute),
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			return nil
		},
		Condition: func(cond string) (bool, error) {
			_, err := os.Stat(retailFile)
			return cond == "retail" && err == nil, nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			// status N COMMAND... runs a command and compares its exit status.
			"status": func(ts *testscript.TestScript, neg bool, args []string) {
				err := ts.Exec(args[1], args[2:]...)
				got := 0
				if exit, ok := errors.AsType[*exec.ExitError](err); ok {
					got = exit.ExitCode()
				} else {
					ts.Check(err)
				}
				if strconv.Itoa(got) != args[0] {
					ts.Fatalf("exit status %d, want %s", got, args[0])
				}
			},
			// retail FILE copies the Online Retail data, where it is present.
			"retail": func(ts *testscript.TestScript, neg bool, args []string) {
				path, err := filepath.Abs(retailFile)
				ts.Check(err)
				ts.Check(os.Symlink(path, ts.MkAbs(args[0])))
			},
		},
	})
}

// retailFile is beside the checkout.
var retailFile = filepath.Join("..", "..", "..", "shared", "data", "online-retail", "online-retail.csv.gz")
