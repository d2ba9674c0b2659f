package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
)

// Superuser is the PostgreSQL role that owns each instance.
const Superuser = "gori"

// Config describes one instance. Dir must be absolute; zero values mean the
// defaults named here.
type Config struct {
	ID              string        // the shard's id, for messages
	Dir             string        // holds pg/ (the data), sock/ and postgres.log
	Throwaway       bool          // no fsync: for tests whose data may be lost
	MaxConnections  int           // default 200
	SharedBuffersMB int           // default 128
	MaxWALMB        int           // default 512
	StartPatience   time.Duration // for crash recovery at the start; default 2 min
	StopPatience    time.Duration // for each stage of a stop; default 20 s
	Notice          func(line string)

	// Paired says that the instance is one of two with the same data: a primary
	// and its standby. Which of them it is, Follow says.
	Paired bool
}

// Instance is one PostgreSQL server of this host. Its methods may be called
// from any goroutine.
type Instance struct {
	cfg     Config
	acc     account
	sockets string
	log     *serverLog

	mu   sync.Mutex              // held by Init, Start, Stop and Kill while they work
	lead string                  // guarded by mu: the address of the primary it follows; "": it is one
	proc atomic.Pointer[process] // written under mu; nil when never started or stopped
}

// New prepares an instance; it starts nothing.
func New(cfg Config) (*Instance, error) {
	if !filepath.IsAbs(cfg.Dir) {
		return nil, fmt.Errorf("the folder of instance %s must be absolute: %q", cfg.ID, cfg.Dir)
	}
	setDefault(&cfg.MaxConnections, 200)
	setDefault(&cfg.SharedBuffersMB, 128)
	setDefault(&cfg.MaxWALMB, 512)
	setDefault(&cfg.StartPatience, 2*time.Minute)
	setDefault(&cfg.StopPatience, 20*time.Second)
	i := &Instance{cfg: cfg, log: &serverLog{path: filepath.Join(cfg.Dir, "postgres.log"), notice: cfg.Notice}}
	if err := os.MkdirAll(cfg.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("make the folder of instance %s: %w", cfg.ID, err)
	}
	var err error
	if i.acc, err = accountFor(i.dataDir()); err != nil {
		return nil, err
	}
	if i.sockets, err = socketDir(cfg.Dir, i.acc); err != nil {
		return nil, err
	}
	return i, nil
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}

// ID returns the shard id this instance was made for.
func (i *Instance) ID() string { return i.cfg.ID }

// SocketDir returns the folder of the server's Unix socket.
func (i *Instance) SocketDir() string { return i.sockets }

// DSN returns the connection string for a database of this instance. It holds
// no secret: reaching the socket is the permission.
func (i *Instance) DSN(database string) string { return SocketDSN(i.sockets, database) }

// SocketDSN returns the connection string for a database of the instance whose
// socket lies in dir.
func SocketDSN(dir, database string) string {
	esc := strings.NewReplacer(`\`, `\\`, `'`, `\'`)
	return fmt.Sprintf("host='%s' port=5432 user=%s dbname='%s' sslmode=disable", esc.Replace(dir), Superuser, esc.Replace(database))
}

func (i *Instance) dataDir() string { return filepath.Join(i.cfg.Dir, "pg") }

// Exists says whether the instance has data already.
func (i *Instance) Exists() bool {
	_, err := os.Stat(filepath.Join(i.dataDir(), "PG_VERSION"))
	return err == nil
}

// Init makes the data unless it exists. It can be killed at any time: initdb
// works in a folder that gets its name only when it is whole.
func (i *Instance) Init(ctx context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.Exists() {
		return nil
	}
	bin, err := FindBinaries(0)
	if err != nil {
		return err
	}
	if err := needSpace(i.cfg.Dir, newInstanceBytes); err != nil {
		return err
	}
	if err := os.RemoveAll(i.draftDir()); err != nil {
		return err
	}
	draft, err := i.makeDraft()
	if err != nil {
		return err
	}
	err = i.initdb(ctx, bin, draft)
	if err == nil && !i.cfg.Throwaway {
		err = settle(ctx, draft)
	}
	if err != nil {
		_ = os.RemoveAll(draft)
		return err
	}
	return os.Rename(draft, i.dataDir())
}

func (i *Instance) initdb(ctx context.Context, bin Binaries, dir string) error {
	args := []string{"--data-checksums", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=trust",
		"--username=" + Superuser, "--no-instructions", "--no-sync"}
	return i.runToEnd(ctx, bin, "initdb", dir, args, "shard "+i.cfg.ID)
}

// makeDraft makes the folder in which data is made before it gets its name.
func (i *Instance) makeDraft() (string, error) {
	draft := i.draftDir()
	if err := os.Mkdir(draft, 0o700); err != nil {
		return "", err
	}
	return draft, i.acc.own(draft)
}

// runToEnd runs a program on a folder until it ends. whose is for its errors.
func (i *Instance) runToEnd(ctx context.Context, bin Binaries, name, dir string, args []string, whose string) error {
	i.log.reset()
	p, err := i.run(bin, name, dir, args, syscall.SIGKILL)
	if err != nil {
		return fmt.Errorf("run %s for %s: %w", name, whose, err)
	}
	GiveWay(p.pid)
	select {
	case <-p.done:
	case <-ctx.Done():
		p.signal(syscall.SIGKILL)
		<-p.done
	}
	<-p.logEnd
	switch {
	case p.err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return i.log.explain(fmt.Errorf("%s for %s: %w", name, whose, p.err))
}

// run starts a program on a data folder. A user other than this process's own
// gets the folder as open file 3, so that the folders above it may be closed.
func (i *Instance) run(bin Binaries, name, dir string, args []string, death syscall.Signal) (*process, error) {
	cmd := exec.Command(bin.path(name))
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=UTC"}
	at := dir
	if i.acc.other {
		f, err := os.Open(dir)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		cmd.ExtraFiles = []*os.File{f}
		at = "/proc/self/fd/3"
	}
	cmd.Args = append([]string{bin.path(name), "-D", at}, args...)
	cmd.SysProcAttr = i.acc.attributes(death)
	return start(cmd, i.log)
}

// major is the version that made the data.
func (i *Instance) major() (int, error) {
	raw, err := os.ReadFile(filepath.Join(i.dataDir(), "PG_VERSION"))
	if err != nil {
		return 0, fmt.Errorf("shard %s has no data: %w", i.cfg.ID, err)
	}
	return strconv.Atoi(strings.TrimSpace(string(raw)))
}

// binaries are the programs of the version that made the data.
func (i *Instance) binaries() (Binaries, error) {
	major, err := i.major()
	if err != nil {
		return Binaries{}, err
	}
	return FindBinaries(major)
}

// Start runs the server and returns when it takes connections. Leftovers of an
// earlier run are ended first; a crashed server recovers, which may take
// seconds. Starting a running instance does nothing.
func (i *Instance) Start(ctx context.Context) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if p := i.proc.Load(); p != nil && !p.ended() {
		return nil
	}
	bin, err := i.binaries()
	if err != nil {
		return err
	}
	if err := clearLeftovers(ctx, i.dataDir(), i.sockets, i.cfg.StopPatience/4); err != nil {
		return fmt.Errorf("end what an earlier run of shard %s left: %w", i.cfg.ID, err)
	}
	if old := i.proc.Load(); old != nil {
		<-old.logEnd
	}
	if err := makePrivate(i.sockets, i.acc); err != nil {
		return fmt.Errorf("make the socket folder of shard %s: %w", i.cfg.ID, err)
	}
	if err := i.configureLocked(); err != nil {
		if errors.Is(err, syscall.ENOSPC) {
			err = fmt.Errorf("%w: %w", ErrDiskFull, err)
		}
		return fmt.Errorf("configure shard %s: %w", i.cfg.ID, err)
	}
	i.log.reset()
	// Should this process be killed, the kernel asks the server for a fast,
	// clean shutdown; a throw-away one need not be clean.
	death := syscall.SIGINT
	if i.cfg.Throwaway {
		death = syscall.SIGQUIT
	}
	p, err := i.run(bin, "postgres", i.dataDir(), nil, death)
	if err != nil {
		return fmt.Errorf("start PostgreSQL for shard %s: %w", i.cfg.ID, err)
	}
	i.proc.Store(p)
	return i.awaitReadyLocked(ctx, p)
}

func (i *Instance) awaitReadyLocked(ctx context.Context, p *process) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	late := time.NewTimer(i.cfg.StartPatience)
	defer late.Stop()
	for {
		if pid, ready := postmasterFile(i.dataDir()); ready && pid == p.pid {
			return nil
		}
		select {
		case <-p.done:
			i.proc.Store(nil)
			i.reap(p)
			return i.log.explain(fmt.Errorf("PostgreSQL of shard %s ended at its start: %w", i.cfg.ID, p.err))
		case <-late.C:
			i.stopLocked(context.Background(), syscall.SIGQUIT)
			return i.log.explain(fmt.Errorf("PostgreSQL of shard %s was not ready within %v", i.cfg.ID, i.cfg.StartPatience))
		case <-ctx.Done():
			i.stopLocked(context.Background(), syscall.SIGINT)
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Stop ends the server: open transactions are rolled back and everything is
// written out (fast); when that takes too long or ctx ends, at once
// (immediate, to be recovered at the next start); in the end by force. It
// waits until every process is gone. Stopping a stopped instance does nothing.
func (i *Instance) Stop(ctx context.Context) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.stopLocked(ctx, syscall.SIGINT)
}

func (i *Instance) stopLocked(ctx context.Context, first syscall.Signal) {
	p := i.proc.Swap(nil)
	if p == nil {
		return
	}
	p.signal(first)
	if !p.wait(ctx, i.cfg.StopPatience) {
		p.signal(syscall.SIGQUIT)
		if !p.wait(context.Background(), i.cfg.StopPatience/4) {
			p.signal(syscall.SIGKILL)
			<-p.done
		}
	}
	i.reap(p)
}

// Kill ends the server as a crash would (kill -9), for tests. It returns when
// the server itself is dead; its orphaned backends notice by themselves or are
// ended by the next Start.
func (i *Instance) Kill() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if p := i.proc.Load(); p != nil {
		p.signal(syscall.SIGKILL)
		<-p.done
	}
}

// reap ends the backends of a dead server and waits for its log's end.
func (i *Instance) reap(p *process) {
	for _, pid := range serversIn(i.dataDir()) {
		_ = syscall.Kill(pid, syscall.SIGQUIT)
	}
	_ = waitGone(context.Background(), i.dataDir(), time.Second)
	for _, pid := range serversIn(i.dataDir()) {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
	<-p.logEnd
	// One that lies elsewhere would be left for ever; Start makes it anew.
	if filepath.Dir(i.sockets) != i.cfg.Dir {
		_ = os.Remove(i.sockets)
	}
}

// Done returns a channel that is closed when the running server ends; nil when
// none runs.
func (i *Instance) Done() <-chan struct{} {
	if p := i.proc.Load(); p != nil {
		return p.done
	}
	return nil
}

// PID returns the process id of the running server, 0 when none runs.
func (i *Instance) PID() int {
	if p := i.proc.Load(); p != nil && !p.ended() {
		return p.pid
	}
	return 0
}

// CreateDatabase makes a database unless it exists.
func (i *Instance) CreateDatabase(ctx context.Context, name string) error {
	conn, err := pgx.Connect(ctx, i.DSN("postgres"))
	if err != nil {
		return fmt.Errorf("connect to shard %s: %w", i.cfg.ID, err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var exists bool
	if err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)`, name).Scan(&exists); err != nil || exists {
		return err
	}
	_, err = conn.Exec(ctx, `CREATE DATABASE `+pgx.Identifier{name}.Sanitize())
	return err
}
