package store

import (
	"bytes"
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"
)

// parses hears a connection ask for the statement that stores messages to be
// made ready.
type parses struct {
	net.Conn
	n *atomic.Int64
}

func (p *parses) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("INSERT INTO data.messages")) {
		p.n.Add(1)
	}
	return p.Conn.Write(b)
}

// The first message after a start, or on a new shard, does not wait until
// PostgreSQL has read its catalog and planned: that was done before.
func TestWritersAreReadyBeforeTheFirstMessage(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	h := newHarness(t, 2, func(c *Config) {
		c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			return &parses{conn, &n}, err
		}
	})
	var writers int64
	for _, sh := range h.shards() {
		writers += int64(len(sh.writers))
	}
	for end := time.Now().Add(20 * time.Second); n.Load() < writers; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d of %d writers have made their statement ready", n.Load(), writers)
		}
	}
}
