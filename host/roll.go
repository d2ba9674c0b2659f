package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"gori/config"
	"gori/nginx"
	"gori/reach"
)

const (
	// othersPatience is how long a rolling restart waits for the other nodes to
	// be ready before it takes the next one away.
	othersPatience = 30 * time.Second
	// settleTime lets requests that the proxy has just sent to a node arrive
	// there before it drains.
	settleTime = 200 * time.Millisecond
)

// programPath is where the nodes' program is found at each start. The path by
// which this process was called is kept if it leads to it: it may be a link
// that an upgrade points elsewhere.
func programPath() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	called, err := exec.LookPath(os.Args[0])
	if err != nil {
		return self, nil
	}
	called, err = filepath.Abs(called)
	if err != nil {
		return self, nil
	}
	a, err1 := os.Stat(called)
	b, err2 := os.Stat(self)
	if err1 != nil || err2 != nil || !os.SameFile(a, b) {
		return self, nil
	}
	return called, nil
}

// rollAll replaces the nodes one by one by the program that is on the disk now,
// with the configuration as it is now. The first thing that goes wrong ends it
// and leaves the other nodes as they are.
func (f *Fleet) rollAll(ctx context.Context) {
	f.mu.Lock()
	r := Roll{Number: 1, Begun: time.Now(), Done: []string{}}
	if f.roll != nil {
		r.Number = f.roll.Number + 1
	}
	f.mu.Unlock()
	say := func() {
		now := r
		now.Done = slices.Clone(r.Done)
		f.mu.Lock()
		f.roll = &now
		f.mu.Unlock()
		f.note()
	}
	say()
	f.logger.Info("replacing the nodes one by one", "program", f.program)
	err := f.prepareRoll(ctx)
	for _, n := range f.nodes {
		if err != nil {
			break
		}
		r.Node = n.name
		say()
		if err = f.rollNode(ctx, n); err == nil {
			r.Done = append(r.Done, n.name)
		}
	}
	r.Ended = time.Now()
	if err != nil {
		r.Error = err.Error()
		f.logger.Error("the rolling restart has stopped; the other nodes are left as they are", "error", err, "replaced", r.Done)
	} else {
		r.Node = ""
		f.logger.Info("all nodes are replaced", "took", r.Ended.Sub(r.Begun))
	}
	say()
}

// prepareRoll reads the configuration again and brings the shards to the schema
// of the program on the disk. The nodes that run now go on with a newer one.
func (f *Fleet) prepareRoll(ctx context.Context) error {
	cfg, _, err := config.Load(f.file, os.Environ())
	if err != nil {
		return err
	}
	if f.front == nil && cfg.Proxy.Cert != "" {
		return errors.New("a certificate needs the proxy, and this gori up runs without: stop it and start it again")
	}
	if cfg.Proxy.Cert != "" {
		if _, err := config.CertNames(cfg.Proxy.Cert, cfg.Proxy.Key); err != nil {
			return err
		}
	}
	if f.front != nil {
		if err := f.front.Change(ctx, true, func(c *nginx.Config) error { return ApplyProxy(cfg.Proxy, c) }); err != nil {
			return err
		}
	}
	f.mu.Lock()
	f.cfg = cfg
	f.mu.Unlock()
	cmd := exec.CommandContext(ctx, f.program, "migrate")
	cmd.Env = withEnv(os.Environ(), "GORI_SHARDS="+config.ShardsText(reach.AsConfig(f.cluster.Instances())))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("bring the shards to the schema of %s: %w: %s", f.program, err, out)
	}
	return nil
}

// rollNode replaces one node: no new requests to it, its sessions go elsewhere,
// the next process is ready, requests again.
func (f *Fleet) rollNode(ctx context.Context, n *node) error {
	if err := f.othersReady(ctx, n); err != nil {
		return err
	}
	n.watch.roll(true)
	defer n.watch.roll(false)
	if err := f.tellProxy(ctx); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(settleTime):
	}
	if err := n.proc.Replace(ctx); err != nil {
		return err
	}
	// It is ready, and no look has seen it yet. The proxy hears of it together
	// with what comes next: each reload leaves an old worker with the sockets
	// of its time.
	n.watch.roll(false)
	n.watch.found(StateReady, false)
	return nil
}

// othersReady waits until all other nodes are ready: with one of them away, the
// sessions of the next would have too few places to go.
func (f *Fleet) othersReady(ctx context.Context, next *node) error {
	late := time.After(othersPatience)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		waiting := ""
		for _, n := range f.nodes {
			if s, _ := n.watch.now(); n != next && s != StateReady {
				waiting = fmt.Sprintf("node %s is %s", n.name, s)
			}
		}
		if waiting == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-late:
			return fmt.Errorf("%s, so node %s stays", waiting, next.name)
		case <-tick.C:
		}
	}
}
