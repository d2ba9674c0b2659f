package nginx

import (
	"context"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// ownAddress is an address of this host that is not its loopback one.
func ownAddress(t *testing.T) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	t.Skip("this host has no address but its own")
	return ""
}

// sockets opens n WebSockets and returns how many were let in, and the status
// of the last that was not.
func sockets(t *testing.T, url string, n int) (in, status int) {
	t.Helper()
	for range n {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		conn, res, err := websocket.Dial(ctx, url, nil)
		cancel()
		if err == nil {
			in++
			t.Cleanup(func() { _ = conn.CloseNow() })
		} else if res != nil {
			status = res.StatusCode
		}
	}
	return in, status
}

// One address has so many connections and no more; this host's own programs
// are not counted.
func TestConnectionsOfOneAddress(t *testing.T) {
	host := ownAddress(t)
	a := node(t, "a")
	p, _ := start(t, Node{Name: "n1", Addr: addr(a)})
	p.Stop(time.Second)
	o := p.opts
	l, err := net.Listen("tcp4", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	if o.Socket, err = l.(*net.TCPListener).File(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Socket.Close() })
	o.Config.Listen = "0.0.0.0:" + port
	o.Config.ConnsPerAddress = 3
	p, err = Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(time.Second) })
	if in, status := sockets(t, "ws://"+net.JoinHostPort(host, port)+"/n/n1/ws", 6); in != 3 || status != http.StatusTooManyRequests {
		t.Errorf("%d of one address were let in, the others refused with %d", in, status)
	}
	if in, _ := sockets(t, "ws://127.0.0.1:"+port+"/n/n1/ws", 10); in != 10 {
		t.Errorf("%d of 10 of this host were let in", in)
	}
}

func TestGreatBodiesAreRefused(t *testing.T) {
	a := node(t, "a")
	_, c := start(t, Node{Name: "n1", Addr: addr(a)})
	res, err := http.Post("http://"+c.Listen+"/api/v1/me/avatar", "image/png", strings.NewReader(strings.Repeat("x", 7<<20)))
	if err != nil {
		t.Fatal(err)
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("7 MiB gave %d", res.StatusCode)
	}
}
