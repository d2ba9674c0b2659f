package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"gori/store"
	"gori/store/local"
)

// upOptions are the flags of gori up.
type upOptions struct {
	data, config, listen, admin string
	shards, nodes, port         int
	shardsGiven                 bool
}

func newUp() *cobra.Command {
	var o upOptions
	c := &cobra.Command{
		Use:   "up",
		Short: "Run everything on this host: PostgreSQL instances and a node",
		Long: `Runs everything on this host until Ctrl-C or SIGTERM: the PostgreSQL instances
that are the shards, and a node. What dies is started again. All data is in the
data folder and is found there at the next start. Nothing listens off this host
unless --listen says so.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.shardsGiven = c.Flags().Changed("shards")
			return up(c.Context(), o, c)
		},
	}
	f := c.Flags()
	f.StringVar(&o.data, "data", "./data", "the data folder")
	f.IntVar(&o.shards, "shards", 4, "PostgreSQL instances of a new system; gori reshard changes it later")
	f.IntVar(&o.nodes, "nodes", 1, "nodes")
	f.IntVar(&o.port, "port", 8080, "port to serve on")
	f.StringVar(&o.listen, "listen", "127.0.0.1", "address to serve on; 0.0.0.0 opens it to other hosts")
	f.StringVar(&o.admin, "admin", "", "HOST:PORT for /metrics and /debug/pprof (default none)")
	f.StringVar(&o.config, "config", "", "configuration file (default config.yaml if it is there)")
	return c
}

func up(ctx context.Context, o upOptions, c *cobra.Command) error {
	if o.nodes != 1 {
		return usageError{errors.New("more than one node (--nodes) comes with a later version; this one runs one")}
	}
	cfg, file, err := loadConfig(o.config, os.Environ())
	if err != nil {
		return err
	}
	logger := newLogger(cfg.Log, os.Stderr)
	say := func(format string, args ...any) { fmt.Fprintf(c.OutOrStdout(), format+"\n", args...) }

	// First what can be wrong without touching any data.
	l, err := listenOn(net.JoinHostPort(o.listen, strconv.Itoa(o.port)))
	if err != nil {
		return err
	}
	defer l.Close()
	want := local.ClusterConfig{Dir: o.data, Version: versionText(), Logger: logger}
	if _, err := os.Stat(filepath.Join(o.data, "gori.json")); err != nil || o.shardsGiven {
		want.Shards = o.shards
	}
	cluster, err := local.Open(want)
	if err != nil {
		return err
	}
	if cluster.New() {
		say("Making %d PostgreSQL instances in %s …", len(cluster.Shards()), cluster.Dir())
	}
	begun := time.Now()
	// Everything below is stopped in reverse. The patience with PostgreSQL ends
	// after a minute.
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		cluster.Stop(stop)
	}()
	if err := cluster.Start(ctx); err != nil {
		return quiet(ctx, err)
	}
	if err := migrateAll(ctx, asConfig(cluster.Shards()), logger); err != nil {
		return quiet(ctx, err)
	}
	return quiet(ctx, runNode(ctx, o, cfg.Node.Name, file, l, cluster, logger, func() {
		say("Gori is ready at %s  (data in %s, shards: %d, after %.1f s; Ctrl-C stops it)", urlOf(l), cluster.Dir(), len(cluster.Shards()), time.Since(begun).Seconds())
		if !onlyThisHost(l) {
			say("It can be reached from other hosts, without TLS: put a proxy with TLS in front.")
		}
	}))
}

// quiet drops errors that are nothing but the wished-for end.
func quiet(ctx context.Context, err error) error {
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// runNode keeps the node running until ctx ends.
func runNode(ctx context.Context, o upOptions, name, config string, l net.Listener, cluster *local.Cluster, logger *slog.Logger, ready func()) error {
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return fmt.Errorf("cannot hand a %T to the node", l)
	}
	socket, err := tcp.File()
	if err != nil {
		return err
	}
	defer socket.Close()
	args := []string{"serve"}
	if config != "" {
		args = append(args, "--config", config)
	}
	node := &child{name: "the node", args: args, env: nodeEnv(o, l, cluster.Shards()), files: []*os.File{socket}, logger: logger,
		ready: func(ctx context.Context) error { return awaitReady(ctx, "http://"+l.Addr().String()+"/readyz") }}
	noting, stopNoting := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer func() {
		stopNoting()
		wg.Wait()
		_ = os.Remove(filepath.Join(cluster.Dir(), runningFile))
	}()
	return node.Run(ctx, func() {
		state := func() running {
			return running{PID: os.Getpid(), URL: urlOf(l), Admin: o.admin, Shards: cluster.Shards(), Nodes: []runningNode{{Name: name, PID: node.PID()}}}
		}
		keepNoted(noting, &wg, state, cluster.Dir(), logger)
		ready()
	})
}

// keepNoted writes what runs into the data folder, now and whenever it has
// changed, in a goroutine of wg that ends with ctx.
func keepNoted(ctx context.Context, wg *sync.WaitGroup, state func() running, dir string, logger *slog.Logger) {
	last := state()
	if err := last.write(dir); err != nil {
		logger.Error("other commands will not find this system", "error", err)
	}
	wg.Go(func() {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			if now := state(); !reflect.DeepEqual(now, last) && now.write(dir) == nil {
				last = now
			}
		}
	})
}

func asConfig(shards []local.Shard) []ShardConfig {
	var list []ShardConfig
	for _, s := range shards {
		list = append(list, ShardConfig{ID: s.ID, DSN: s.DSN})
	}
	return list
}

// asNodeConfig is asConfig for nodes, which log in with fewer rights than the
// owner of the schema. The last of two users in an address counts.
func asNodeConfig(shards []local.Shard) []ShardConfig {
	list := asConfig(shards)
	for i := range list {
		list[i].DSN += " user=" + store.AppRole
	}
	return list
}

// nodeEnv is the node's environment: this one's, with what gori up decides.
// Addresses travel here and never as arguments, which anyone on the host sees.
func nodeEnv(o upOptions, l net.Listener, shards []local.Shard) []string {
	own := map[string]string{
		"GORI_SHARDS": shardsText(asNodeConfig(shards)),
		"GORI_LISTEN": l.Addr().String(),
		envListenFD:   "3",
	}
	if o.admin != "" {
		own["GORI_ADMIN_LISTEN"] = o.admin
	}
	env := slices.DeleteFunc(os.Environ(), func(pair string) bool {
		name, _, _ := strings.Cut(pair, "=")
		_, ours := own[name]
		return ours
	})
	for name, value := range own {
		env = append(env, name+"="+value)
	}
	return env
}

// awaitReady polls a node until it may be sent traffic.
func awaitReady(ctx context.Context, url string) error {
	client := &http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		if res, err := client.Do(req); err == nil {
			_ = res.Body.Close()
			if res.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// onlyThisHost says whether a listener can be reached from here only.
func onlyThisHost(l net.Listener) bool {
	addr, ok := l.Addr().(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}
