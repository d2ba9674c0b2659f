package api

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gori/chat"
)

// fakeConn notes writes; it may block until its deadline.
type fakeConn struct {
	net.Conn
	mu     sync.Mutex
	writes [][]byte
	stuck  bool
	until  time.Time
	moved  chan struct{} // closed and renewed when the write deadline moves
	began  chan struct{} // a stuck write has begun
}

func (c *fakeConn) Write(p []byte) (int, error) {
	for {
		c.mu.Lock()
		stuck, until, moved := c.stuck, c.until, c.moved
		if !stuck {
			c.writes = append(c.writes, bytes.Clone(p))
			c.mu.Unlock()
			return len(p), nil
		}
		c.mu.Unlock()
		select {
		case c.began <- struct{}{}:
		default:
		}
		select {
		case <-time.After(time.Until(until)):
			return 1, os.ErrDeadlineExceeded // torn: one byte went out
		case <-moved:
		}
	}
}

func (c *fakeConn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = t
	if c.moved != nil {
		close(c.moved)
	}
	c.moved = make(chan struct{})
	return nil
}

func (c *fakeConn) SetReadDeadline(time.Time) error { return nil }

func TestFramesGoOutInOneWrite(t *testing.T) {
	conn := &fakeConn{}
	w := &wire{Conn: conn}
	frames := make([][]byte, 100)
	for i := range frames {
		frames[i] = []byte(strings.Repeat("x", 200))
	}
	calls, _, err := w.writeFrames(frames, always)
	if err != nil || calls != 1 || len(conn.writes) != 1 || len(conn.writes[0]) != 100*(200+4) {
		t.Errorf("100 frames of 200 bytes took %d calls, %d writes, %v", calls, len(conn.writes), err)
	}
	conn.writes = nil
	big := []byte(strings.Repeat("b", 300_000))
	calls, out, err := w.writeFrames([][]byte{[]byte("a"), big, []byte("c"), []byte("d")}, always)
	if err != nil || calls != 3 || out != 4 {
		t.Errorf("a big frame between small ones took %d calls, %v", calls, err)
	}
	want := append([]byte{0x81, 1, 'a', 0x81, 127, 0, 0, 0, 0, 0, 4, 0x93, 0xE0}, big...)
	want = append(want, 0x81, 1, 'c', 0x81, 1, 'd')
	if got := bytes.Join(conn.writes, nil); !bytes.Equal(got, want) {
		t.Errorf("%d bytes went out, want %d", len(got), len(want))
	}
}

// A close frame waits for the write under way, but not for one that is stuck;
// and nothing follows it, nor a torn frame.
func TestCloseFrames(t *testing.T) {
	// In real time: a mutex is waited for, which fake time does not see.
	deaf := &fakeConn{stuck: true, began: make(chan struct{}, 1)}
	torn := &wire{Conn: deaf}
	failed := make(chan error, 1)
	go func() {
		_, _, err := torn.writeFrames([][]byte{[]byte("x")}, always)
		failed <- err
	}()
	<-deaf.began
	if torn.sayClose(4001, "slow") {
		t.Error("a close frame was written behind a torn one")
	}
	if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the stuck write: %v", err)
	}
	conn := &fakeConn{}
	w := &wire{Conn: conn}
	if !w.sayClose(4002, strings.Repeat("가", 100)) || !w.sayClose(1000, "again") {
		t.Error("not said")
	}
	if len(conn.writes) != 1 || conn.writes[0][0] != frameClose || int(conn.writes[0][1]) != len(conn.writes[0])-2 || conn.writes[0][1] > maxControl {
		t.Errorf("%x", conn.writes)
	}
	if _, _, err := w.writeFrames([][]byte{[]byte("x")}, always); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a frame after the close frame: %v", err)
	}
	if n, err := w.Write([]byte{0x8A, 0}); n != 2 || err != nil || len(conn.writes) != 1 {
		t.Errorf("a pong after the close frame: %d %v", n, err)
	}
}

// Frames are put where they may still be: whole ones come back to who had them,
// and one that has begun ends the connection.
func TestFramesGoOutOnlyWhileTheyMay(t *testing.T) {
	conn := &fakeConn{}
	w := &wire{Conn: conn}
	frames := make([][]byte, 100)
	for i := range frames {
		frames[i] = bytes.Repeat([]byte{byte(i)}, 1000)
	}
	asked := 0
	_, out, err := w.writeFrames(frames, func() bool { asked++; return asked < 3 })
	if !errors.Is(err, chat.ErrMayNot) || asked != 3 || out == 0 || out == 100 || len(conn.writes) != 2 {
		t.Fatalf("%d frames are out after %d writes: %v", out, len(conn.writes), err)
	}
	if _, rest, err := w.writeFrames(frames[out:], always); err != nil || out+rest != 100 {
		t.Fatalf("%d and %d frames are out: %v", out, rest, err)
	}
	if n := len(bytes.Join(conn.writes, nil)); n != 100*(1000+4) {
		t.Fatalf("%d bytes went out", n)
	}
	_, out, err = w.writeFrames([][]byte{[]byte("a"), make([]byte, 2*batchBytes)}, func() bool { asked++; return asked < 5 })
	if !errors.Is(err, errTorn) || out != 1 {
		t.Fatalf("%d frames are out: %v", out, err)
	}
	if w.sayClose(4001, "slow") {
		t.Error("a close frame was written behind a torn one")
	}
}

// A write waits for the other side to read; when that does, the time may be over
// in which it may go on.
func TestABlockedWriteAsksBeforeItGoesOn(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	there, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer there.Close()
	here, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	const size = 64 << 20 // more than any buffer on the way
	var over atomic.Bool
	began := make(chan struct{}, 1)
	failed := make(chan error, 1)
	go func() {
		_, _, err := (&wire{Conn: here}).writeFrames([][]byte{make([]byte, size)}, func() bool {
			select {
			case began <- struct{}{}:
			default:
			}
			return !over.Load()
		})
		failed <- errors.Join(err, here.Close())
	}()
	<-began
	over.Store(true)
	n, err := io.Copy(io.Discard, there)
	if err != nil || n >= size {
		t.Errorf("%d bytes came, %v", n, err)
	}
	if err := <-failed; !errors.Is(err, errTorn) && !errors.Is(err, chat.ErrMayNot) {
		t.Errorf("the write: %v", err)
	}
}
