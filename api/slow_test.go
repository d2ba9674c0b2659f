package api

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A message that comes a byte in 10 s is given up after messageTime, however
// long it goes on (B7, B23).
func TestAMessageThatNeverEndsIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			for {
				if _, err := theirs.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(10 * time.Second)
			}
		}()
		w := &wire{Conn: ours}
		w.begin()
		begun := time.Now()
		var err error
		for err == nil {
			_, err = w.Read(make([]byte, 8))
		}
		if took := time.Since(begun); !errors.Is(err, os.ErrDeadlineExceeded) || took != messageTime {
			t.Errorf("after %v: %v", took, err)
		}
		_ = ours.Close()
		<-done
	})
}

// Requests that come slower than a person's worst line are cut off, so that
// they hold no connection for ever (B23).
func TestSlowRequestsAreCutOff(t *testing.T) {
	s := newBareServer(t)
	srv := s.httpServer(s.Public())
	for what, d := range map[string]time.Duration{"header": srv.ReadHeaderTimeout, "request": srv.ReadTimeout,
		"answer": srv.WriteTimeout, "idle connection": srv.IdleTimeout} {
		if d <= 0 || d > 2*time.Minute {
			t.Errorf("a slow %s may take %v", what, d)
		}
	}
	if srv.WriteTimeout <= 60*time.Second {
		t.Error("a long poll has no time to be answered")
	}
	if srv.MaxHeaderBytes <= 0 || srv.MaxHeaderBytes > 64<<10 {
		t.Errorf("headers may have %d bytes", srv.MaxHeaderBytes)
	}
	post := "POST /api/v1/login HTTP/1.1\r\nHost: chat.test\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
	for what, c := range map[string]struct {
		beginning    string
		header, read time.Duration // the same server in small; what is not the subject may take its time
	}{"header": {"GET /healthz HTTP/1.1\r\nHost: ch", 50 * time.Millisecond, patience}, "body": {post + "{", patience, 100 * time.Millisecond}} {
		srv := s.httpServer(s.Public())
		srv.ReadHeaderTimeout, srv.ReadTimeout = c.header, c.read
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = srv.Serve(l)
		}()
		t.Cleanup(func() {
			_ = srv.Close()
			<-done
		})
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(conn, c.beginning); err != nil {
			t.Fatal(err)
		}
		answer, err := io.ReadAll(conn) // ends when the server closes
		if err != nil {
			t.Errorf("a slow %s is waited for: %v", what, err)
		}
		if what == "body" && !strings.HasPrefix(string(answer), "HTTP/1.1 400") {
			t.Errorf("a slow body is answered %q", answer)
		}
		_ = conn.Close()
	}
}
