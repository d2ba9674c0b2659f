package gently

import (
	"context"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/store/storetest"
)

// When a connection is closed, the server's process for it has given back what it
// had. On a busy host closing may give up waiting for one or the other; who does
// not wait finds all of them still there.
func TestClosedIsGone(t *testing.T) {
	there := 0
	for range 20 {
		conn, err := connect(t.Context(), storetest.DSN(t))
		if err != nil {
			t.Fatal(err)
		}
		pid := strconv.Itoa(int(conn.PgConn().PID()))
		if err := conn.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		// The first number is the size of its memory.
		if sizes, err := os.ReadFile("/proc/" + pid + "/statm"); err == nil && !strings.HasPrefix(string(sizes), "0 ") {
			there++
		}
	}
	if there > 10 {
		t.Errorf("%d of 20 processes were still there after their connections were closed", there)
	}
}

// A server that says nothing keeps nobody who has no time.
func TestNobodyWaitsForEver(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if conn, err := connect(ctx, "postgres://gori@"+l.Addr().String()+"/gori?sslmode=disable"); err == nil {
		t.Fatal("connected to a server that says nothing", conn)
	}
}

func connect(ctx context.Context, dsn string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, err
	}
	Connect(&cfg.Config)
	return pgx.ConnectConfig(ctx, cfg)
}

// Those who begin together do so one after the other, and however many they are
// none waits long for its turn.
func TestTurnsAreBounded(t *testing.T) {
	for _, n := range []int{5, 300} {
		synctest.Test(t, func(t *testing.T) {
			turns, began := newTurns(), time.Now()
			waits := make(chan time.Duration, n)
			for range n {
				go func() {
					_ = turn(t.Context(), turns)
					waits <- time.Since(began)
				}()
			}
			var longest time.Duration
			at := map[time.Duration]int{}
			for range n {
				wait := <-waits
				at[wait]++
				longest = max(longest, wait)
			}
			if want := min(time.Duration(n-1)*apart, turnPatience); longest != want {
				t.Errorf("of %d one waited %v, not %v", n, longest, want)
			}
			if n == 5 && len(at) != n {
				t.Errorf("some of %d began together: %v", n, at)
			}
		})
	}
}
