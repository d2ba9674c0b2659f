package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"gori/store/local"
)

// DrainBound is how long a node takes at most to send its sessions elsewhere.
// With one node there is no elsewhere: people come back to its successor.
const DrainBound = 20 * time.Second

const (
	// drainPatience is how long a node may take to drain before it is killed:
	// longer than it takes at most by its own rule.
	drainPatience = DrainBound + 15*time.Second
	// readyPatience is how long a replaced process may take to serve.
	readyPatience = 60 * time.Second
	// replaceTries is how often a process that replaces another may end at its
	// start before that counts as failed.
	replaceTries = 3
	// A process that ends this often within this time keeps dying.
	deathsAreMany = 3
	deathsWithin  = 30 * time.Second
	// A process that can be spared is not started again at once, but after so
	// long and up to so much more.
	restFor    = 10 * time.Second
	restJitter = 2 * time.Second
	restLook   = 200 * time.Millisecond // how often it is seen whether it can be spared still
)

// child is a process of this program that is kept running: started again, with
// bounded back-off, whenever it ends before its time.
type child struct {
	name    string
	program string // looked up at each start, so that a newer file is used
	args    []string
	env     func() []string
	files   []*os.File // open file 3 and on
	logger  *slog.Logger
	ready   func(ctx context.Context) error // returns when the process serves
	change  chan chan error                 // asks Run for another process
	// spared tells that others do its work meanwhile; nil: nobody does. What they
	// have to do when it dies is enough for this host's processors: its start waits.
	spared func() bool

	mu     sync.Mutex
	pid    int         // guarded by mu; 0 when none runs
	starts int         // guarded by mu
	deaths []time.Time // guarded by mu: unwished ends, the newest last
	rests  bool        // guarded by mu: it is dead, and others do its work
}

// process is one run of a child.
type process struct {
	ended chan struct{} // closed when it has ended
	err   error         // why; set before
}

// PID returns the process id, 0 when none runs.
func (c *child) PID() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.pid
}

// Restarts counts the starts after the first.
func (c *child) Restarts() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(c.starts-1, 0)
}

// KeepsDying tells whether it has ended by itself again and again of late.
func (c *child) KeepsDying() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deaths = slices.DeleteFunc(c.deaths, func(t time.Time) bool { return time.Since(t) > deathsWithin })
	return len(c.deaths) >= deathsAreMany
}

// Rests tells whether it is dead and waits while others do its work.
func (c *child) Rests() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.rests
}

func (c *child) setRests(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.rests = on
}

func (c *child) died() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deaths = append(c.deaths, time.Now())
	if over := len(c.deaths) - 2*deathsAreMany; over > 0 {
		c.deaths = slices.Delete(c.deaths, 0, over)
	}
}

func (c *child) setPID(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.pid = pid
	if pid != 0 {
		c.starts++
	}
}

// start runs the process once. One that cannot be started has ended.
//
// The goroutine stays bound to its thread: the parent-death signal, which ends
// the child when this process is killed, fires when the starting thread ends.
//
// It has a session of its own, as PostgreSQL's processes have: kernels share the
// processors out by sessions first, and to be one of ten in a session would mean
// to wait for each of PostgreSQL's.
func (c *child) start() *process {
	cmd := exec.Command(c.program, c.args...)
	cmd.Env = c.env()
	cmd.ExtraFiles = c.files
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
	p, started := &process{ended: make(chan struct{})}, make(chan struct{})
	go func() {
		runtime.LockOSThread()
		defer close(p.ended)
		p.err = cmd.Start()
		if p.err == nil {
			c.setPID(cmd.Process.Pid)
		}
		close(started)
		if p.err == nil {
			p.err = cmd.Wait()
			c.setPID(0)
		}
	}()
	<-started
	return p
}

// Run keeps the process running until ctx ends, then lets it drain. It calls
// up once, when the process serves for the first time. A process that ends
// before that is an error: its fault is not one that goes by.
func (c *child) Run(ctx context.Context, up func()) error {
	p := c.start()
	begun := time.Now()
	if err := c.awaitReady(ctx, p); err != nil {
		c.drain(p)
		return err
	}
	up()
	var wait local.Backoff
	for {
		var asked chan error
		select {
		case <-p.ended:
			c.died()
			pause := wait.Next(time.Since(begun))
			rests := c.spared != nil && c.spared()
			if rests {
				pause = max(pause, restFor+rand.N(restJitter))
			}
			c.logger.Warn(c.name+" ended; starting it again", "error", p.err, "in", pause)
			var ok bool
			if asked, ok = c.pause(ctx, pause, rests); !ok {
				return nil
			}
		case asked = <-c.change:
			c.drain(p)
		case <-ctx.Done():
			c.drain(p)
			return nil
		}
		p, begun = c.start(), time.Now()
		if asked != nil {
			p, begun = c.settle(ctx, p, asked)
		}
	}
}

// pause waits before another start. It ends early when a replacement is asked for,
// and that of one that rests when it cannot be spared any more; false: ctx has ended.
func (c *child) pause(ctx context.Context, d time.Duration, rests bool) (asked chan error, ok bool) {
	c.setRests(rests)
	defer c.setRests(false)
	over := time.NewTimer(d)
	defer over.Stop()
	look := time.NewTicker(restLook)
	defer look.Stop()
	for {
		select {
		case asked = <-c.change:
			return asked, true
		case <-ctx.Done():
			return nil, false
		case <-over.C:
			return nil, true
		case <-look.C:
			if rests && !c.spared() {
				return nil, true
			}
		}
	}
}

// settle waits until a process that replaces another serves, and tells who has
// asked for it. One that ends at its start is given some more tries: on a busy
// host a shard may have been too slow for it.
func (c *child) settle(ctx context.Context, p *process, asked chan<- error) (*process, time.Time) {
	patient, cancel := context.WithTimeout(ctx, readyPatience)
	defer cancel()
	var wait local.Backoff
	for try := 1; ; try++ {
		begun := time.Now()
		err := c.awaitReady(patient, p)
		select {
		case <-p.ended:
		default:
			asked <- err
			return p, begun
		}
		if err == nil || try == replaceTries || patient.Err() != nil {
			asked <- err
			return p, begun
		}
		c.died()
		pause := time.NewTimer(wait.Next(time.Since(begun)))
		select {
		case <-pause.C:
		case <-patient.Done():
			pause.Stop()
		}
		p = c.start()
	}
}

// Replace lets the process drain and starts another from the file that is there
// now. It returns when that one serves, or with an error when it does not; it
// is kept running in either case.
func (c *child) Replace(ctx context.Context) error {
	answer := make(chan error, 1)
	select {
	case c.change <- answer:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// awaitReady waits until the process serves.
func (c *child) awaitReady(ctx context.Context, p *process) error {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	ready := make(chan error, 1)
	go func() { ready <- c.ready(waiting) }()
	select {
	case <-p.ended:
		cancel()
		<-ready
		if p.err == nil {
			p.err = errors.New("without an error")
		}
		return fmt.Errorf("%s ended at its start (%w); its own words are in the log of gori up", c.name, p.err)
	case err := <-ready:
		if errors.Is(err, context.DeadlineExceeded) {
			return fmt.Errorf("%s is not ready after %v", c.name, readyPatience)
		}
		return err
	}
}

// drain asks the process to end and waits for it.
func (c *child) drain(p *process) {
	if pid := c.PID(); pid != 0 {
		_ = syscall.Kill(pid, syscall.SIGTERM)
	}
	select {
	case <-p.ended:
		return
	case <-time.After(drainPatience):
	}
	c.logger.Warn(c.name + " did not end in time; killing it")
	if pid := c.PID(); pid != 0 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-p.ended
}
