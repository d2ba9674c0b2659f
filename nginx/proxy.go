package nginx

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// ErrMissing says that Nginx is not installed.
var ErrMissing = errors.New("nginx is not installed; install it: sudo apt-get install -y nginx-light")

// Find returns the path of the Nginx program, or ErrMissing.
func Find() (string, error) {
	for _, name := range []string{"nginx", "/usr/sbin/nginx", "/usr/local/sbin/nginx"} {
		if p, err := exec.LookPath(name); err == nil {
			return p, nil
		}
	}
	return "", ErrMissing
}

// Options says how to run Nginx.
type Options struct {
	Config Config
	// Owner, if not nil, is the account the process runs as; the prefix is
	// given to it.
	Owner *syscall.Credential
	// Socket, if not nil, is a socket that listens on Config.Listen already: it
	// outlives Nginx, so that connections wait while Nginx is started again,
	// and lets an account without rights serve on a low port.
	Socket *os.File
	Log    io.Writer // Nginx's own words; default nowhere
}

// Proxy is a running Nginx. Its methods may be called from any goroutine.
type Proxy struct {
	// static
	program string
	opts    Options
	cmd     *exec.Cmd
	socket  *os.File      // Options.Socket, or nil; see inheritable
	ended   chan struct{} // closed when the process has ended
	err     error         // why; set before ended is closed

	mu  sync.Mutex
	cfg Config // guarded by mu: what Nginx runs with
}

// Start runs Nginx with the configuration and returns when it accepts
// connections. An address in use, or a configuration that `nginx -t` refuses,
// is an error with Nginx's own words in it.
func Start(ctx context.Context, o Options) (*Proxy, error) {
	program, err := Find()
	if err != nil {
		return nil, err
	}
	p := &Proxy{program: program, opts: o, cfg: o.Config, ended: make(chan struct{})}
	if o.Socket != nil {
		if p.socket, err = inheritable(o.Socket); err != nil {
			return nil, err
		}
	}
	started := false
	defer func() {
		if !started {
			_ = p.socket.Close() // nil may be closed too
		}
	}()
	if err := p.makeFolders(); err != nil {
		return nil, err
	}
	if err := p.install(ctx, o.Config); err != nil {
		return nil, err
	}
	var words tail
	p.cmd = p.command(context.WithoutCancel(ctx), p.confFile())
	p.cmd.Stderr = &words
	if o.Log != nil {
		p.cmd.Stderr = io.MultiWriter(&words, o.Log)
	}
	if err := p.run(); err != nil {
		return nil, fmt.Errorf("start nginx: %w", err)
	}
	started = true // from now on run closes the socket
	if err := p.await(ctx); err != nil {
		p.Stop(5 * time.Second)
		return nil, fmt.Errorf("start nginx: %w: %s", err, words.String())
	}
	return p, nil
}

// run starts the process. The goroutine stays bound to its thread: the
// parent-death signal fires when the thread that started the child ends.
func (p *Proxy) run() error {
	// A pid file left by a killed one would look like readiness.
	if err := os.Remove(filepath.Join(p.opts.Config.Prefix, "nginx.pid")); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		err := p.cmd.Start()
		started <- err
		if err == nil {
			var state *os.ProcessState
			if state, p.err = p.cmd.Process.Wait(); p.err == nil && !state.Success() {
				p.err = errors.New(state.String())
			}
			// Workers outlive a master that was killed, and would keep its
			// sockets and serve what it was told last.
			_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
			_ = p.cmd.Wait() // for its words; that the process is gone is known
			p.mu.Lock()      // a Load may be trying a configuration with it
			_ = p.socket.Close()
			p.mu.Unlock()
			close(p.ended)
		}
	}()
	return <-started
}

// PID returns the process id of the master.
func (p *Proxy) PID() int { return p.cmd.Process.Pid }

// Ended is closed when the process has ended, wished for or not.
func (p *Proxy) Ended() <-chan struct{} { return p.ended }

// Load brings in a new configuration without dropping a request: it is tried
// first, and a refused one leaves everything as it was. Sockets opened before
// go on in the old workers until they end or DrainSeconds are over. The prefix
// cannot change.
func (p *Proxy) Load(ctx context.Context, c Config) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.Prefix = p.opts.Config.Prefix
	if err := p.install(ctx, c); err != nil {
		return err
	}
	if err := p.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		return fmt.Errorf("reload nginx: %w", err)
	}
	p.cfg = c
	return nil
}

// Stop ends Nginx: gracefully within patience, then at once. It returns when
// the process is gone, and may be called more than once.
func (p *Proxy) Stop(patience time.Duration) {
	_ = p.cmd.Process.Signal(syscall.SIGQUIT)
	select {
	case <-p.ended:
		return
	case <-time.After(patience):
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
		return
	case <-time.After(2 * time.Second):
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.ended
}

func (p *Proxy) confFile() string { return filepath.Join(p.opts.Config.Prefix, "nginx.conf") }

func (p *Proxy) makeFolders() error {
	for _, dir := range []string{"", "tmp", "cache"} {
		path := filepath.Join(p.opts.Config.Prefix, dir)
		if err := os.MkdirAll(path, 0o700); err != nil {
			return fmt.Errorf("make the proxy's folder: %w", err)
		}
		if o := p.opts.Owner; o != nil {
			if err := os.Chown(path, int(o.Uid), int(o.Gid)); err != nil {
				return fmt.Errorf("give the proxy its folder: %w", err)
			}
		}
	}
	return nil
}

// install writes the configuration beside the present one, lets Nginx test it,
// and only then puts it in place.
func (p *Proxy) install(ctx context.Context, c Config) error {
	c, err := p.adopt(c)
	if err != nil {
		return err
	}
	text, err := Render(c)
	if err != nil {
		return err
	}
	tried := p.confFile() + ".new"
	if err := os.WriteFile(tried, text, 0o644); err != nil {
		return fmt.Errorf("write the proxy's configuration: %w", err)
	}
	test := p.command(ctx, tried, "-t")
	if out, err := test.CombinedOutput(); err != nil {
		return fmt.Errorf("nginx refuses its configuration: %w: %s", err, bytes.TrimSpace(out))
	}
	if err := os.Rename(tried, p.confFile()); err != nil {
		return err
	}
	p.forget(c)
	return nil
}

// adopt copies the certificate and its key to where an account that may not
// read the originals can, and names the copies. Each content has a name of its
// own, so a pair that Nginx refuses does not replace the one in use.
func (p *Proxy) adopt(c Config) (Config, error) {
	if p.opts.Owner == nil || c.CertFile == "" || c.KeyFile == "" {
		return c, nil
	}
	for _, file := range []*string{&c.CertFile, &c.KeyFile} {
		text, err := os.ReadFile(*file)
		if err != nil {
			return c, fmt.Errorf("the certificate: %w", err)
		}
		sum := sha256.Sum256(text)
		copied := filepath.Join(p.opts.Config.Prefix, hex.EncodeToString(sum[:8])+".pem")
		if err := os.WriteFile(copied, text, 0o600); err != nil {
			return c, fmt.Errorf("copy the certificate: %w", err)
		}
		if err := os.Chown(copied, int(p.opts.Owner.Uid), int(p.opts.Owner.Gid)); err != nil {
			return c, fmt.Errorf("copy the certificate: %w", err)
		}
		*file = copied
	}
	return c, nil
}

// forget removes copies of certificates other than those in use.
func (p *Proxy) forget(used Config) {
	copies, _ := filepath.Glob(filepath.Join(p.opts.Config.Prefix, "*.pem"))
	for _, file := range copies {
		if file != used.CertFile && file != used.KeyFile {
			_ = os.Remove(file)
		}
	}
}

func (p *Proxy) command(ctx context.Context, conf string, more ...string) *exec.Cmd {
	args := append([]string{"-p", p.opts.Config.Prefix, "-e", "stderr", "-c", conf}, more...)
	cmd := exec.CommandContext(ctx, p.program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM, Credential: p.opts.Owner}
	if p.socket != nil {
		// How Nginx hands its sockets to a newer Nginx: it takes those whose
		// address it is configured to listen on.
		cmd.ExtraFiles = []*os.File{p.socket}
		cmd.Env = append(os.Environ(), "NGINX=3;")
	}
	return cmd
}

// await waits for the pid file, which Nginx writes once it listens.
func (p *Proxy) await(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if _, err := os.Stat(filepath.Join(p.opts.Config.Prefix, "nginx.pid")); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-p.ended:
			return fmt.Errorf("it ended at once (%w)", p.err)
		case <-tick.C:
		}
	}
}

// tail keeps the last words of a process.
type tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailBytes = 2048

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if over := len(t.buf) - tailBytes; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(bytes.TrimSpace(t.buf))
}
