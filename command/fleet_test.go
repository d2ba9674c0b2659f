package command

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"gori/config"
	"gori/host"
	"gori/nginx"
)

// pid returns the process of a node; 0 while none runs.
func (s *system) pid(i int) int { return s.state().Nodes[i].PID }

func (s *system) kill(sig syscall.Signal, pids ...int) {
	s.t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil {
			s.t.Fatal(err)
		}
	}
}

// row is what gori nodes tells of the i-th node.
func (s *system) row(i int) nodeRow {
	s.t.Helper()
	code, out, e := gori(s.t, "nodes", "--data", s.dir, "--json")
	var rows []nodeRow
	if err := json.Unmarshal([]byte(out), &rows); code != exitOK || err != nil || len(rows) != len(s.state().Nodes) {
		s.t.Fatalf("gori nodes: exit %d, %v: %s%s", code, err, out, e)
	}
	return rows[i]
}

// becomes waits until gori nodes tells a state of the i-th node.
func (s *system) becomes(i int, want host.State, out bool) {
	s.t.Helper()
	eventually(s.t, "node "+strconv.Itoa(i+1)+" is "+string(want), func() bool {
		r := s.row(i)
		return r.State == want && r.Out == out
	})
}

// asked counts how requests through the proxy end.
func asked(t *testing.T, url string, n int) map[int]int {
	t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	got := map[int]int{}
	for range n {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+"/api/v1/config", nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			got[0]++
			continue
		}
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
		got[res.StatusCode]++
	}
	return got
}

// A node, Nginx and all nodes die or freeze in turn: requests go on, gori nodes
// tells the truth, and what people say is neither lost nor doubled.
func TestNodesAndProxyMayDie(t *testing.T) {
	t.Parallel()
	if _, err := nginx.Find(); err != nil {
		t.Fatal(err)
	}
	s := startUp(t, dataDir(t), "--nodes", "3", "--shards", "2")
	k := gather(t, s.url, 6, 3)
	k.talk(50 * time.Millisecond)

	t.Run("a killed node", func(t *testing.T) {
		before := s.pid(1)
		s.kill(syscall.SIGKILL, before)
		if got := asked(t, s.url, 50); got[200] != 50 {
			t.Errorf("requests meanwhile ended with %v", got)
		}
		eventually(t, "another process", func() bool { p := s.pid(1); return p != 0 && p != before })
		s.becomes(1, host.StateReady, false)
		if r := s.row(1); r.Restarts != 1 {
			t.Errorf("%d restarts are told", r.Restarts)
		}
	})
	t.Run("a frozen node", func(t *testing.T) {
		frozen := s.pid(2)
		s.kill(syscall.SIGSTOP, frozen)
		defer s.kill(syscall.SIGCONT, frozen)
		s.becomes(2, host.StateSilent, true)
		if got := asked(t, s.url, 20); got[200] != 20 {
			t.Errorf("requests to the others ended with %v", got)
		}
		eventually(t, "the others bury it", func() bool { return s.row(2).BeatAgeMs < 0 })
		s.kill(syscall.SIGCONT, frozen)
		s.becomes(2, host.StateReady, false)
	})
	t.Run("Nginx", func(t *testing.T) {
		before := s.state().Proxy.PID
		s.kill(syscall.SIGKILL, before)
		if got := asked(t, s.url, 5); got[200] < 4 { // the one being served may be cut
			t.Errorf("requests meanwhile ended with %v", got)
		}
		eventually(t, "another Nginx", func() bool { p := s.state().Proxy.PID; return p != 0 && p != before })
	})
	t.Run("all nodes at once", func(t *testing.T) {
		s.kill(syscall.SIGKILL, s.pid(0), s.pid(1), s.pid(2))
		for i := range 3 {
			s.becomes(i, host.StateReady, false)
		}
	})
	k.hush()
	sent, longest := k.check()
	t.Logf("%d messages; the longest time without one was %v", sent, longest)
}

// A node that ends again and again is taken out of the proxy, shown, and
// started again all the same; the others serve.
func TestNodeThatKeepsDyingIsTakenOut(t *testing.T) {
	t.Parallel()
	s := startUp(t, dataDir(t), "--nodes", "2", "--shards", "1")
	killed := 0
	balanced := func() bool {
		conf, err := os.ReadFile(s.state().Proxy.Config)
		if err != nil {
			t.Fatal(err)
		}
		upstream, _, _ := strings.Cut(string(conf[strings.Index(string(conf), "upstream gori_nodes"):]), "}")
		return strings.Contains(upstream, strings.TrimPrefix(s.state().Nodes[1].URL, "http://"))
	}
	// It goes on dying until it is out, however long this host takes to see it.
	eventually(t, "it is out", func() bool {
		if now := s.pid(1); now != 0 && now != killed && syscall.Kill(now, syscall.SIGKILL) == nil {
			killed = now
		}
		return s.row(1).Out && !balanced()
	})
	if got := asked(t, s.url, 20); got[200] != 20 {
		t.Errorf("requests ended with %v", got)
	}
	eventually(t, "it runs all the same", func() bool { return s.pid(1) != 0 })
}

func TestShape(t *testing.T) {
	there := func() (string, error) { return "/usr/sbin/nginx", nil }
	missing := func() (string, error) { return "", nginx.ErrMissing }
	for name, c := range map[string]struct {
		nodes   int
		mode    string
		find    func() (string, error)
		proxied bool
		comesTo int
		says    bool
	}{
		"one node":             {1, "auto", there, false, 1, false},
		"two nodes":            {2, "auto", there, true, 2, false},
		"one node, always":     {1, "always", there, true, 1, false},
		"three nodes, never":   {3, "never", missing, false, 3, false},
		"three, without Nginx": {3, "auto", missing, false, 1, true},
		"one, without Nginx":   {1, "auto", missing, false, 1, false},
	} {
		o, said := upOptions{nodes: c.nodes}, false
		err := o.shape(config.Proxy{Mode: c.mode}, c.find, func(string, ...any) { said = true })
		if err != nil || o.proxied != c.proxied || o.nodes != c.comesTo || said != c.says {
			t.Errorf("%s: %+v, said %v, %v", name, o, said, err)
		}
	}
	for name, cfg := range map[string]config.Proxy{
		"always":        {Mode: "always"},
		"a certificate": {Mode: "auto", Cert: "c.pem", Key: "k.pem"},
	} {
		o := upOptions{nodes: 1}
		if err := o.shape(cfg, missing, func(string, ...any) {}); !errors.Is(err, nginx.ErrMissing) {
			t.Errorf("%s without Nginx: %v", name, err)
		}
	}
}
