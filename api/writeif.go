package api

import (
	"net"
	"sync"
	"syscall"

	"gori/chat"
)

// writeIf writes b, asking immediately before each system call whether it may
// still. A write may wait in between for the other side to read, for as long as
// this process is frozen: then the rest must not go out by what was so before. It
// returns how many bytes the network has taken, and chat.ErrMayNot if it may not
// go on. Of a connection that shows no file descriptor (TLS) it can only ask
// before the whole.
func writeIf(conn net.Conn, b []byte, may func() bool) (int, error) {
	if !may() {
		return 0, chat.ErrMayNot
	}
	open, ok := conn.(syscall.Conn)
	if !ok {
		return conn.Write(b)
	}
	raw, err := open.SyscallConn()
	if err != nil {
		return 0, err
	}
	w := rawWrites.Get().(*rawWrite)
	w.b, w.may, w.n, w.err = b, may, 0, nil
	err = raw.Write(w.step)
	n := w.n
	if err == nil {
		err = w.err
	}
	w.b, w.may, w.err = nil, nil, nil
	rawWrites.Put(w)
	return n, err
}

// rawWrite is a write under way.
type rawWrite struct {
	b    []byte
	may  func() bool
	n    int // taken by the network
	err  error
	step func(fd uintptr) bool // w.write, bound once
}

var rawWrites = sync.Pool{New: func() any {
	w := &rawWrite{}
	w.step = w.write
	return w
}}

// write does what is possible without waiting; false: it has to wait.
func (w *rawWrite) write(fd uintptr) (done bool) {
	for w.n < len(w.b) {
		if !w.may() {
			w.err = chat.ErrMayNot
			return true
		}
		n, err := syscall.Write(int(fd), w.b[w.n:])
		w.n += max(n, 0)
		switch err {
		case nil, syscall.EINTR:
		case syscall.EAGAIN:
			return false
		default:
			w.err = err
			return true
		}
	}
	return true
}
