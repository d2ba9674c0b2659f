package main

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
	"strings"
	"sync"
	"syscall"

	"gori/nginx"
	"gori/store/local"
)

// maxNodes bounds what one host is asked to run.
const maxNodes = 16

// fleet is the nodes of this host and the proxy before them.
type fleet struct {
	// static after newFleet
	o       upOptions
	file    string // of the configuration
	program string // of the nodes
	secret  string // path of the nodes' secret; "" for one node
	l       net.Listener
	socket  *os.File // l's
	cluster *local.Cluster
	logger  *slog.Logger
	nodes   []*upNode
	front   *front        // nil: people connect to the nodes themselves
	changed chan struct{} // what runs is to be noted at once
	control net.Listener  // for commands; nil until it is open

	mu   sync.Mutex
	cfg  Config       // guarded by mu: as last read
	roll *runningRoll // guarded by mu; replaced, never changed
}

// upNode is one node of this host.
type upNode struct {
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

// newFleet takes the ports and prepares the nodes; nothing runs yet. The caller
// closes it, also after an error.
func newFleet(o upOptions, cfg Config, file string, l net.Listener, cluster *local.Cluster, logger *slog.Logger) (*fleet, error) {
	f := &fleet{o: o, cfg: cfg, file: file, l: l, cluster: cluster, logger: logger, changed: make(chan struct{}, 1)}
	var err error
	if f.program, err = programPath(); err != nil {
		return f, err
	}
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return f, fmt.Errorf("cannot hand a %T to another process", l)
	}
	if f.socket, err = tcp.File(); err != nil {
		return f, err
	}
	if o.nodes > 1 && cfg.Mesh.Secret == "" && cfg.Mesh.SecretFile == "" {
		if f.secret, err = meshSecret(cluster.Dir()); err != nil {
			return f, err
		}
	}
	if o.proxied {
		if f.front, err = newFront(cluster.Dir(), cfg.Proxy, l, f.socket, logger); err != nil {
			return f, err
		}
	}
	if f.control, err = listenControl(cluster.Dir()); err != nil {
		return f, err
	}
	if err := f.addNodes(); err != nil {
		return f, err
	}
	if f.front != nil {
		for _, n := range f.nodes {
			f.front.cfg.Nodes = append(f.front.cfg.Nodes, nginx.Node{Name: n.name, Addr: n.addr})
		}
	}
	cluster.OnChange(f.note)
	return f, f.noteShards()
}

// close gives back what newFleet has taken.
func (f *fleet) close() {
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
	_ = os.Remove(filepath.Join(f.cluster.Dir(), runningFile))
}

func (n *upNode) close() {
	for _, file := range n.held {
		_ = file.Close()
	}
	if n.admin != nil {
		_ = n.admin.Close()
	}
}

// addNodes makes the nodes. A single one without a proxy keeps the name it has
// in the configuration.
func (f *fleet) addNodes() error {
	base := 0
	if f.o.port != 0 {
		base = portOf(f.l.Addr().String())
	}
	places := openPorts(f.cluster.Dir(), base)
	for i := 1; i <= f.o.nodes; i++ {
		n := &upNode{name: "n" + strconv.Itoa(i)}
		if f.o.nodes == 1 && f.front == nil {
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
	if f.o.nodes > 1 && base != 0 {
		return places.save()
	}
	return nil
}

// placeTries is how many ports are tried for a node.
const placeTries = 5

// place gives the i-th node its addresses and its process.
func (f *fleet) place(n *upNode, i int, at nodePorts) error {
	if f.o.nodes > 1 && f.cfg.Mesh.URL == "" {
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
	n.hand(file, envAdminFD)
	n.proc = &child{name: "node " + n.name, program: f.program, args: []string{"serve"}, files: n.files, logger: f.logger,
		env: func() []string { return f.env(n) }, change: make(chan chan error), spared: func() bool { return f.serves(n) },
		ready: func(ctx context.Context) error { return awaitReady(ctx, "http://"+n.addr+"/readyz") }}
	if f.file != "" {
		n.proc.args = append(n.proc.args, "--config", f.file)
	}
	return nil
}

// serves tells whether another node than n serves.
func (f *fleet) serves(n *upNode) bool {
	return slices.ContainsFunc(f.nodes, func(other *upNode) bool {
		state, _ := other.watch.now()
		return other != n && state == stateReady && other.proc.PID() != 0
	})
}

// hand gives an open file to the node's process and tells it its number.
func (n *upNode) hand(file *os.File, variable string) {
	n.held, n.files = append(n.held, file), append(n.files, file)
	n.own = append(n.own, variable+"="+strconv.Itoa(2+len(n.files)))
}

// openPublic decides where a node serves: behind the proxy on a port of this
// host alone, else where people connect.
func (f *fleet) openPublic(n *upNode, i int, at nodePorts) error {
	if f.front != nil {
		file, addr, err := reserve(at.HTTP)
		if err != nil {
			return err
		}
		n.held, n.addr = append(n.held, file), addr
		n.own = append(n.own, envListenShared+"=1")
		return nil
	}
	if i == 1 {
		n.addr = f.l.Addr().String()
		file, err := f.l.(*net.TCPListener).File()
		if err == nil {
			n.hand(file, envListenFD)
		}
		return err
	}
	l, err := listenOn(net.JoinHostPort(f.o.listen, strconv.Itoa(at.HTTP)))
	if err != nil {
		return err
	}
	defer l.Close()
	n.addr = l.Addr().String()
	file, err := l.(*net.TCPListener).File()
	if err == nil {
		n.hand(file, envListenFD)
	}
	return err
}

// openAdmin opens the i-th node's admin address: the one given and those that
// follow it, else any port of this host.
func (f *fleet) openAdmin(i int) (net.Listener, error) {
	addr := f.o.admin
	if addr == "" {
		addr = f.cfg.AdminListen
	}
	if addr == "" {
		return listenOn("127.0.0.1:0")
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, usageError{err}
	}
	if first, err := strconv.Atoi(port); err == nil && first != 0 {
		port = strconv.Itoa(first + i - 1)
	}
	return listenOn(net.JoinHostPort(host, port))
}

// env is a node's environment: this one's, with what gori up decides.
// Addresses travel here and never as arguments, which anyone on the host sees.
func (f *fleet) env(n *upNode) []string {
	f.mu.Lock()
	cfg := f.cfg
	f.mu.Unlock()
	own := append(slices.Clone(n.own),
		"GORI_SHARDS="+shardsText(asNodeConfig(f.cluster.Shards())),
		"GORI_SHARDS_FILE="+filepath.Join(f.cluster.Dir(), shardsFile),
		"GORI_WITNESS_DIR="+filepath.Join(f.cluster.Dir(), witnessFolder),
		envControl+"="+f.control.Addr().String(),
		"GORI_NODE_NAME="+n.name,
		"GORI_LISTEN="+n.addr,
		"GORI_ADMIN_LISTEN="+n.admin.Addr().String())
	if n.mesh != "" {
		var routes []string
		for _, other := range f.nodes {
			routes = append(routes, other.mesh)
		}
		own = append(own, "GORI_MESH_LISTEN="+n.mesh, "GORI_MESH_ROUTES="+strings.Join(routes, ","))
	}
	if f.secret != "" {
		own = append(own, "GORI_MESH_SECRET_FILE="+f.secret)
	}
	if f.front != nil {
		own = append(own, "GORI_TRUSTED_PROXIES="+strings.Join(append(slices.Clone(cfg.Proxies), "127.0.0.0/8", "::1/128"), ","),
			"GORI_PUBLIC_URLS="+strings.Join(f.publicURLs(cfg), ","))
	}
	return withEnv(os.Environ(), own...)
}

// withEnv is an environment with some variables set anew.
func withEnv(env []string, own ...string) []string {
	env = slices.DeleteFunc(slices.Clone(env), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		return slices.ContainsFunc(own, func(o string) bool { return strings.HasPrefix(o, name+"=") })
	})
	return append(env, own...)
}

// publicURLs are the addresses under which browsers reach the proxy.
func (f *fleet) publicURLs(cfg Config) []string {
	urls := publicURLs(cfg, f.l)
	if len(cfg.PublicURLs) > 0 || cfg.Proxy.Cert == "" {
		return urls
	}
	for i, u := range urls {
		urls[i] = strings.Replace(u, "http://", "https://", 1)
	}
	names, err := certNames(cfg.Proxy.Cert, cfg.Proxy.Key)
	if err != nil {
		f.logger.Error("the certificate cannot be read", "error", err)
	}
	port := portOf(f.l.Addr().String())
	for _, name := range names {
		u := "https://" + name
		if port != 443 {
			u += ":" + strconv.Itoa(port)
		}
		if !slices.Contains(urls, u) {
			urls = append(urls, u)
		}
	}
	return urls
}

// run keeps all running until ctx ends or one of them cannot even begin. It
// calls up once, when everything serves. A signal replaces the nodes.
func (f *fleet) run(ctx context.Context, hangUp <-chan os.Signal, up func()) error {
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
func (f *fleet) awaitAll(ctx context.Context, ready <-chan struct{}) bool {
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
func (f *fleet) startProxy(ctx, proxying context.Context, wg *sync.WaitGroup, stop context.CancelCauseFunc) bool {
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
