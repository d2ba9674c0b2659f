package faults

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"gori/config"
	"gori/host"
)

const (
	privateReady = 90 * time.Second // to start a private system
	privateStop  = 60 * time.Second // to stop it in order
	ownWords     = 4 << 10          // bytes of its log shown when it fails
)

// System is a gori up of its own in a folder of its own, for torture. It
// implements torture.System.
type System struct {
	dir    string // of its data
	temp   string // removed at the end; "" if the folder is kept
	log    *os.File
	pid    int
	done   chan struct{} // closed when it has ended
	url    string
	nodes  []string
	taps   *taps      // between nodes and shards
	small  string     // the shard that has a disk of its own, "" if none has
	disk   *smallDisk // nil if none has
	shards []string   // those of the beginning
	homes  homes
	moves  reshards
}

// Options say what Start makes.
type Options struct {
	Data          string // a new folder to keep; "" makes one that goes
	Shards, Nodes int
	Taps          bool // nodes can be cut off from shards
	SmallDisk     bool // the last shard gets a disk of its own, if that is allowed
}

// Start starts a system and waits until all its nodes serve. Data in a
// given folder is kept, else everything goes.
func Start(ctx context.Context, o Options) (_ *System, err error) {
	s := &System{done: make(chan struct{})}
	data := o.Data
	if data == "" {
		if s.temp, err = os.MkdirTemp("", "gori-torture-"); err != nil {
			return nil, err
		}
		data = filepath.Join(s.temp, "data")
		err = os.Chmod(s.temp, 0o755) // PostgreSQL may run as another user
	} else if data, err = filepath.Abs(data); err == nil {
		err = os.MkdirAll(filepath.Dir(data), 0o755)
	}
	s.dir = data
	if err == nil {
		s.log, err = os.Create(data + ".log")
	}
	if err == nil && o.Taps {
		s.taps, err = openTaps()
	}
	if err == nil {
		err = s.start(o)
	}
	if err != nil {
		close(s.done)
		return nil, errors.Join(err, s.Stop())
	}
	ready, cancel := context.WithTimeout(ctx, privateReady)
	defer cancel()
	if err = s.awaitReady(ready, o.Nodes); err != nil {
		words := s.LastWords()
		return nil, errors.Join(fmt.Errorf("the private system does not start: %w; its last words:\n%s", err, words), s.Stop())
	}
	return s, nil
}

// start runs gori up. Its environment has no settings but those that tests
// give; it dies with this process.
func (s *System) start(o Options) error {
	if o.SmallDisk {
		s.makeSmall(o.Shards)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, "up", "--data", s.dir, "--port", "0", "--shards", fmt.Sprint(o.Shards), "--nodes", fmt.Sprint(o.Nodes))
	cmd.Dir = filepath.Dir(s.dir) // where no config.yaml lies
	cmd.Env = slices.DeleteFunc(os.Environ(), func(pair string) bool {
		return strings.HasPrefix(pair, "GORI_") && !strings.HasPrefix(pair, "GORI_MUTANT=")
	})
	cmd.Env = append(cmd.Env, config.EnvFaults+"=1")
	if s.taps != nil {
		cmd.Env = append(cmd.Env, config.EnvTaps+"="+s.taps.dir)
	}
	cmd.Stdout, cmd.Stderr = s.log, s.log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // as package host does for nodes: the parent-death signal fires when the starting thread ends
		err := cmd.Start()
		if err == nil {
			s.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			_ = cmd.Wait() // how it ended is in its log
			close(s.done)
		}
	}()
	return <-started
}

// awaitReady waits until all nodes serve and reads where things are.
func (s *System) awaitReady(ctx context.Context, nodes int) error {
	var r host.Running
	for {
		var err error
		if r, err = host.FindRunning(s.dir); err == nil && len(r.Nodes) == nodes {
			break
		}
		if err := s.poll(ctx); err != nil {
			return err
		}
	}
	s.url = r.URL
	for _, n := range r.Nodes {
		s.nodes = append(s.nodes, n.Name)
		if err := host.AwaitReady(ctx, n.URL+"/readyz"); err != nil {
			return err
		}
	}
	for _, sh := range r.Shards {
		s.shards = append(s.shards, sh.ID)
	}
	return host.AwaitReady(ctx, s.url+"/readyz")
}

// makeSmall gives the last of so many shards a disk of its own. Where that is
// not allowed no shard has one.
func (s *System) makeSmall(shards int) {
	if shards > len(tapLetter) {
		return
	}
	name := tapLetter[shards-1 : shards]
	disk, err := mountSmallDisk(filepath.Join(s.dir, "shards", name))
	if err != nil {
		fmt.Fprintln(s.log, err)
		return
	}
	s.small, s.disk = name, disk
}

func (s *System) poll(ctx context.Context) error {
	select {
	case <-s.done:
		return errors.New("gori up has ended")
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(50 * time.Millisecond):
		return nil
	}
}

// Stop ends the system, at first in order, and removes what it left. Frozen
// nodes are woken by whoever froze them.
func (s *System) Stop() error {
	select {
	case <-s.done:
	default:
		_ = syscall.Kill(s.pid, syscall.SIGTERM)
		select {
		case <-s.done:
		case <-time.After(privateStop):
			_ = syscall.Kill(s.pid, syscall.SIGKILL) // its children follow
			<-s.done
		}
	}
	if s.log != nil {
		_ = s.log.Close()
	}
	var err error
	if s.taps != nil {
		err = s.taps.close()
	}
	if s.disk != nil {
		err = errors.Join(err, s.disk.unmount())
	}
	if s.temp != "" {
		err = errors.Join(err, os.RemoveAll(s.temp))
	}
	return err
}

// LastWords is the end of the system's log.
func (s *System) LastWords() string {
	if s.log == nil {
		return ""
	}
	text, _ := os.ReadFile(s.log.Name())
	return string(text[max(0, len(text)-ownWords):])
}

// URL is where clients reach it: the proxy, or its only node.
func (s *System) URL() string { return s.url }

// Nodes names its nodes.
func (s *System) Nodes() []string { return s.nodes }

// Shards names the shards it began with.
func (s *System) Shards() []string { return s.shards }

// HasSmallDisk tells whether a shard has a disk of its own.
func (s *System) HasSmallDisk() bool { return s.disk != nil }

// Ended tells whether the system has ended by itself.
func (s *System) Ended() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}
