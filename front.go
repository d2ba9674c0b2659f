package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
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

	"gori/nginx"
	"gori/store/local"
)

// ProxyConfig is about the Nginx that gori up runs.
type ProxyConfig struct {
	Mode            string `mapstructure:"mode"`
	Cert            string `mapstructure:"cert"`
	Key             string `mapstructure:"key"`
	ConnsPerAddress int    `mapstructure:"conns_per_address"`
	MaxBody         int64  `mapstructure:"max_body"`
	// Discovers is how many devices a second are told which node to use; 0:
	// discoversPerCPU for each processor of this host.
	Discovers int `mapstructure:"discover_rate"`
}

const discoversPerCPU = 350

func (p ProxyConfig) check() error {
	switch {
	case p.Discovers < 0 || p.Discovers > 1_000_000:
		return fmt.Errorf("proxy.discover_rate is a number a second, or 0, not %d", p.Discovers)
	case !slices.Contains([]string{"auto", "always", "never"}, p.Mode):
		return fmt.Errorf("proxy.mode must be auto, always or never, not %q", p.Mode)
	case (p.Cert == "") != (p.Key == ""):
		return errors.New("proxy.cert and proxy.key belong together")
	case p.Mode == "never" && p.Cert != "":
		return errors.New("proxy.cert needs the proxy, which proxy.mode: never switches off")
	case p.ConnsPerAddress < 1 || p.MaxBody < 1<<20:
		return errors.New("proxy.conns_per_address must be at least 1, proxy.max_body at least 1048576")
	}
	return nil
}

// apply writes the owner's settings into a configuration of Nginx.
func (p ProxyConfig) apply(c *nginx.Config) error {
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

// scheme is that of the addresses people see.
func (p ProxyConfig) scheme() string {
	if p.Cert != "" {
		return "https"
	}
	return "http"
}

// certNames are the host names of a certificate, without patterns.
func certNames(certFile, keyFile string) ([]string, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, usageError{fmt.Errorf("proxy.cert and proxy.key: %w", err)}
	}
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, usageError{fmt.Errorf("proxy.cert: %w", err)}
	}
	return slices.DeleteFunc(slices.Clone(cert.DNSNames), func(name string) bool { return strings.Contains(name, "*") }), nil
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
func newFront(dir string, cfg ProxyConfig, l net.Listener, socket *os.File, logger *slog.Logger) (*front, error) {
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
	return f, cfg.apply(&f.cfg)
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

func (f *front) state() *runningProxy {
	f.mu.Lock()
	defer f.mu.Unlock()
	r := &runningProxy{Config: filepath.Join(f.cfg.Prefix, "nginx.conf"), Restarts: max(f.starts-1, 0)}
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
