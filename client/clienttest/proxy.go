package clienttest

import (
	"io"
	"math/rand"
	"net"
	"sync"
	"testing"
)

// Proxy forwards to a server and cuts each connection after a random number of
// bytes, in the middle of whatever is being said.
type Proxy struct {
	URL    string
	listen net.Listener
	target string

	mu    sync.Mutex
	rand  *rand.Rand
	most  int // bytes before a cut; 0: never
	cuts  int
	conns map[net.Conn]struct{}
	wg    sync.WaitGroup
}

// NewProxy starts a Proxy to the server's address. Connections live for up to
// most bytes in either direction, decided by seed.
func NewProxy(t testing.TB, target string, most int, seed int64) *Proxy {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{URL: "http://" + ln.Addr().String(), listen: ln, target: target, most: most,
		rand: rand.New(rand.NewSource(seed)), conns: map[net.Conn]struct{}{}}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		ln.Close()
		p.mu.Lock()
		for c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		p.wg.Wait()
	})
	return p
}

// Calm lets connections live from now on.
func (p *Proxy) Calm() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.most = 0
}

// Cuts counts the connections cut.
func (p *Proxy) Cuts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cuts
}

func (p *Proxy) accept() {
	for {
		in, err := p.listen.Accept()
		if err != nil {
			return
		}
		p.wg.Go(func() { p.serve(in) })
	}
}

func (p *Proxy) serve(in net.Conn) {
	out, err := net.Dial("tcp", p.target)
	if err != nil {
		in.Close()
		return
	}
	p.mu.Lock()
	p.conns[in], p.conns[out] = struct{}{}, struct{}{}
	p.mu.Unlock()
	var both sync.WaitGroup
	both.Go(func() { p.copy(out, in) })
	p.copy(in, out)
	in.Close()
	out.Close()
	both.Wait()
	p.mu.Lock()
	delete(p.conns, in)
	delete(p.conns, out)
	p.mu.Unlock()
}

func (p *Proxy) copy(to, from net.Conn) {
	p.mu.Lock()
	left := int64(1) << 60
	if p.most > 0 {
		left = int64(1 + p.rand.Intn(p.most))
	}
	p.mu.Unlock()
	n, _ := io.Copy(to, io.LimitReader(from, left)) // an end is an end
	if n == left {
		p.mu.Lock()
		p.cuts++
		p.mu.Unlock()
	}
	to.Close()
	from.Close()
}
