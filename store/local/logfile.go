package local

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
)

const (
	logFileMax = 8 << 20 // bytes; then the file becomes .1 and a new one begins
	tailLines  = 12      // remembered for error messages
	lineMax    = 16 << 10
)

// serverLog keeps what a server says: in a file of bounded size, and its last
// lines in memory for error messages.
type serverLog struct {
	path   string
	notice func(line string) // told of each line; never blocks; may be nil

	mu       sync.Mutex
	tail     []string
	diskFull bool
}

// copyFrom runs until r ends. A log file that cannot be written (a full disk)
// never stops the server: its lines are still read and remembered.
func (l *serverLog) copyFrom(r io.Reader) {
	file, size := l.open()
	defer func() {
		if file != nil {
			_ = file.Close()
		}
	}()
	in := bufio.NewReaderSize(r, lineMax)
	for {
		chunk, err := in.ReadSlice('\n')
		if len(chunk) > 0 {
			if file != nil {
				n, _ := file.Write(chunk)
				size += int64(n)
			}
			l.remember(strings.TrimRight(string(chunk), "\n"))
			if size > logFileMax {
				_ = file.Close()
				_ = os.Rename(l.path, l.path+".1")
				file, size = l.open()
			}
		}
		if err != nil && err != bufio.ErrBufferFull {
			return
		}
	}
}

func (l *serverLog) open() (*os.File, int64) {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, 0
	}
	size, _ := f.Seek(0, io.SeekEnd)
	return f, size
}

func (l *serverLog) remember(line string) {
	l.mu.Lock()
	l.tail = append(l.tail, line)
	if len(l.tail) > tailLines {
		l.tail = l.tail[1:]
	}
	l.diskFull = l.diskFull || diskFullLine(line)
	l.mu.Unlock()
	if l.notice != nil {
		l.notice(line)
	}
}

// diskFullLine knows the words of strerror(ENOSPC); every instance speaks the
// C locale.
func diskFullLine(line string) bool { return strings.Contains(line, "No space left on device") }

// reset forgets what an earlier run said.
func (l *serverLog) reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tail, l.diskFull = nil, false
}

// explain makes err say what the server said last and, for a full disk, what
// to do.
func (l *serverLog) explain(err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.diskFull {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	if len(l.tail) == 0 {
		return err
	}
	return fmt.Errorf("%w; it said:\n  %s\n  (all of it in %s)", err, strings.Join(l.tail, "\n  "), l.path)
}
