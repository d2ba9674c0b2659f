package api

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"gori/chat"
)

const (
	// messageTime is how long one message may take from its first byte to its
	// last. Between messages a connection may be silent as long as its session
	// allows.
	messageTime = 30 * time.Second
	// messageWireBytes bounds what one message may cost on the wire: empty and
	// tiny fragments are all header.
	messageWireBytes = 8 << 20
	// writeTime is how long a write may take before the client is given up.
	writeTime = 10 * time.Second
	// closeTime bounds the writing of a close frame: whoever closes a session
	// must not wait for its network.
	closeTime = 500 * time.Millisecond
	// lingerTime is how long the end of a connection waits for the other side
	// to read our close frame: closing with unread bytes resets the connection
	// and destroys what we last said.
	lingerTime  = time.Second
	lingerBytes = 256 << 10
)

var errWireBudget = errors.New("the message took too many bytes of framing")

// wire is the connection below the WebSocket library. It adds what the library
// leaves out: deadlines without a context a read, a bound on framing, and
// writes of whole frames, so that our own batches and the library's pongs and
// close frames never mix.
type wire struct {
	net.Conn

	// Owned by the reading goroutine.
	early     []byte // read by net/http before the connection was ours
	inMessage bool
	armed     bool  // a read deadline for the message is set
	left      int64 // wire bytes this message may still take
	readErr   error // what the network said, as opposed to the library

	closing atomic.Bool // we are about to say close: reads and writes end soon

	wmu        sync.Mutex
	sentClose  bool
	torn       bool      // a write failed, perhaps inside a frame: nothing may follow
	writeUntil time.Time // the write deadline now set
}

// Read is called by the library only.
func (w *wire) Read(p []byte) (int, error) {
	if len(w.early) > 0 {
		n := copy(p, w.early)
		if w.early = w.early[n:]; len(w.early) == 0 {
			w.early = nil
		}
		return n, nil
	}
	if w.inMessage && !w.armed {
		w.armed = true
		if err := w.Conn.SetReadDeadline(time.Now().Add(messageTime)); err != nil {
			w.readErr = err
			return 0, err
		}
		if w.closing.Load() {
			w.expireReads()
		}
	}
	n, err := w.Conn.Read(p)
	if err != nil {
		w.readErr = err
	}
	if w.inMessage {
		if w.left -= int64(n); w.left < 0 {
			return 0, errWireBudget
		}
	}
	return n, err
}

// begin and end enclose the reading of one message. A message that is in the
// buffer already costs no deadline.
func (w *wire) begin() { w.inMessage, w.left = true, messageWireBytes }

func (w *wire) end() {
	w.inMessage = false
	if w.armed {
		w.armed = false
		if err := w.Conn.SetReadDeadline(time.Time{}); err != nil {
			w.readErr = err
		}
	}
}

// Write is called by the library, and only with whole control frames: pongs,
// and close frames, of which one is sent and no more.
func (w *wire) Write(p []byte) (int, error) {
	w.wmu.Lock()
	defer w.wmu.Unlock()
	if w.sentClose {
		return len(p), nil // after a close frame nothing may follow
	}
	out := p
	if len(p) >= 2 && p[0] == frameClose {
		w.sentClose = true
		if len(p) > 4 && !utf8.Valid(p[4:]) {
			// The library echoes the reason it was given without looking at it.
			out = appendClose(nil, 1007, "")
		}
	}
	if err := w.writeLocked(out, writeTime, always); err != nil {
		return 0, err
	}
	return len(p), nil
}

// always lets every write pass.
func always() bool { return true }

// writeLocked writes b as it is, if it may. The deadline is only moved when less
// than half of it is left: moving it costs as much as a small write.
func (w *wire) writeLocked(b []byte, within time.Duration, may func() bool) error {
	now := time.Now()
	if left := w.writeUntil.Sub(now); left < within/2 || left > within {
		w.writeUntil = now.Add(within)
		if err := w.Conn.SetWriteDeadline(w.writeUntil); err != nil {
			return err
		}
		if within > closeTime && w.closing.Load() {
			// sayClose has set its deadline before ours, or will after it.
			w.expireWrites()
		}
	}
	n, err := writeIf(w.Conn, b, may)
	if err != nil && (n > 0 || !errors.Is(err, chat.ErrMayNot)) {
		return w.tornLocked(err)
	}
	return err
}

// errTorn says that a frame had begun and may not go on.
var errTorn = errors.New("a frame was not finished in time")

// tornLocked notes that a frame has begun and is not out, if err is not nil.
func (w *wire) tornLocked(err error) error {
	if err == nil {
		return nil
	}
	w.torn = true
	if errors.Is(err, chat.ErrMayNot) {
		return errTorn
	}
	return err
}

// batchBytes is how much is gathered for one system call.
const batchBytes = 32 << 10

var batches = sync.Pool{New: func() any { b := make([]byte, 0, batchBytes+maxHeader); return &b }}

// writeFrames writes text frames, as many as fit in one system call, and
// returns how many calls it took and how many frames are out. Frames from the
// server carry no mask, so the bytes that were encoded once for all sessions are
// sent as they are.
func (w *wire) writeFrames(frames [][]byte, may func() bool) (calls, out int, err error) {
	w.wmu.Lock()
	defer w.wmu.Unlock()
	if w.sentClose {
		return 0, 0, net.ErrClosed
	}
	pooled := batches.Get().(*[]byte)
	buf := (*pooled)[:0]
	defer func() {
		*pooled = buf[:0]
		batches.Put(pooled)
	}()
	flush := func(b []byte, whole int) error {
		if len(b) == 0 {
			return nil
		}
		calls++
		err := w.writeLocked(b, writeTime, may)
		if err == nil {
			out = whole
		}
		return err
	}
	for i, f := range frames {
		big := len(f) > batchBytes-maxHeader
		if !big && len(buf)+maxHeader+len(f) > batchBytes {
			if err := flush(buf, i); err != nil {
				return calls, out, err
			}
			buf = buf[:0]
		}
		buf = appendHeader(buf, len(f))
		if !big {
			buf = append(buf, f...)
			continue
		}
		// A big frame is not copied: its header goes with what stands before.
		if err := flush(buf, i); err != nil {
			return calls, out, err
		}
		buf = buf[:0]
		if err := flush(f, i+1); err != nil {
			return calls, out, w.tornLocked(err)
		}
	}
	err = flush(buf, len(frames))
	return calls, out, err
}

// sayClose writes a close frame unless one was sent, and reports whether the
// other side may get to read it. A write that is stuck is given closeTime.
func (w *wire) sayClose(code uint16, reason string) bool {
	w.closing.Store(true)
	w.expireWrites()
	w.wmu.Lock()
	defer w.wmu.Unlock()
	if w.sentClose {
		return true
	}
	w.sentClose = true
	var frame [maxControl + 2]byte
	if w.torn || w.writeLocked(appendClose(frame[:0], code, reason), closeTime, always) != nil {
		return false
	}
	w.expireReads()
	return true
}

// expireWrites makes a blocked write end within closeTime.
func (w *wire) expireWrites() {
	_ = w.Conn.SetWriteDeadline(time.Now().Add(closeTime)) // it fails only on a closed connection
}

// expireReads makes a blocked or later read end within lingerTime.
func (w *wire) expireReads() {
	_ = w.Conn.SetReadDeadline(time.Now().Add(lingerTime)) // it fails only on a closed connection
}

// linger reads on for a moment so that the other side can read our close
// frame, then ends the connection.
func (w *wire) linger() {
	if half, ok := w.Conn.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		w.expireReads()
		_, _ = io.CopyN(io.Discard, w.Conn, lingerBytes) // whatever ends it, we close
	}
	_ = w.Conn.Close()
}

const (
	frameText  = 0x81 // FIN and opcode 1
	frameClose = 0x88 // FIN and opcode 8
	maxControl = 125
	maxHeader  = 10
)

// appendHeader appends the header of an unmasked text frame (RFC 6455, 5.2).
func appendHeader(b []byte, n int) []byte {
	switch {
	case n <= 125:
		return append(b, frameText, byte(n))
	case n <= 0xFFFF:
		return binary.BigEndian.AppendUint16(append(b, frameText, 126), uint16(n))
	default:
		return binary.BigEndian.AppendUint64(append(b, frameText, 127), uint64(n))
	}
}

// appendClose appends a close frame; a reason that does not fit is cut.
func appendClose(b []byte, code uint16, reason string) []byte {
	if len(reason) > maxControl-2 {
		reason = reason[:maxControl-2]
		for !utf8.ValidString(reason) {
			reason = reason[:len(reason)-1]
		}
	}
	b = append(b, frameClose, byte(2+len(reason)))
	b = binary.BigEndian.AppendUint16(b, code)
	return append(b, reason...)
}
