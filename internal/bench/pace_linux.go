package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"
)

// alarm wakes one goroutine at a moment, to within some microseconds. The
// runtime's own timers wake an idle process on whole milliseconds, which would
// be counted as the server's latency, and a sleeping system call would keep a
// processor from the other connections. So it is a kernel timer (timerfd) that
// the runtime's poller waits for as for a socket.
type alarm struct {
	fd   uintptr
	file *os.File
}

const (
	clockMonotonic = 1
	timerFlags     = syscall.O_NONBLOCK | syscall.O_CLOEXEC
)

// timerSpec is the kernel's struct itimerspec.
type timerSpec struct{ interval, value syscall.Timespec }

func newAlarm() (*alarm, error) {
	fd, _, errno := syscall.Syscall(syscall.SYS_TIMERFD_CREATE, clockMonotonic, timerFlags, 0)
	if errno != 0 {
		return nil, fmt.Errorf("no kernel timer: %w; raise the limit of open files (ulimit -n)", errno)
	}
	return &alarm{fd: fd, file: os.NewFile(fd, "timerfd")}, nil
}

// wait returns at the moment until, or earlier with the context's error when
// interrupt was called.
func (a *alarm) wait(ctx context.Context, until time.Time) error {
	d := time.Until(until)
	if d <= 0 {
		return ctx.Err()
	}
	spec := timerSpec{value: syscall.NsecToTimespec(int64(d))}
	_, _, errno := syscall.Syscall6(syscall.SYS_TIMERFD_SETTIME, a.fd, 0, uintptr(unsafe.Pointer(&spec)), 0, 0, 0)
	if errno != 0 {
		return errno
	}
	var expirations [8]byte
	if _, err := a.file.Read(expirations[:]); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return ctx.Err()
}

// interrupt ends the present wait and every later one at once.
func (a *alarm) interrupt() { a.file.SetReadDeadline(time.Unix(1, 0)) }

func (a *alarm) close() { a.file.Close() }
