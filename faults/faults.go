package faults

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"gori/bench/torture"
	"gori/host"
)

const (
	victimPatience = 30 * time.Second // until the process to be hit is there: a dead one may rest
	killAgain      = 100 * time.Millisecond
)

// Inject does a fault to the system, and heals it before it returns.
func (s *System) Inject(ctx context.Context, f torture.Fault) error {
	switch f.Kind {
	case torture.KillNode:
		return s.signalNodes(ctx, f.Target, syscall.SIGKILL)
	case torture.Drain:
		if f.Target == torture.All {
			return syscall.Kill(s.pid, syscall.SIGHUP)
		}
		return s.signalNodes(ctx, f.Target, syscall.SIGTERM)
	case torture.KillShard:
		return s.killShard(ctx, f.Shard, f.For)
	case torture.CutShard:
		return s.taps.cut(ctx, f.Shard, f.How, f.For)
	case torture.Reshard:
		return s.reshard(ctx, f)
	case torture.KillMover:
		return s.hitMover(ctx, f)
	case torture.DiskFull:
		return s.disk.fill(ctx, s.done, f.For)
	case torture.FreezeNode:
		return s.freeze(ctx, f.Target, f.For)
	case torture.CutMesh:
		return s.cutMesh(ctx, f.Target, f.Other, f.For)
	}
	return fmt.Errorf("there is no fault %q", f.Kind)
}

// node finds a node that runs just now.
func (s *System) node(ctx context.Context, at int) (host.Node, error) {
	ctx, cancel := context.WithTimeout(ctx, victimPatience)
	defer cancel()
	name := s.nodes[at%len(s.nodes)]
	for {
		r, err := host.FindRunning(s.dir)
		for _, n := range r.Nodes {
			if err == nil && n.Name == name && n.PID != 0 && syscall.Kill(n.PID, 0) == nil {
				return n, nil
			}
		}
		if err := s.poll(ctx); err != nil {
			return host.Node{}, fmt.Errorf("node %s does not run: %w", name, err)
		}
	}
}

func (s *System) signalNodes(ctx context.Context, at int, sig syscall.Signal) error {
	first, last := at, at
	if at == torture.All {
		first, last = 0, len(s.nodes)-1
	}
	for i := first; i <= last; i++ {
		n, err := s.node(ctx, i)
		if err != nil {
			return err
		}
		if err := syscall.Kill(n.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			return err
		}
	}
	return nil
}

func (s *System) freeze(ctx context.Context, at int, d time.Duration) error {
	n, err := s.node(ctx, at)
	if err != nil {
		return err
	}
	if err := syscall.Kill(n.PID, syscall.SIGSTOP); err != nil {
		return ignoreGone(err)
	}
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
	return ignoreGone(syscall.Kill(n.PID, syscall.SIGCONT))
}

func ignoreGone(err error) error {
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// killShard kills a PostgreSQL, and again whenever it is back, for a while.
func (s *System) killShard(ctx context.Context, name string, d time.Duration) error {
	end := time.Now().Add(d)
	killed := 0
	for {
		pid, err := postmaster(filepath.Join(s.dir, "shards", name, "pg"))
		if err == nil && pid > 1 && pid != killed {
			if err := syscall.Kill(pid, syscall.SIGKILL); err == nil {
				killed = pid
			}
		}
		if killed != 0 && time.Now().After(end) {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-s.done:
			return errors.New("gori up has ended")
		case <-time.After(killAgain):
		}
		if killed == 0 && time.Now().After(end.Add(victimPatience)) {
			return fmt.Errorf("shard %s does not run", name)
		}
	}
}

// postmaster reads the process id of a PostgreSQL from its folder. The file of
// one that was killed stays.
func postmaster(pgData string) (int, error) {
	f, err := os.Open(filepath.Join(pgData, "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	line, err := bufio.NewReader(f).ReadString('\n')
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(line))
}

// cutMesh has two nodes not hear each other, by the routes that nodes started
// for torture have on their admin addresses.
func (s *System) cutMesh(ctx context.Context, a, b int, d time.Duration) error {
	for _, pair := range [][2]int{{a, b}, {b, a}} {
		n, err := s.node(ctx, pair[0])
		if err != nil {
			return err
		}
		q := url.Values{"peer": {s.nodes[pair[1]%len(s.nodes)]}, "for": {d.String()}}
		if err := post(ctx, "http://"+n.Admin+"/debug/mesh/cut?"+q.Encode()); err != nil {
			return err
		}
	}
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
	return nil
}

// post asks a node for a fault. One that does not answer is dead or frozen by
// another fault, and the cut has nothing to cut.
func post(ctx context.Context, address string) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 1000)) // for the message only
		return fmt.Errorf("%s: %s %s", address, res.Status, text)
	}
	return nil
}
