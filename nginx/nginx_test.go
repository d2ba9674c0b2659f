package nginx

import (
	"context"
	"flag"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sys/unix"
)

// patience ends what hangs. It is no promise: a busy host may take its time.
const patience = 2 * time.Minute

var update = flag.Bool("update", false, "rewrite testdata")

func TestRenderGolden(t *testing.T) {
	got, err := Render(Config{
		Prefix: "/srv/gori/proxy", Listen: "0.0.0.0:443", CertFile: "/etc/ssl/chat.pem", KeyFile: "/etc/ssl/chat.key", User: "www-data",
		Nodes: []Node{{Name: "n1", Addr: "127.0.0.1:8081"}, {Name: "n2", Addr: "127.0.0.1:8082", Down: true}, {Name: "n3", Addr: "127.0.0.1:8083"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	golden := filepath.Join("testdata", "three-nodes.conf")
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("the configuration differs from %s; look at the difference and rewrite it with -update:\n%s", golden, got)
	}
}

func TestRenderRefuses(t *testing.T) {
	good := Config{Prefix: "/srv/p", Listen: "127.0.0.1:80", Nodes: []Node{{Name: "n1", Addr: "127.0.0.1:8081"}}}
	if _, err := Render(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*Config){
		"relative prefix":      func(c *Config) { c.Prefix = "p" },
		"prefix with a quote":  func(c *Config) { c.Prefix = "/srv/a;b" },
		"no node":              func(c *Config) { c.Nodes = nil },
		"node name with slash": func(c *Config) { c.Nodes = []Node{{Name: "n1/x", Addr: "127.0.0.1:1"}} },
		"two of one name":      func(c *Config) { c.Nodes = append(c.Nodes[:1:1], c.Nodes[0]) },
		"address with brace":   func(c *Config) { c.Nodes = []Node{{Name: "n1", Addr: "127.0.0.1:1;}"}} },
		"certificate alone":    func(c *Config) { c.CertFile = "/etc/cert.pem" },
		"listen without port":  func(c *Config) { c.Listen = "127.0.0.1" },
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			spoil(&c)
			if text, err := Render(c); err == nil {
				t.Errorf("rendered:\n%s", text)
			}
		})
	}
}

// node is a process behind the proxy: it tells its name, and echoes on a socket.
func node(t *testing.T, name string) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			_, _ = io.WriteString(w, name+" "+r.Header.Get("X-Forwarded-For"))
			return
		}
		w.Header().Set("Asked", r.RequestURI)
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			kind, data, err := c.Read(r.Context())
			if err != nil {
				return
			}
			if err := c.Write(r.Context(), kind, append([]byte(name+" "), data...)); err != nil {
				return
			}
		}
	}))
	t.Cleanup(srv.Close)
	return srv
}

func start(t *testing.T, nodes ...Node) (*Proxy, Config) {
	t.Helper()
	return startLogging(t, nil, nodes...)
}

func startLogging(t *testing.T, log io.Writer, nodes ...Node) (*Proxy, Config) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	addr := l.Addr().String()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = socket.Close() })
	dir, err := os.MkdirTemp("", "gori-nginx-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	o := Options{Config: Config{Prefix: filepath.Join(dir, "proxy"), Listen: addr, Nodes: nodes}, Socket: socket, Log: log}
	if os.Geteuid() == 0 {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		o.Owner = &syscall.Credential{Uid: 65534, Gid: 65534}
	}
	p, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(time.Second) })
	return p, o.Config
}

func addr(s *httptest.Server) string { return strings.TrimPrefix(s.URL, "http://") }

func get(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", "203.0.113.7")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestProxyServesNodesAndSockets(t *testing.T) {
	a, b := node(t, "a"), node(t, "b")
	_, c := start(t, Node{Name: "n1", Addr: addr(a)}, Node{Name: "n2", Addr: addr(b)})

	// The claim of a client of this host stands left of the address seen: it
	// may be a proxy before this one.
	if got := get(t, "http://"+c.Listen+"/api/v1/config"); !strings.HasSuffix(got, " 203.0.113.7, 127.0.0.1") {
		t.Errorf("the node was told the client's address is %q", got)
	}
	for name, want := range map[string]string{"n1": "a hello", "n2": "b hello"} {
		conn, _, err := websocket.Dial(t.Context(), "ws://"+c.Listen+"/n/"+name+"/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		_, data, err := conn.Read(t.Context())
		if err != nil || string(data) != want {
			t.Errorf("socket of %s answered %q, %v; want %q", name, data, err, want)
		}
		_ = conn.CloseNow()
	}
}

// A socket on a node that is gone is opened on another one, which is told all
// that the first would have been told.
func TestSocketOfADeadNodeIsServedByAnother(t *testing.T) {
	b := node(t, "b")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	dead := l.Addr().String()
	_ = l.Close()
	_, c := start(t, Node{Name: "n1", Addr: dead}, Node{Name: "n2", Addr: addr(b)})
	for range 3 {
		conn, res, err := websocket.Dial(t.Context(), "ws://"+c.Listen+"/n/n1/ws?resume=1", nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := res.Header.Get("Asked"); got != "/api/v1/ws?resume=1" {
			t.Errorf("the other node was asked for %s", got)
		}
		_ = conn.CloseNow()
	}
}

func TestLoadKeepsSocketsAndTakesNodesOut(t *testing.T) {
	a, b := node(t, "a"), node(t, "b")
	p, c := start(t, Node{Name: "n1", Addr: addr(a)}, Node{Name: "n2", Addr: addr(b)})
	conn, _, err := websocket.Dial(t.Context(), "ws://"+c.Listen+"/n/n1/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.CloseNow()

	c.Nodes[0].Down = true
	if err := p.Load(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	// New workers take over a moment after the signal.
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for run := 0; run < 20; {
		if ctx.Err() != nil {
			t.Fatal("requests still reach the node that is out")
		}
		if strings.HasPrefix(get(t, "http://"+c.Listen+"/"), "b ") {
			run++
		} else {
			run = 0
		}
	}
	if err := conn.Write(ctx, websocket.MessageText, []byte("still")); err != nil {
		t.Fatal(err)
	}
	if _, data, err := conn.Read(ctx); err != nil || string(data) != "a still" {
		t.Errorf("the socket from before answered %q, %v", data, err)
	}
}

func TestLoadRefusesAndGoesOn(t *testing.T) {
	a := node(t, "a")
	p, c := start(t, Node{Name: "n1", Addr: addr(a)})
	bad := c
	bad.CertFile, bad.KeyFile = "/nowhere/cert.pem", "/nowhere/key.pem"
	if err := p.Load(t.Context(), bad); err == nil || !strings.Contains(err.Error(), "cert.pem") {
		t.Errorf("a missing certificate gave %v", err)
	}
	if got := get(t, "http://"+c.Listen+"/"); !strings.HasPrefix(got, "a ") {
		t.Errorf("after a refused configuration the proxy answers %q", got)
	}
}

func TestStartSaysWhyNot(t *testing.T) {
	a := node(t, "a")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, err = Start(t.Context(), Options{Config: Config{Prefix: t.TempDir(), Listen: l.Addr().String(), Nodes: []Node{{Name: "n1", Addr: addr(a)}}}})
	if err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("an address in use gave %v", err)
	}
}

// The workers of a killed master go too, and the next one serves on the same
// socket: a request meanwhile waits instead of being refused.
func TestKilledAndStartedAgain(t *testing.T) {
	a := node(t, "a")
	p, c := start(t, Node{Name: "n1", Addr: addr(a)})
	_ = get(t, "http://"+c.Listen+"/")
	if err := syscall.Kill(p.PID(), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-p.Ended()
	answer := make(chan string, 1)
	go func() { answer <- get(t, "http://"+c.Listen+"/") }()
	p, err := Start(t.Context(), p.opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(time.Second) })
	if got := <-answer; !strings.HasPrefix(got, "a ") {
		t.Errorf("the next one answers %q", got)
	}
}

// Several workers are woken by one connection, and those that do not get it must
// not wait for the next: whoever they serve would wait with them.
func TestNoWorkerWaitsForTheNextConnection(t *testing.T) {
	a := node(t, "a")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	socket, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	c := Config{Prefix: t.TempDir(), Listen: l.Addr().String(), Workers: 4, Nodes: []Node{{Name: "n1", Addr: addr(a)}}}
	p, err := Start(t.Context(), Options{Config: c, Socket: socket})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(time.Second) })
	for _, when := range []string{"started", "loaded"} {
		if when == "loaded" {
			if err := p.Load(t.Context(), c); err != nil {
				t.Fatal(err)
			}
		}
		raw, err := socket.SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		if err := raw.Control(func(fd uintptr) {
			if flags, err := unix.FcntlInt(fd, unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK == 0 {
				t.Errorf("%s: the socket blocks: %o, %v", when, flags, err)
			}
		}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestStopTwice(t *testing.T) {
	a := node(t, "a")
	p, c := start(t, Node{Name: "n1", Addr: addr(a)})
	p.Stop(time.Second)
	p.Stop(time.Second)
	client := http.Client{Timeout: 100 * time.Millisecond}
	if res, err := client.Get("http://" + c.Listen + "/"); err == nil {
		_ = res.Body.Close()
		t.Error("after Stop it answers")
	}
}
