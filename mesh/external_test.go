package mesh

import (
	"net"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"gori/chat"
)

// natsServer runs Debian's nats-server on addr until the test ends or stop is
// called.
func natsServer(t *testing.T, addr string, args ...string) (stop func()) {
	t.Helper()
	program, err := exec.LookPath("nats-server")
	if err != nil {
		program = "/usr/sbin/nats-server"
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, append([]string{"-a", host, "-p", port}, args...)...)
	if err := cmd.Start(); err != nil {
		t.Fatalf("the package nats-server is needed (scripts/setup.sh test): %v", err)
	}
	stopped := false
	stop = func() {
		if !stopped {
			stopped = true
			_ = cmd.Process.Kill() // it may be gone
			_ = cmd.Wait()
		}
	}
	t.Cleanup(stop)
	for {
		conn, err := net.Dial("tcp", addr)
		if err == nil {
			conn.Close()
			return stop
		}
		select {
		case <-t.Context().Done():
			t.Fatal("nats-server does not start")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func externalNode(t *testing.T, name, url string) running {
	return start(t, open(t, Config{Node: name, URL: url, Secret: testSecret}), newEar())
}

// Two nodes meet on an external server, and again after it has restarted. A
// system with another secret on the same server is not heard.
func TestExternalServer(t *testing.T) {
	addr := ports(1)[0]
	stop := natsServer(t, addr, "--user", "gori", "--pass", "not so secret")
	url := "nats://gori:not%20so%20secret@" + addr
	a, b := externalNode(t, "a", url), externalNode(t, "b", url)
	foreign := start(t, open(t, Config{Node: "x", URL: url, Secret: "of another system"}), newEar())
	exchange(t, a, b)
	stop()
	natsServer(t, addr, "--user", "gori", "--pass", "not so secret")
	tidings, _ := b.ear.counts()
	for done := false; !done; {
		a.ToAll(chat.Tiding{Kind: chat.TidingMembers})
		b.ear.mu.Lock()
		done = len(b.ear.tidings) > tidings
		changed := b.ear.changed
		b.ear.mu.Unlock()
		select {
		case <-changed:
		case <-time.After(50 * time.Millisecond):
		case <-t.Context().Done():
			t.Fatal("no word after the server has restarted")
		}
	}
	if got := foreign.ear.heardGossip(); len(got) > 0 {
		t.Errorf("another system hears %q", got)
	}
}

// A cluster of two external servers, one node on each.
func TestExternalCluster(t *testing.T) {
	addrs := ports(4)
	cluster := func(listen, route string) []string {
		return []string{"--cluster_name", "c", "--cluster", "nats://" + listen, "--routes", "nats://" + route}
	}
	natsServer(t, addrs[0], cluster(addrs[2], addrs[3])...)
	natsServer(t, addrs[1], cluster(addrs[3], addrs[2])...)
	exchange(t, externalNode(t, "a", "nats://"+addrs[0]), externalNode(t, "b", "nats://"+strings.Join(addrs[1:2], ",")))
}

// The server of the mesh may come later than the node.
func TestExternalServerComesLate(t *testing.T) {
	addr := ports(1)[0]
	a, b := externalNode(t, "a", "nats://"+addr), externalNode(t, "b", "nats://"+addr)
	natsServer(t, addr)
	a.ear.until(t, "a meets b", func() bool { return slices.Contains(a.ear.gossip, "+b") })
	b.ear.until(t, "b meets a", func() bool { return slices.Contains(b.ear.gossip, "+a") })
}
