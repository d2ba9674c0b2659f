package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"

	"gori/config"
	"gori/nginx"
	"gori/store/local"
)

// MaxNodes bounds what one host is asked to run.
const MaxNodes = 16

// Options say how a fleet is run.
type Options struct {
	Listen   string // address of the nodes that have no proxy before them, without a port
	Admin    string // HOST:PORT of the first node's admin address, the next ports for the others; empty: any ports of this host
	Nodes    int    // 1 to MaxNodes
	Port     int    // that people connect to; 0: any, and the nodes' are any, too
	Proxied  bool   // Nginx stands before the nodes
	Terminal bool   // when that is closed, everything ends
}

// Fleet is the nodes of this host and the proxy before them.
type Fleet struct {
	// static after New
	o       Options
	file    string // of the configuration
	program string // of the nodes
	secret  string // path of the nodes' secret; "" for one node
	l       net.Listener
	socket  *os.File // l's
	cluster *local.Cluster
	logger  *slog.Logger
	nodes   []*node
	front   *front        // nil: people connect to the nodes themselves
	changed chan struct{} // what runs is to be noted at once
	control net.Listener  // for commands; nil until it is open

	mu   sync.Mutex
	cfg  config.Config // guarded by mu: as last read
	roll *Roll         // guarded by mu; replaced, never changed
}

// node is one node of this host.
type node struct {
	name  string
	addr  string // where it serves, host:port
	mesh  string // where it listens for the others; "" if there are none
	held  []*os.File
	files []*os.File // handed to the process
	own   []string   // variables that are this node's alone
	admin net.Listener
	proc  *child
	watch watch
}

// New takes the ports and prepares the nodes; nothing runs yet. file is where cfg
// was read, "" for nowhere. Whoever calls it closes the Fleet, and l.
func New(o Options, cfg config.Config, file string, l net.Listener, cluster *local.Cluster, logger *slog.Logger) (*Fleet, error) {
	f := &Fleet{o: o, cfg: cfg, file: file, l: l, cluster: cluster, logger: logger, changed: make(chan struct{}, 1)}
	if err := f.prepare(cfg); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (f *Fleet) prepare(cfg config.Config) (err error) {
	if f.program, err = programPath(); err != nil {
		return err
	}
	tcp, ok := f.l.(*net.TCPListener)
	if !ok {
		return fmt.Errorf("cannot hand a %T to another process", f.l)
	}
	if f.socket, err = tcp.File(); err != nil {
		return err
	}
	if f.o.Nodes > 1 && cfg.Mesh.Secret == "" && cfg.Mesh.SecretFile == "" {
		if f.secret, err = meshSecret(f.cluster.Dir()); err != nil {
			return err
		}
	}
	if f.o.Proxied {
		if f.front, err = newFront(f.cluster.Dir(), cfg.Proxy, f.l, f.socket, f.logger); err != nil {
			return err
		}
	}
	if f.control, err = listenControl(f.cluster.Dir()); err != nil {
		return err
	}
	if err := f.addNodes(); err != nil {
		return err
	}
	if f.front != nil {
		for _, n := range f.nodes {
			f.front.cfg.Nodes = append(f.front.cfg.Nodes, nginx.Node{Name: n.name, Addr: n.addr})
		}
	}
	f.cluster.OnChange(f.note)
	return f.noteShards()
}

// Close gives back what New has taken.
func (f *Fleet) Close() {
	for _, n := range f.nodes {
		n.close()
	}
	if f.socket != nil {
		_ = f.socket.Close()
	}
	if f.control != nil {
		_ = f.control.Close()
	}
	if f.front != nil {
		f.front.close(f.cluster.Dir())
	}
	_ = os.Remove(filepath.Join(f.cluster.Dir(), RunningFile))
}

func (n *node) close() {
	for _, file := range n.held {
		_ = file.Close()
	}
	if n.admin != nil {
		_ = n.admin.Close()
	}
}

// addNodes makes the nodes. A single one without a proxy keeps the name it has
// in the configuration.
func (f *Fleet) addNodes() error {
	base := 0
	if f.o.Port != 0 {
		base = portOf(f.l.Addr().String())
	}
	places := openPorts(f.cluster.Dir(), base)
	for i := 1; i <= f.o.Nodes; i++ {
		n := &node{name: "n" + strconv.Itoa(i)}
		if f.o.Nodes == 1 && f.front == nil {
			n.name = f.cfg.Node.Name
		}
		f.nodes = append(f.nodes, n)
		for try := 1; ; try++ {
			at, err := places.node(n.name, i)
			if err == nil {
				err = f.place(n, i, at)
			}
			if err == nil {
				break
			}
			// Somebody else may have taken a port that was free a moment ago.
			if try == placeTries || !errors.Is(err, syscall.EADDRINUSE) {
				return fmt.Errorf("node %s: %w", n.name, err)
			}
		}
	}
	if f.o.Nodes > 1 && base != 0 {
		return places.save()
	}
	return nil
}

// placeTries is how many ports are tried for a node.
const placeTries = 5

// place gives the i-th node its addresses and its process.
func (f *Fleet) place(n *node, i int, at nodePorts) error {
	if f.o.Nodes > 1 && f.cfg.Mesh.URL == "" {
		n.mesh = net.JoinHostPort("127.0.0.1", strconv.Itoa(at.Mesh))
	}
	if err := f.openPublic(n, i, at); err != nil {
		return err
	}
	admin, err := f.openAdmin(i)
	if err != nil {
		return fmt.Errorf("the admin address: %w", err)
	}
	n.admin = admin
	file, err := admin.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	n.hand(file, config.EnvAdminFD)
	n.proc = &child{name: "node " + n.name, program: f.program, args: []string{"serve"}, files: n.files, logger: f.logger,
		env: func() []string { return f.env(n) }, change: make(chan chan error), spared: func() bool { return f.serves(n) },
		ready: func(ctx context.Context) error { return AwaitReady(ctx, "http://"+n.addr+"/readyz") }}
	if f.file != "" {
		n.proc.args = append(n.proc.args, "--config", f.file)
	}
	return nil
}

// serves tells whether another node than n serves.
func (f *Fleet) serves(n *node) bool {
	return slices.ContainsFunc(f.nodes, func(other *node) bool {
		state, _ := other.watch.now()
		return other != n && state == StateReady && other.proc.PID() != 0
	})
}

// hand gives an open file to the node's process and tells it its number.
func (n *node) hand(file *os.File, variable string) {
	n.held, n.files = append(n.held, file), append(n.files, file)
	n.own = append(n.own, variable+"="+strconv.Itoa(2+len(n.files)))
}

// openPublic decides where a node serves: behind the proxy on a port of this
// host alone, else where people connect.
func (f *Fleet) openPublic(n *node, i int, at nodePorts) error {
	if f.front != nil {
		file, addr, err := reserve(at.HTTP)
		if err != nil {
			return err
		}
		n.held, n.addr = append(n.held, file), addr
		n.own = append(n.own, config.EnvListenShared+"=1")
		return nil
	}
	if i == 1 {
		n.addr = f.l.Addr().String()
		file, err := f.l.(*net.TCPListener).File()
		if err == nil {
			n.hand(file, config.EnvListenFD)
		}
		return err
	}
	l, err := Listen(net.JoinHostPort(f.o.Listen, strconv.Itoa(at.HTTP)))
	if err != nil {
		return err
	}
	defer l.Close()
	n.addr = l.Addr().String()
	file, err := l.(*net.TCPListener).File()
	if err == nil {
		n.hand(file, config.EnvListenFD)
	}
	return err
}

// openAdmin opens the i-th node's admin address: the one given and those that
// follow it, else any port of this host.
func (f *Fleet) openAdmin(i int) (net.Listener, error) {
	addr := f.o.Admin
	if addr == "" {
		addr = f.cfg.AdminListen
	}
	if addr == "" {
		return Listen("127.0.0.1:0")
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, config.Usage(err)
	}
	if first, err := strconv.Atoi(port); err == nil && first != 0 {
		port = strconv.Itoa(first + i - 1)
	}
	return Listen(net.JoinHostPort(host, port))
}

// Run keeps all running until ctx ends or one of them cannot even begin. It
// calls up once, when everything serves. A signal replaces the nodes.
func (f *Fleet) Run(ctx context.Context, hangUp <-chan os.Signal, up func()) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var nodes, others sync.WaitGroup
	ready := make(chan struct{}, len(f.nodes))
	for _, n := range f.nodes {
		nodes.Go(func() {
			if err := n.proc.Run(ctx, func() { ready <- struct{}{} }); err != nil {
				stop(err)
			}
		})
	}
	// The proxy ends after the nodes: their sessions say goodbye through it.
	proxying, stopProxy := context.WithCancel(context.WithoutCancel(ctx))
	defer stopProxy()
	if f.awaitAll(ctx, ready) && f.startProxy(ctx, proxying, &others, stop) {
		f.attend(ctx, hangUp, stop, &others)
		up()
		<-ctx.Done()
	}
	nodes.Wait()
	stopProxy()
	others.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// awaitAll waits until every node has been ready once; false: ctx has ended.
func (f *Fleet) awaitAll(ctx context.Context, ready <-chan struct{}) bool {
	for range f.nodes {
		select {
		case <-ready:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// startProxy starts the proxy, if there is one, and waits until it serves;
// false: it does not, and ctx has ended.
func (f *Fleet) startProxy(ctx, proxying context.Context, wg *sync.WaitGroup, stop context.CancelCauseFunc) bool {
	if f.front == nil {
		return true
	}
	serves := make(chan struct{})
	wg.Go(func() {
		if err := f.front.Run(proxying, func() { close(serves) }); err != nil {
			stop(err)
		}
	})
	select {
	case <-serves:
		return true
	case <-ctx.Done():
		return false
	}
}
