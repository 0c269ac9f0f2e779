package app

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
)

// Version is the release; the build's own information says the rest.
const Version = "0.1.0-dev"

// PrintVersion writes the version, the Go release and the commit it was built
// from.
func PrintVersion(out io.Writer, asJSON bool) error {
	commit := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				commit = s.Value
			}
		}
	}
	if asJSON {
		return json.NewEncoder(out).Encode(map[string]string{"version": Version, "go": runtime.Version(), "commit": commit})
	}
	_, err := fmt.Fprintf(out, "accord %s (%s, commit %s)\n", Version, runtime.Version(), commit)
	return err
}
