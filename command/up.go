package command

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"gori/config"
	"gori/host"
	"gori/nginx"
	"gori/store/local"
)

// upOptions are the flags of gori up, and what they come to on this host.
type upOptions struct {
	data, config, listen, admin string
	shards, nodes, port         int
	shardsGiven                 bool
	standby, standbyGiven       bool
	proxied                     bool // Nginx stands before the nodes
	terminal                    bool // when that is closed, everything ends
}

func newUp() *cobra.Command {
	var o upOptions
	c := &cobra.Command{
		Use:   "up",
		Short: "Run everything on this host: PostgreSQL instances, nodes and Nginx before them",
		Long: `Runs everything on this host until Ctrl-C or SIGTERM: the PostgreSQL instances
that are the shards, the nodes, and Nginx before them. What dies is started
again. All data is in the data folder and is found there at the next start.
Nothing listens off this host unless --listen says so.

SIGHUP, or gori restart, replaces the nodes one by one by the program that is on
the disk then, without a lost message.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.shardsGiven, o.standbyGiven = c.Flags().Changed("shards"), c.Flags().Changed("standby")
			return up(c.Context(), o, c)
		},
	}
	f := c.Flags()
	f.StringVar(&o.data, "data", "./data", "the data folder")
	f.IntVar(&o.shards, "shards", 4, "PostgreSQL instances of a new system; gori reshard changes it later")
	f.BoolVar(&o.standby, "standby", false, "give every shard a standby, which takes over when it dies; remembered, --standby=false takes them away")
	f.IntVar(&o.nodes, "nodes", 2, "nodes, each a process; more than one needs Nginx")
	f.IntVar(&o.port, "port", 8080, "port to serve on; the nodes have those after it")
	f.StringVar(&o.listen, "listen", "127.0.0.1", "address to serve on; 0.0.0.0 opens it to other hosts")
	f.StringVar(&o.admin, "admin", "", "HOST:PORT for /metrics and /debug/pprof of the first node, the next ports for the others (default any ports of this host)")
	f.StringVar(&o.config, "config", "", "configuration file (default config.yaml if it is there)")
	return c
}

// shape decides whether Nginx stands before the nodes. Where it is not
// installed one node serves by itself, and what to do about it is said.
func (o *upOptions) shape(cfg config.Proxy, find func() (string, error), say func(string, ...any)) error {
	if o.nodes < 1 || o.nodes > host.MaxNodes {
		return config.Usage(fmt.Errorf("--nodes is 1 to %d, not %d", host.MaxNodes, o.nodes))
	}
	o.proxied = cfg.Mode == "always" || cfg.Mode == "auto" && (o.nodes > 1 || cfg.Cert != "")
	if !o.proxied {
		return nil
	}
	_, err := find()
	switch {
	case err == nil && cfg.Cert != "":
		_, err = config.CertNames(cfg.Cert, cfg.Key)
		return err
	case err == nil:
		return nil
	case cfg.Mode == "always" || cfg.Cert != "":
		return err
	}
	say("%v. Until then one node serves by itself.", err)
	o.proxied, o.nodes = false, 1
	return nil
}

func up(ctx context.Context, o upOptions, c *cobra.Command) error {
	cfg, file, err := config.Load(o.config, os.Environ())
	if err != nil {
		return err
	}
	logger := newLogger(cfg.Log, os.Stderr)
	say := func(format string, args ...any) { fmt.Fprintf(c.OutOrStdout(), format+"\n", args...) }
	if err := o.shape(cfg.Proxy, nginx.Find, say); err != nil {
		return err
	}
	// From here on a SIGHUP does not end the process by itself.
	o.terminal = host.HaveTerminal() && !signal.Ignored(syscall.SIGHUP) // as nohup does
	hangUp := make(chan os.Signal, 1)
	signal.Notify(hangUp, syscall.SIGHUP)
	defer signal.Stop(hangUp)

	// First what can be wrong without touching any data.
	l, err := host.Listen(net.JoinHostPort(o.listen, strconv.Itoa(o.port)))
	if err != nil {
		return err
	}
	defer l.Close()
	if err := refuseRestoring(o.data); err != nil {
		return err
	}
	want := local.ClusterConfig{Dir: o.data, Version: versionText(), Logger: logger}
	if _, err := os.Stat(filepath.Join(o.data, "gori.json")); err != nil || o.shardsGiven {
		want.Shards = o.shards
	}
	if o.standbyGiven {
		want.Standby = &o.standby
	}
	cluster, err := local.Open(want)
	if err != nil {
		return err
	}
	if cluster.New() {
		say("Making %d PostgreSQL instances in %s …", len(cluster.Shards()), cluster.Dir())
	}
	begun := time.Now()
	var rings *host.Rings
	// Everything below is stopped in reverse. The patience with PostgreSQL ends
	// after a minute.
	defer func() {
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
		defer cancel()
		cluster.Stop(stop)
		if rings != nil {
			rings.Close()
		}
	}()
	if rings, err = host.StartShards(ctx, cluster, logger); err != nil {
		return quiet(ctx, err)
	}
	f, err := host.New(host.Options{Listen: o.listen, Admin: o.admin, Nodes: o.nodes, Port: o.port, Proxied: o.proxied, Terminal: o.terminal},
		cfg, file, l, cluster, logger)
	if err != nil {
		return err
	}
	defer f.Close()
	return quiet(ctx, f.Run(ctx, hangUp, func() {
		say("Gori is ready at %s  (data in %s, shards: %d, nodes: %d, after %.1f s; Ctrl-C stops it)", host.URL(f.Scheme(), l),
			cluster.Dir(), len(cluster.Shards()), o.nodes, time.Since(begun).Seconds())
		if !onlyThisHost(l) && f.Scheme() == "http" {
			say("It can be reached from other hosts, without TLS: name a certificate in config.yaml (proxy.cert), or put a proxy with TLS in front.")
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

// onlyThisHost says whether a listener can be reached from here only.
func onlyThisHost(l net.Listener) bool {
	addr, ok := l.Addr().(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}
