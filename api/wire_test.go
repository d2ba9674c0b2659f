package api

import (
	"bytes"
	"errors"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
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
	calls, err := w.writeFrames(frames)
	if err != nil || calls != 1 || len(conn.writes) != 1 || len(conn.writes[0]) != 100*(200+4) {
		t.Errorf("100 frames of 200 bytes took %d calls, %d writes, %v", calls, len(conn.writes), err)
	}
	conn.writes = nil
	big := []byte(strings.Repeat("b", 300_000))
	calls, err = w.writeFrames([][]byte{[]byte("a"), big, []byte("c"), []byte("d")})
	if err != nil || calls != 3 {
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
		_, err := torn.writeFrames([][]byte{[]byte("x")})
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
	if _, err := w.writeFrames([][]byte{[]byte("x")}); !errors.Is(err, net.ErrClosed) {
		t.Errorf("a frame after the close frame: %v", err)
	}
	if n, err := w.Write([]byte{0x8A, 0}); n != 2 || err != nil || len(conn.writes) != 1 {
		t.Errorf("a pong after the close frame: %d %v", n, err)
	}
}
