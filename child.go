package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"

	"gori/store/local"
)

// drainPatience is how long a node may take to drain before it is killed.
const drainPatience = 20 * time.Second

// child is a process of this program that is kept running: started again, with
// bounded back-off, whenever it ends before its time.
type child struct {
	name   string
	args   []string
	env    []string
	files  []*os.File // open file 3 and on
	logger *slog.Logger
	ready  func(ctx context.Context) error // returns when the process serves

	mu  sync.Mutex
	pid int // guarded by mu; 0 when none runs
}

// PID returns the process id, 0 when none runs.
func (c *child) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pid
}

func (c *child) setPID(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pid = pid
}

// start runs the process once. The returned channel yields its end.
//
// The goroutine stays bound to its thread: the parent-death signal, which ends
// the child when this process is killed, fires when the starting thread ends.
func (c *child) start() (<-chan error, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, c.args...)
	cmd.Env = c.env
	cmd.ExtraFiles = c.files
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		if err == nil {
			c.setPID(cmd.Process.Pid)
		}
		started <- err
		if err == nil {
			err = cmd.Wait()
			c.setPID(0)
			ended <- err
		}
	}()
	return ended, <-started
}

// Run keeps the process running until ctx ends, then lets it drain. It calls
// up once, when the process serves for the first time. A process that ends
// before that is an error: its fault is not one that goes by.
func (c *child) Run(ctx context.Context, up func()) error {
	var wait local.Backoff
	for first := true; ; first = false {
		begun := time.Now()
		ended, err := c.start()
		if err != nil {
			return fmt.Errorf("start %s: %w", c.name, err)
		}
		if first {
			if err := c.awaitReady(ctx, ended); err != nil {
				return err
			}
			up()
		}
		select {
		case err = <-ended:
		case <-ctx.Done():
			c.drain(ended)
			return nil
		}
		pause := wait.Next(time.Since(begun))
		c.logger.Warn(c.name+" ended; starting it again", "error", err, "in", pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// awaitReady waits until the process serves; when it ends first, or ctx does,
// nothing is left of it.
func (c *child) awaitReady(ctx context.Context, ended <-chan error) error {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	ready := make(chan error, 1)
	go func() { ready <- c.ready(waiting) }()
	select {
	case err := <-ended:
		cancel()
		<-ready
		return fmt.Errorf("%s ended at its start (%w); its own words are above", c.name, err)
	case err := <-ready:
		if err != nil {
			c.drain(ended)
		}
		return err
	}
}

// drain asks the process to end and waits for it.
func (c *child) drain(ended <-chan error) {
	if pid := c.PID(); pid != 0 {
		_ = syscall.Kill(pid, syscall.SIGTERM)
	}
	select {
	case <-ended:
		return
	case <-time.After(drainPatience):
	}
	c.logger.Warn(c.name + " did not end in time; killing it")
	if pid := c.PID(); pid != 0 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-ended
}
