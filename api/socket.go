package api

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/coder/websocket"

	"gori/chat"
)

// Buffers of a connection. Frames that a person causes fit in 256 bytes; what
// is greater is read past the buffer. The writer holds only control frames.
const (
	readBuffer  = 256
	writeBuffer = maxControl + 4
)

// maxPings is how many control pings are answered within pingWindow; nobody
// needs them, as the protocol has its own heartbeat.
const (
	maxPings   = 30
	pingWindow = 10 * time.Second
)

// socket is one WebSocket as a session sees it: a chat.Conn.
type socket struct {
	wire    wire
	ws      *websocket.Conn
	metrics *Metrics
	closed  atomic.Bool

	// Owned by the reading goroutine.
	pings      int
	pingsSince time.Time
}

var _ chat.Conn = (*socket)(nil)

// takeover gives the WebSocket library a connection with small buffers of our
// own in place of net/http's two of 4 KB.
type takeover struct {
	http.ResponseWriter
	socket *socket
}

// Hijack implements http.Hijacker.
func (t takeover) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, rw, err := http.NewResponseController(t.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	w := &t.socket.wire
	w.Conn = conn
	if n := rw.Reader.Buffered(); n > 0 {
		w.early = make([]byte, n)
		if _, err := io.ReadFull(rw.Reader, w.early); err != nil {
			return nil, nil, errors.Join(err, conn.Close())
		}
	}
	return w, bufio.NewReadWriter(bufio.NewReaderSize(w, readBuffer), bufio.NewWriterSize(w, writeBuffer)), nil
}

// accept upgrades the request. It has answered it when it fails. The origin
// and the login are the caller's to have checked.
func accept(w http.ResponseWriter, r *http.Request, m *Metrics) (*socket, error) {
	s := &socket{metrics: m}
	ws, err := websocket.Accept(takeover{w, s}, r, &websocket.AcceptOptions{
		Subprotocols:       []string{subprotocol},
		InsecureSkipVerify: true, // origins.check was stricter
		CompressionMode:    websocket.CompressionDisabled,
		OnPingReceived:     s.pinged,
	})
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(chat.MaxFrameBytes)
	s.ws = ws
	return s, nil
}

// ReadFrame returns the next text frame. Whatever the other side does wrong
// ends the connection with the close code that RFC 6455 asks for.
func (s *socket) ReadFrame(ctx context.Context) ([]byte, error) {
	if s.closed.Load() {
		return nil, net.ErrClosed
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	// No context goes down: the library would register it anew for every
	// header and payload. Close ends a blocked read.
	kind, r, err := s.ws.Reader(context.Background())
	if err != nil {
		return nil, s.broken(err)
	}
	if kind != websocket.MessageText {
		s.Close(1003, "text frames only")
		return nil, errors.New("a binary frame came")
	}
	s.wire.begin()
	b, err := io.ReadAll(r)
	s.wire.end()
	if err != nil {
		return nil, s.broken(err)
	}
	if !utf8.Valid(b) {
		s.Close(chat.CloseBadFrame, "not UTF-8")
		return nil, errors.New("a frame is not UTF-8")
	}
	if s.closed.Load() {
		return nil, net.ErrClosed // what came after the end is not to be acted on
	}
	s.metrics.bytesIn.Add(float64(len(b)))
	return b, nil
}

// broken says the close code for an error of the library that is not the
// network's: the library itself is silent about unmasked frames and impossible
// lengths.
func (s *socket) broken(err error) error {
	switch {
	case errors.Is(err, errWireBudget), errors.Is(err, websocket.ErrMessageTooBig):
		s.Close(chat.CloseTooBig, "too big")
	case s.wire.readErr == nil && websocket.CloseStatus(err) == -1 && !s.closed.Load():
		s.Close(1002, "protocol error")
	}
	return fmt.Errorf("reading a frame: %w", err)
}

// pinged decides whether a ping is answered.
func (s *socket) pinged(context.Context, []byte) bool {
	if now := time.Now(); now.Sub(s.pingsSince) > pingWindow {
		s.pings, s.pingsSince = 0, now
	}
	if s.pings++; s.pings > maxPings {
		s.Close(chat.ClosePolicy, "too many pings")
		return false
	}
	return true
}

// WriteFrames writes frames in one system call where they fit. After an error
// other than chat.ErrMayNot nothing more can be written: the caller closes, and
// so says why first.
func (s *socket) WriteFrames(_ context.Context, frames [][]byte, may func() bool) (int, error) {
	calls, out, err := s.wire.writeFrames(frames, may)
	n := 0
	for _, f := range frames[:out] {
		n += len(f)
	}
	s.metrics.writes.Add(float64(calls))
	s.metrics.framesOut.Add(float64(out))
	s.metrics.bytesOut.Add(float64(n))
	if err != nil {
		return out, fmt.Errorf("writing frames: %w", err)
	}
	return out, nil
}

// Close says why and ends the connection without waiting for the other side.
// If its network takes no more bytes, the connection is cut without a word.
func (s *socket) Close(code chat.CloseCode, reason string) {
	if s.closed.Swap(true) {
		return
	}
	s.metrics.closes.WithLabelValues(strconv.Itoa(int(code))).Inc()
	if !s.wire.sayClose(uint16(code), reason) {
		s.cut()
	}
}

// cut ends the connection at once.
func (s *socket) cut() {
	s.closed.Store(true)
	_ = s.wire.Conn.Close() // it is of no more use either way
}

// finish is called by the owner of the read loop once it has ended.
func (s *socket) finish() {
	s.closed.Store(true)
	if s.wire.readErr == nil {
		s.wire.linger()
	}
	_ = s.ws.CloseNow() // frees what the library holds; closed already is fine
}
