package nginx

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// Requests that Nginx and a node might read differently end at Nginx, or reach
// the node as one request (B24).
func TestWhatProxiesReadDifferentlyIsRefused(t *testing.T) {
	var reached atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // only how many requests came matters
		reached.Add(1)
		fmt.Fprintf(w, "%s %s", r.Method, r.URL.Path)
	}))
	t.Cleanup(srv.Close)
	_, c := start(t, Node{Name: "n1", Addr: addr(srv)})
	smuggled := "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
	post := "POST /api/v1/login HTTP/1.1\r\nHost: x\r\n"
	for name, request := range map[string]string{
		"length and chunks":  post + fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n%s", len(smuggled)+5, smuggled),
		"two lengths":        post + "Content-Length: 0\r\nContent-Length: 35\r\n\r\n" + smuggled,
		"chunked twice":      post + "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
		"chunked by a space": post + "Transfer-Encoding : chunked\r\nContent-Length: 0\r\n\r\n",
		"a chunk too big":    post + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\nx\r\n0\r\n\r\n",
		"NUL in the path":    "GET /a\x00b HTTP/1.1\r\nHost: x\r\n\r\n",
		"NUL escaped":        "GET /%00 HTTP/1.1\r\nHost: x\r\n\r\n",
		"two hosts":          "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
		"no host":            "GET / HTTP/1.1\r\n\r\n",
		"a way out":          "GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n",
		"headers without end": "GET / HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X-A: "+strings.Repeat("x", 4000)+"\r\n", 12) +
			"\r\n",
		"TRACE": "TRACE / HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		before := reached.Load()
		conn, err := net.Dial("tcp", c.Listen)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if resp.StatusCode < 400 || reached.Load() != before {
			t.Errorf("%s: %d, and %d requests reached the node", name, resp.StatusCode, reached.Load()-before)
		}
		_ = conn.Close()
	}
}

// What is for one person is never given to another: the proxy keeps files only
// (B35).
func TestPersonalAnswersAreNotKept(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=3600") // even then
		_, _ = io.WriteString(w, r.Header.Get("Authorization"))
	}))
	t.Cleanup(srv.Close)
	_, c := start(t, Node{Name: "n1", Addr: addr(srv)})
	for _, path := range []string{"/api/v1/me", "/api/v1/me/x.css", "/api/v1/users/1/avatar?v=1", "/api/v1/inbox", "/index.html"} {
		for _, who := range []string{"Bearer ann", "Bearer bob"} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+c.Listen+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", who)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if err != nil || string(body) != who {
				t.Errorf("%s gets %q at %s: %v", who, body, path, err)
			}
		}
	}
}
