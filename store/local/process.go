package local

import (
	"bufio"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is one started server program.
type process struct {
	pid    int
	done   chan struct{} // closed when it has ended and its error is known
	err    error         // valid once done is closed
	logEnd chan struct{} // closed when nobody holds its log any more
}

// start runs cmd in a goroutine bound to its thread (see the package comment)
// with its output going to log.
func start(cmd *exec.Cmd, log *serverLog) (*process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout, cmd.Stderr = w, w
	p := &process{done: make(chan struct{}), logEnd: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// Never unlocked: the thread ends with the goroutine.
		runtime.LockOSThread()
		err := cmd.Start()
		_ = w.Close()
		if err == nil {
			p.pid = cmd.Process.Pid
		}
		started <- err
		if err == nil {
			p.err = cmd.Wait()
		}
		close(p.done)
	}()
	go func() {
		defer close(p.logEnd)
		defer r.Close()
		log.copyFrom(r)
	}()
	if err := <-started; err != nil {
		<-p.logEnd
		return nil, err
	}
	return p, nil
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

func (p *process) signal(s syscall.Signal) {
	if !p.ended() {
		_ = syscall.Kill(p.pid, s)
	}
}

// wait reports whether the process ended within d.
func (p *process) wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-p.done:
		return true
	case <-t.C:
	case <-ctx.Done():
	}
	return p.ended()
}

// serversIn returns the processes of PostgreSQL that work in pgData: each of
// them has it as its working folder. These are the postmaster and, after its
// violent death, the backends that have not noticed yet.
func serversIn(pgData string) []int {
	real, err := filepath.EvalSymlinks(pgData)
	if err != nil {
		return nil
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		cwd, err := os.Readlink("/proc/" + e.Name() + "/cwd")
		if err != nil || cwd != real {
			continue
		}
		if comm, err := os.ReadFile("/proc/" + e.Name() + "/comm"); err == nil && strings.TrimSpace(string(comm)) == "postgres" {
			pids = append(pids, pid)
		}
	}
	return pids
}

// postmasterFile reads pgData/postmaster.pid: the server's pid (line 1) and
// whether it takes connections (line 8).
func postmasterFile(pgData string) (pid int, ready bool) {
	f, err := os.Open(filepath.Join(pgData, "postmaster.pid"))
	if err != nil {
		return 0, false
	}
	defer f.Close()
	in := bufio.NewScanner(f)
	for line := 1; in.Scan(); line++ {
		switch line {
		case 1:
			pid, _ = strconv.Atoi(strings.TrimSpace(in.Text()))
		case 8:
			ready = strings.TrimSpace(in.Text()) == "ready"
		}
	}
	return pid, ready
}

// clearLeftovers ends what an earlier run that was killed left in pgData, and
// removes its lock files, there and beside its socket. The caller owns the data,
// so nothing else may be running there. First politely,
// because a server that is shutting down cleanly saves a recovery.
func clearLeftovers(ctx context.Context, pgData, sockets string, patience time.Duration) error {
	signals := []syscall.Signal{syscall.SIGINT, syscall.SIGQUIT, syscall.SIGKILL}
	for _, s := range signals {
		pids := serversIn(pgData)
		if len(pids) == 0 {
			break
		}
		master, _ := postmasterFile(pgData)
		for _, pid := range pids {
			// To a backend SIGINT means "cancel"; an orphan needs more.
			if s == syscall.SIGINT && pid != master {
				_ = syscall.Kill(pid, syscall.SIGQUIT)
				continue
			}
			_ = syscall.Kill(pid, s)
		}
		if err := waitGone(ctx, pgData, patience); err != nil {
			return err
		}
	}
	if len(serversIn(pgData)) > 0 {
		return nil // PostgreSQL will say so
	}
	// Every process is gone. A lock file that remains may name a number that
	// belongs to a stranger by now (usual after a container's restart), or be
	// empty, if the server was killed just as it made it: PostgreSQL would refuse
	// to start because of either, for ever.
	for _, lock := range []string{filepath.Join(pgData, "postmaster.pid"), filepath.Join(sockets, socketName+".lock")} {
		if err := os.Remove(lock); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// waitGone waits until nothing runs in pgData, at most d.
func waitGone(ctx context.Context, pgData string, d time.Duration) error {
	end := time.Now().Add(d)
	for len(serversIn(pgData)) > 0 && time.Now().Before(end) {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}
