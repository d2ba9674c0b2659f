package host

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"gori/config"
	"gori/nginx"
	"gori/store/local"
)

// discoversPerCPU is proxy.discover_rate for each processor if nothing is said.
const discoversPerCPU = 350

// ApplyProxy writes the owner's settings into a configuration of Nginx.
func ApplyProxy(p config.Proxy, c *nginx.Config) error {
	c.ConnsPerAddress, c.MaxBody, c.Discovers = p.ConnsPerAddress, p.MaxBody, p.Discovers
	if c.Discovers == 0 {
		c.Discovers = discoversPerCPU * runtime.NumCPU()
	}
	for at, path := range map[*string]string{&c.CertFile: p.Cert, &c.KeyFile: p.Key} {
		*at = ""
		if path != "" {
			abs, err := filepath.Abs(path)
			if err != nil {
				return err
			}
			*at = abs
		}
	}
	return nil
}

// front keeps an Nginx running before the nodes.
type front struct {
	logger *slog.Logger
	socket *os.File
	owner  *syscall.Credential // nil: this process's own account

	mu     sync.Mutex
	cfg    nginx.Config // guarded by mu: the last that Nginx took
	proxy  *nginx.Proxy // guarded by mu; nil while none runs
	starts int          // guarded by mu
}

// newFront prepares the proxy of a system whose address is the socket's. Its
// folder is in the data folder, or elsewhere if its account cannot go there.
func newFront(dir string, cfg config.Proxy, l net.Listener, socket *os.File, logger *slog.Logger) (*front, error) {
	f := &front{logger: logger, socket: socket}
	uid, gid := uint32(os.Geteuid()), uint32(os.Getegid())
	if uid == 0 {
		f.owner = plainAccount()
		if f.owner == nil {
			return nil, errors.New("there is neither a user www-data nor nobody for Nginx; start as an ordinary user")
		}
		uid, gid = f.owner.Uid, f.owner.Gid
	}
	prefix, err := local.WorkDir(filepath.Join(dir, "nginx"), uid, gid)
	if err != nil {
		return nil, err
	}
	f.cfg = nginx.Config{Prefix: prefix, Listen: l.Addr().String(), Workers: max(1, runtime.NumCPU()/2)}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err == nil && files.Max < 45_000 {
		f.cfg.Connections = int(files.Max)
	}
	return f, ApplyProxy(cfg, &f.cfg)
}

// plainAccount is who Nginx runs as when gori up is root.
func plainAccount() *syscall.Credential {
	for _, name := range []string{"www-data", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
			gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
			if err1 == nil && err2 == nil && uid != 0 {
				return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
			}
		}
	}
	return nil
}

// Run keeps Nginx running until ctx ends, then lets it end what it is about.
// It calls up once, when it serves. That it cannot start at all is an error.
func (f *front) Run(ctx context.Context, up func()) error {
	var wait local.Backoff
	for first := true; ; first = false {
		begun := time.Now()
		p, err := f.start(ctx)
		switch {
		case err == nil && first:
			up()
		case err != nil && first:
			return err
		case err != nil:
			f.logger.Error("Nginx does not start", "error", err)
		}
		if p != nil {
			select {
			case <-ctx.Done():
				p.Stop(5 * time.Second)
				return nil
			case <-p.Ended():
			}
			f.set(nil)
		}
		pause := wait.Next(time.Since(begun))
		f.logger.Warn("Nginx ended; starting it again", "in", pause)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

func (f *front) start(ctx context.Context) (*nginx.Proxy, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	p, err := nginx.Start(ctx, nginx.Options{Config: f.cfg, Owner: f.owner, Socket: f.socket, Log: &proxyLog{logger: f.logger}})
	if err != nil {
		return nil, err
	}
	f.proxy = p
	f.starts++
	return p, nil
}

func (f *front) set(p *nginx.Proxy) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.proxy = p
}

// Change brings in another configuration. One that Nginx refuses is an error
// and changes nothing; one that is the same does nothing, unless its files are
// to be read again.
func (f *front) Change(ctx context.Context, again bool, edit func(*nginx.Config) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	next := f.cfg
	next.Nodes = slices.Clone(f.cfg.Nodes)
	if err := edit(&next); err != nil {
		return err
	}
	if !again && reflect.DeepEqual(next, f.cfg) {
		return nil
	}
	if f.proxy != nil {
		if err := f.proxy.Load(ctx, next); err != nil {
			return err
		}
	}
	f.cfg = next
	return nil
}

func (f *front) state() *Proxy {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := &Proxy{Config: filepath.Join(f.cfg.Prefix, "nginx.conf"), Restarts: max(f.starts-1, 0)}
	if f.proxy != nil {
		r.PID = f.proxy.PID()
	}
	return r
}

// close removes what lies outside the data folder.
func (f *front) close(dir string) {
	if !strings.HasPrefix(f.cfg.Prefix, dir) {
		_ = os.RemoveAll(f.cfg.Prefix)
	}
}

// proxyLog passes on what Nginx says: what concerns one connection only to who
// wants to know everything, since a dead node makes many such lines.
type proxyLog struct {
	logger *slog.Logger
	part   []byte // a line without its end
}

func (w *proxyLog) Write(b []byte) (int, error) {
	w.part = append(w.part, b...)
	for {
		line, rest, ok := bytes.Cut(w.part, []byte("\n"))
		if !ok {
			break
		}
		w.part = rest
		level := slog.LevelDebug
		if bytes.Contains(line, []byte("[emerg]")) || bytes.Contains(line, []byte("[alert]")) || bytes.Contains(line, []byte("[crit]")) {
			level = slog.LevelWarn
		}
		w.logger.Log(context.Background(), level, "Nginx says", "line", string(line))
	}
	if len(w.part) > 64<<10 {
		w.part = nil
	}
	return len(b), nil
}
