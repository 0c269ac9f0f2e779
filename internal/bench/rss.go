package bench

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// RSS returns the resident memory of a process in bytes, or 0 where the system
// does not tell (it is not Linux, or there is no such process).
func RSS(pid int) int64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0
	}
	fields := bytes.Fields(b)
	if len(fields) < 2 {
		return 0
	}
	pages, err := strconv.ParseInt(string(fields[1]), 10, 64)
	if err != nil {
		return 0
	}
	return pages * int64(os.Getpagesize())
}
