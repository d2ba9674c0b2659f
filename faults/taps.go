package faults

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"gori/bench/torture"
	"gori/host"
)

const (
	tapSocket = ".s.PGSQL.5432"
	tapLetter = "abcdefghijklmnopqrstuvwxyz" // the shards that gori up makes
)

// taps stand between nodes and shards, and can cut them off.
type taps struct {
	dir    string
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	by     map[string]*tap
}

// tap is what stands before one shard.
type tap struct {
	dir string
	l   net.Listener

	mu    sync.Mutex
	how   string        // of the cut under way, "" if there is none
	heal  chan struct{} // closed when it is over
	conns map[net.Conn]bool
}

func openTaps() (*taps, error) {
	dir, err := os.MkdirTemp("", "gori-taps-")
	if err == nil && len(dir) > 60 { // a socket's path may have 107 bytes
		_ = os.Remove(dir)
		dir, err = os.MkdirTemp("/tmp", "gori-taps-")
	}
	if err != nil {
		return nil, err
	}
	t := &taps{dir: dir, by: map[string]*tap{}}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	for _, letter := range tapLetter {
		id := string(letter)
		p := &tap{dir: filepath.Join(dir, id), conns: map[net.Conn]bool{}}
		if err = os.Mkdir(p.dir, 0o700); err == nil {
			p.l, err = net.Listen("unix", filepath.Join(p.dir, tapSocket))
		}
		if err != nil {
			return nil, errors.Join(err, t.close())
		}
		t.by[id] = p
		t.wg.Go(func() { p.serve(t.ctx, &t.wg) })
	}
	return t, nil
}

// close ends all connections and waits.
func (t *taps) close() error {
	t.cancel()
	for _, p := range t.by {
		_ = p.l.Close()
		p.drop()
	}
	t.wg.Wait()
	return os.RemoveAll(t.dir)
}

// cut cuts a shard off for a while.
func (t *taps) cut(ctx context.Context, id, how string, d time.Duration) error {
	p := t.by[id]
	if p == nil {
		return fmt.Errorf("nothing stands before shard %q", id)
	}
	heal := make(chan struct{})
	p.mu.Lock()
	p.how, p.heal = how, heal
	if how == torture.CutRefuse || how == torture.CutBreak {
		p.dropLocked()
	}
	p.mu.Unlock()
	select {
	case <-ctx.Done():
	case <-t.ctx.Done():
	case <-time.After(d):
	}
	if how == torture.CutMute {
		p.drop()
	}
	p.mu.Lock()
	p.how, p.heal = "", nil
	p.mu.Unlock()
	close(heal)
	return nil
}

// drop breaks all connections.
func (p *tap) drop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dropLocked()
}

func (p *tap) dropLocked() {
	for c := range p.conns {
		_ = c.Close()
	}
}

// state is the cut under way.
func (p *tap) state() (how string, heal chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.how, p.heal
}

func (p *tap) serve(ctx context.Context, wg *sync.WaitGroup) {
	for {
		c, err := p.l.Accept()
		if err != nil {
			return
		}
		wg.Go(func() { p.carry(ctx, c) })
	}
}

// carry connects c to the shard and waits until the connection ends.
func (p *tap) carry(ctx context.Context, c net.Conn) {
	defer p.keep(c)()
	if how, _ := p.state(); how == torture.CutRefuse || ctx.Err() != nil {
		return
	}
	host, err := os.ReadFile(filepath.Join(p.dir, host.TapTarget))
	if err != nil {
		return
	}
	s, err := new(net.Dialer).DialContext(ctx, "unix", filepath.Join(string(host), tapSocket))
	if err != nil {
		return // as if the shard had closed it
	}
	defer p.keep(s)()
	var both sync.WaitGroup
	both.Go(func() { p.pipe(ctx, s, c, false) })
	both.Go(func() { p.pipe(ctx, c, s, true) })
	both.Wait()
}

// keep has a connection broken by drop; the returned function closes it.
func (p *tap) keep(c net.Conn) func() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.conns[c] = true
	return func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.conns, c)
		_ = c.Close()
	}
}

// pipe carries one direction and closes both ends when it is over.
func (p *tap) pipe(ctx context.Context, dst, src net.Conn, answers bool) {
	defer dst.Close()
	defer src.Close()
	buf := make([]byte, 64<<10)
	for {
		n, err := src.Read(buf)
		if how, heal := p.state(); how == torture.CutHang || how == torture.CutMute && answers {
			select {
			case <-ctx.Done():
				return
			case <-heal:
			}
		}
		if n > 0 {
			if _, werr := dst.Write(buf[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
