package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Limits of a connection.
const (
	MaxFrame   = 8 << 20 // bytes of a frame from the server
	maxWaiting = 8 << 20 // bytes waiting to be written
	smallFrame = 64 << 10
)

// wire is one WebSocket. Frames are written in the order of put by whichever
// caller finds nobody writing, so no goroutine waits for work.
type wire struct {
	conn *websocket.Conn

	mu      sync.Mutex
	queue   [][]byte
	bytes   int
	since   time.Time // when the present write began; zero: nobody writes
	idle    *sync.Cond
	aborted bool
}

// Discover asks where to connect now, for LiveOptions.Endpoint. It asks once: a
// Live that is told to wait knows how long.
func (c *Client) Discover(ctx context.Context) (endpoint string, err error) {
	var found struct {
		WS string `json:"ws"`
	}
	err = c.once(ctx, call{method: http.MethodGet, path: "/discover", out: &found}, nil)
	return found.WS, err
}

// dial discovers the node and opens the socket there. A device that has a
// position says so: nodes let it in before those that start anew.
func (l *Live) dial(ctx context.Context) (*wire, error) {
	path := l.opt.Endpoint
	if path == "" && l.Connects() == 0 {
		path = l.opt.First
	}
	if path == "" {
		var err error
		asking, cancel := context.WithTimeout(ctx, discoverDeadline)
		path, err = l.c.Discover(asking)
		cancel()
		if err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, dialDeadline)
	defer cancel()
	base, leave := l.c.address()
	u := *base
	u.Path += path
	if strings.Contains(path, "://") { // another host
		u.Scheme, u.Host, u.Path = splitURL(path)
	}
	if l.recv.placed() {
		u.RawQuery = "resume=1"
	}
	h := http.Header{}
	l.c.sign(h)
	conn, res, err := websocket.Dial(ctx, u.String(), &websocket.DialOptions{
		HTTPClient: l.c.http, HTTPHeader: h, Subprotocols: []string{"gori.v1"},
	})
	if err != nil {
		if res != nil && res.StatusCode >= 300 {
			return nil, dialRefusal(res)
		}
		leave()
		return nil, err
	}
	conn.SetReadLimit(MaxFrame)
	w := &wire{conn: conn}
	w.idle = sync.NewCond(&w.mu)
	return w, nil
}

// dialRefusal is why there is no socket. A node that discover named and that
// the proxy does not know any more is no reason to give up.
func dialRefusal(res *http.Response) *Error {
	var answer []byte
	if res.Body != nil {
		answer, _ = io.ReadAll(io.LimitReader(res.Body, 4096)) // what could be read is enough
	}
	e := refusal(res.StatusCode, res.Header, answer)
	if res.StatusCode == http.StatusNotFound {
		e.Retry = true
	}
	return e
}

func splitURL(s string) (scheme, host, path string) {
	scheme, rest, _ := strings.Cut(s, "://")
	host, path, _ = strings.Cut(rest, "/")
	scheme = strings.Replace(scheme, "ws", "http", 1)
	return scheme, host, "/" + path
}

// put queues a frame and flushes.
func (w *wire) put(frame []byte) {
	w.enqueue(frame)
	w.flush()
}

// enqueue queues a frame; it never waits. A frame that cannot be written ends
// the connection; whoever needs it sends it again on the next.
func (w *wire) enqueue(frame []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.aborted {
		w.queue = append(w.queue, frame)
		w.bytes += len(frame)
	}
}

// flush writes what is queued, unless another caller does so already.
func (w *wire) flush() {
	w.mu.Lock()
	if w.writing() || w.aborted {
		w.mu.Unlock()
		return
	}
	ok := w.bytes <= maxWaiting
	for ok && len(w.queue) > 0 && !w.aborted {
		next := w.queue[0]
		w.queue = w.queue[1:]
		w.since = time.Now()
		w.mu.Unlock()
		err := w.conn.Write(context.Background(), websocket.MessageText, next)
		w.mu.Lock()
		w.bytes -= len(next)
		ok = err == nil && w.bytes <= maxWaiting
	}
	if len(w.queue) == 0 {
		w.queue = nil
	}
	w.since = time.Time{}
	w.idle.Broadcast()
	w.mu.Unlock()
	if !ok {
		w.abort()
	}
}

func (w *wire) writing() bool { return !w.since.IsZero() }

// drain waits until nothing is being written, 1 s at most.
func (w *wire) drain() {
	late := time.AfterFunc(time.Second, w.abort)
	defer late.Stop()
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.writing() && !w.aborted {
		w.idle.Wait()
	}
}

// stuck tells whether one write has lasted longer than d.
func (w *wire) stuck(d time.Duration) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.writing() && time.Since(w.since) > d
}

// abort cuts the connection; the reader and a writer return at once.
func (w *wire) abort() {
	w.mu.Lock()
	first := !w.aborted
	w.aborted = true
	w.queue = nil
	w.idle.Broadcast()
	w.mu.Unlock()
	if first {
		_ = w.conn.CloseNow() // it is given up; nothing is to be done about an error
	}
}

var frameBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 4096); return &b }}

// readAll hands frames to handle until the connection is lost or handle fails.
// A frame is valid only during the call.
func (w *wire) readAll(handle func([]byte) error) error {
	for {
		kind, r, err := w.conn.Reader(context.Background())
		if err != nil {
			return lost(err)
		}
		if kind != websocket.MessageText {
			return &CloseError{Code: 1003, Reason: "a binary frame from the server"}
		}
		// The buffer is taken only now, so that an idle connection has none.
		buf := frameBuffers.Get().(*[]byte)
		frame, err := readInto((*buf)[:0], r)
		if err == nil {
			err = handle(frame)
		} else {
			err = lost(err)
		}
		if cap(frame) <= smallFrame {
			*buf = frame
			frameBuffers.Put(buf)
		}
		if err != nil {
			return err
		}
	}
}

func readInto(b []byte, r io.Reader) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err == io.EOF {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// lost turns a close frame into a CloseError.
func lost(err error) error {
	var c websocket.CloseError
	if errors.As(err, &c) {
		return &CloseError{Code: int(c.Code), Reason: c.Reason}
	}
	return err
}
