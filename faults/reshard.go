package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"gori/bench/torture"
	"gori/config"
)

// reshards are those of a private system: one at a time, each carried out by
// commands that die, or stop, and are begun again.
type reshards struct {
	busy sync.Mutex // held while one is under way

	mu    sync.Mutex
	mover int // process id of the command under way; 0: none
	made  int // shards added so far
}

const reshardAgain = 500 * time.Millisecond

// reshard adds a shard, or takes one away if there are more than at the
// beginning, and comes back when that is done; the error when ctx ends before says
// what the last command said. While one is under way nothing happens.
func (s *System) reshard(ctx context.Context, f torture.Fault, env ...string) error {
	if !s.moves.busy.TryLock() {
		return nil
	}
	defer s.moves.busy.Unlock()
	args := s.nextReshard(f)
	for try := 0; ; try++ {
		code, said, err := s.command(ctx, f, env, args...)
		done := code == 0 || try > 0 && (strings.Contains(said, "is in the ring already") || strings.Contains(said, "is not in the ring"))
		switch {
		case err != nil:
			return err
		case done:
			return nil
		}
		env = nil // what was to happen has happened
		if err := s.nap(ctx, reshardAgain); err != nil {
			return fmt.Errorf("gori %s, run %d times, has not come to its end; it said at last (exit %d): %s: %w", strings.Join(args, " "), try+1, code, said, err)
		}
	}
}

// nextReshard decides which shard comes or goes. The one with the small disk
// stays.
func (s *System) nextReshard(f torture.Fault) []string {
	names := s.shardsNow()
	if len(names) > len(s.shards) {
		names = slices.DeleteFunc(names, func(n string) bool { return n == s.small })
		return []string{"reshard", "remove", names[f.Target%len(names)], "--purge", "--now", "--data", s.dir}
	}
	s.moves.mu.Lock()
	defer s.moves.mu.Unlock()
	next := (len(s.shards) + s.moves.made) % len(tapLetter)
	s.moves.made++
	return []string{"reshard", "add", tapLetter[next : next+1], "--now", "--data", s.dir}
}

// nap waits a little; an error says that the end has come.
func (s *System) nap(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-s.done:
		return errors.New("gori up has ended")
	case <-time.After(d):
		return nil
	}
}

// command runs a command of this program on the private system until it ends,
// is killed, or has stopped: then another one goes on in its place, which faults
// may hit as well, and the first is woken afterwards.
func (s *System) command(ctx context.Context, f torture.Fault, env []string, args ...string) (code int, said string, err error) {
	cmd, wait, err := s.launch(ctx, env, args...)
	if err != nil {
		return 0, "", err
	}
	s.moves.set(cmd.pid)
	defer s.moves.set(0)
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-wait:
			if cmd.killed() { // left alone for a while
				_ = s.nap(ctx, f.For) // the end is noticed by the next command
			}
			return cmd.code(), cmd.said.String(), nil
		case <-tick.C:
			if !stopped(cmd.pid) {
				continue
			}
			_ = s.nap(ctx, f.For)
			code, said, err = s.command(ctx, f, nil, args...)
			for {
				_ = syscall.Kill(cmd.pid, syscall.SIGCONT) // it may be dead, or be stopped once more
				select {
				case <-wait:
					return code, said, err
				case <-tick.C:
				}
			}
		}
	}
}

func (r *reshards) set(pid int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mover = pid
}

// launched is a command that runs.
type launched struct {
	cmd  *exec.Cmd
	pid  int
	said bytes.Buffer
}

func (l *launched) code() int { return l.cmd.ProcessState.ExitCode() }

func (l *launched) killed() bool {
	status, ok := l.cmd.ProcessState.Sys().(syscall.WaitStatus)
	return ok && status.Signaled()
}

// launch starts a command of this program; the channel is closed when it has
// ended. It dies with ctx and with this process.
func (s *System) launch(ctx context.Context, env []string, args ...string) (*launched, <-chan struct{}, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	l := &launched{cmd: exec.Command(self, args...)}
	l.cmd.Dir = s.dir
	l.cmd.Env = append(slices.DeleteFunc(os.Environ(), func(pair string) bool { return strings.HasPrefix(pair, "GORI_") }), config.EnvFaults+"=1")
	l.cmd.Env = append(l.cmd.Env, env...)
	l.cmd.Stdout, l.cmd.Stderr = s.log, &l.said
	l.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	started, ended := make(chan error, 1), make(chan struct{})
	go func() {
		runtime.LockOSThread() // as package host does for nodes: the parent-death signal fires when the starting thread ends
		err := l.cmd.Start()
		if err == nil {
			l.pid = l.cmd.Process.Pid
		}
		started <- err
		if err != nil {
			return
		}
		stop := context.AfterFunc(ctx, func() { _ = l.cmd.Process.Kill() })
		_ = l.cmd.Wait() // how it ended is in its state
		stop()
		fmt.Fprintf(s.log, "gori %s: exit %d: %s\n", strings.Join(args, " "), l.code(), l.said.String())
		close(ended)
	}()
	return l, ended, <-started
}

// stopped tells whether a process was stopped by a signal.
func stopped(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, found := strings.Cut(string(text), ") ")
	return err == nil && found && strings.HasPrefix(rest, "T")
}

// hitMover kills or stops what carries out the reshard under way; without one it
// begins one that does so to itself at a step.
func (s *System) hitMover(ctx context.Context, f torture.Fault) error {
	s.moves.mu.Lock()
	pid := s.moves.mover
	s.moves.mu.Unlock()
	if pid != 0 {
		sig := syscall.SIGKILL
		if f.How == torture.MoverFrozen {
			sig = syscall.SIGSTOP
		}
		return ignoreGone(syscall.Kill(pid, sig))
	}
	name := config.EnvCrash
	if f.How == torture.MoverFrozen {
		name = config.EnvStop
	}
	step, nth := Steps[f.Target%len(Steps)], 1+f.Target/len(Steps)%12
	if strings.HasPrefix(step, "ring-") {
		nth = 1
	}
	return s.reshard(ctx, f, fmt.Sprintf("%s=%s:%d", name, step, nth))
}
