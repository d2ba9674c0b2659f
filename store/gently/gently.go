// Package gently makes connections to PostgreSQL that begin and end one after
// the other.
//
// PostgreSQL makes a process for a connection. To begin takes it 4 to 5 ms of a
// processor before it answers anything, and to end 2 to 3 ms in the kernel
// (measured on a virtual machine with two processors). A command that looks at
// all shards at once and then goes would take that from those who serve people
// on the same host, on all processors at a time.
package gently

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"golang.org/x/time/rate"
)

const (
	// apart is the time from one beginning to the next of this process.
	apart = 5 * time.Millisecond
	// turnPatience bounds how long one waits for its turn, however many begin.
	turnPatience = 50 * time.Millisecond
	// endPatience bounds how long closing waits for the server's process.
	endPatience = 100 * time.Millisecond
)

var turns = newTurns()

func newTurns() *rate.Limiter { return rate.NewLimiter(rate.Every(apart), 1) }

// Connect makes connections of cfg begin 5 ms after the one before of this
// process, when no more than ten begin at once, and closing them wait for the
// server's process to end, 100 ms at most. It is not for connections that people
// wait for.
func Connect(cfg *pgconn.Config) {
	dial := cfg.DialFunc
	cfg.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if err := turn(ctx, turns); err != nil {
			return nil, err
		}
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &awaited{Conn: conn}, nil
	}
}

// turn waits until it is one's turn to begin.
func turn(ctx context.Context, turns *rate.Limiter) error {
	mine := turns.Reserve()
	wait := mine.Delay()
	if wait > turnPatience {
		mine.Cancel()
		wait = turnPatience
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// awaited is a connection whose other side ends first.
type awaited struct {
	net.Conn
	closed atomic.Bool
}

// Close reads to the end: a process of PostgreSQL that was told to go lets go of
// its socket as the last thing it does.
func (c *awaited) Close() error {
	if c.closed.Swap(true) {
		return net.ErrClosed
	}
	if c.SetDeadline(time.Now().Add(endPatience)) == nil {
		_, _ = io.Copy(io.Discard, c.Conn)
	}
	return c.Conn.Close()
}
