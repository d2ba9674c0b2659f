package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/spf13/cobra"

	"gori/api"
	"gori/chat"
	"gori/config"
	"gori/host"
	"gori/mesh"
	"gori/notify"
	"gori/presence"
	"gori/reach"
	"gori/shard"
	"gori/store"
)

// underUp tells whether gori up runs this node.
func underUp() bool { return os.Getenv(config.EnvAdminFD) != "" }

func newServe() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run one node on the shards named in config.yaml or GORI_SHARDS",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, _, err := config.Load(file, os.Environ())
			if err != nil {
				return err
			}
			if len(cfg.Shards) == 0 {
				return config.Usage(errors.New("no shards: name them in config.yaml or GORI_SHARDS, or use gori up"))
			}
			return serve(c.Context(), cfg, newLogger(cfg.Log, os.Stderr))
		},
	}
	c.Flags().StringVar(&file, "config", "", "configuration file (default config.yaml if it is there)")
	return c
}

// serve runs one node until ctx ends: it builds the parts, connects them, runs
// them, and stops them in reverse.
func serve(ctx context.Context, cfg config.Config, logger *slog.Logger) error {
	listeners, err := listen(cfg)
	if err != nil {
		return err
	}
	defer closeAll(listeners)
	// gori up has done it, and starts this node again also while a shard is
	// down: then waiting for that shard would be wrong.
	if !underUp() {
		if err := reach.Migrate(ctx, cfg, logger); err != nil {
			return err
		}
	}
	n, err := newNode(ctx, cfg, listeners.Public, logger)
	if err != nil {
		return err
	}
	logger.Info("node is ready", "node", cfg.Node.Name, "listen", listeners.Public.Addr().String(), "shards", len(cfg.Shards))
	return n.run(ctx, listeners)
}

// node is the parts of one node, in the order in which they are made.
type node struct {
	store    *store.Store
	mesh     *mesh.Mesh // nil: the node stands alone
	hub      *chat.Hub
	chat     *chat.Service
	people   *chat.PeopleService
	presence *presence.Tracker
	notify   *notify.Notifier
	bell     doorbell // from the store to notify
	movers   *movers
	desk     *adminDesk
	api      *api.Server
	capacity int         // sessions
	others   int         // nodes it is told to find
	knows    atomic.Bool // who is on the other nodes
}

// newNode makes the parts and connects them. The store's news of inboxes go to
// the hub, which is there first; presence needs the hub and the service
// presence, so that one is connected last.
func newNode(ctx context.Context, cfg config.Config, l net.Listener, logger *slog.Logger) (*node, error) {
	n := &node{capacity: cfg.Capacity(), others: cfg.Mesh.Others(), hub: chat.NewHub(chat.HubConfig{Log: logger})}
	metrics := api.NewMetrics()
	var err error
	sc := storeConfig(cfg, n.hub, logger)
	sc.OnWake = n.bell.ring
	n.store, err = store.Open(ctx, sc)
	if err != nil {
		return nil, err
	}
	if n.mesh, err = openMesh(cfg, logger); err == nil {
		err = n.connect(cfg, l, metrics, logger)
	}
	if err != nil {
		n.close()
		return nil, err
	}
	if n.mesh != nil {
		watchMesh(n.mesh, metrics)
	}
	watchPresence(n.presence, metrics)
	metrics.Gauges("shard_up", "Whether a shard answers.", "shard", n.shardsUp)
	return n, nil
}

// close ends what newNode has opened. The mesh may have ended by itself.
func (n *node) close() {
	if n.mesh != nil {
		n.mesh.Close()
	}
	if n.desk != nil {
		n.desk.close()
	}
	if n.movers != nil {
		n.movers.close()
	}
	n.store.Close()
}

func storeConfig(cfg config.Config, hub *chat.Hub, logger *slog.Logger) store.Config {
	c := store.Config{OnInbox: hub.InboxChanged, Logger: logger, Resolve: reach.NewAddresses(cfg).Resolve, Writers: cfg.Store.WritersPerShard, PoolSize: cfg.Store.ConnsPerShard, PingTimeout: cfg.Store.Silence}
	for _, s := range cfg.Shards {
		c.Shards = append(c.Shards, store.ShardConfig{ID: shard.ID(s.ID), DSN: s.DSN, Standby: s.Standby})
	}
	return c
}

func (n *node) connect(cfg config.Config, l net.Listener, metrics *api.Metrics, logger *slog.Logger) error {
	s := n.store
	var err error
	n.chat, err = chat.NewService(chat.Deps{Log: s, Directory: s, Roster: s, Inboxes: s, Invites: s, People: s, Contacts: s,
		Positions: s, Revocations: s, Audit: s, Meter: metrics, Hub: n.hub, MemberLimit: cfg.Limits.GroupMembers, Node: cfg.Node.Name, Logger: logger})
	if err != nil {
		return err
	}
	n.presence = presence.New(s, n.hub, presence.Options{Log: logger})
	n.chat.SetAttendance(n.presence)
	n.chat.SetInterest(n.presence)
	n.meet(cfg)
	n.people, err = chat.NewPeople(chat.PeopleDeps{Accounts: s, Logins: s, People: s, Avatars: s, Service: n.chat, Audit: s,
		InviteOnly: cfg.SignUp == "invite", Logger: logger})
	if err != nil {
		return err
	}
	if n.notify, err = n.newNotifier(cfg, host.PublicURLs(cfg, l), metrics, logger); err != nil {
		return err
	}
	programs, err := chat.NewPrograms(chat.ProgramDeps{Bots: s, Hooks: s, People: n.people, Service: n.chat, Webhooks: n.notify, Logger: logger})
	if err != nil {
		return err
	}
	proxies, err := cfg.ProxyNetworks()
	if err != nil {
		return err
	}
	if n.movers, err = newMovers(cfg, s, logger); err != nil {
		return err
	}
	metrics.Acked = n.movers.recorder.Heard
	n.desk = openDesk(n.movers, s, logger)
	n.api, err = api.New(api.Config{Chat: n.chat, People: n.people, Metrics: metrics, Node: cfg.Node.Name, Name: cfg.Name,
		Region: cfg.Node.Region, Capacity: n.capacity, Nodes: n.nodes(), AdminRoutes: n.faultRoutes(),
		Version: versionText(), Presence: n.presence, Pushes: n.notify, Programs: programs, Board: n.desk.board, Reshards: n.desk.reshards, PublicURLs: host.PublicURLs(cfg, l), TrustedProxies: proxies,
		Ready: n.ready, Logger: logger})
	return err
}

// run serves until ctx ends or a part fails, drains, and then stops the parts.
func (n *node) run(ctx context.Context, listeners api.Listeners) error {
	serving, stopServing := context.WithCancelCause(ctx)
	defer stopServing(nil)
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	var wg sync.WaitGroup
	for name, part := range map[string]func(context.Context) error{
		"store": n.store.Run, "chat": n.chat.Run, "people": n.people.Run, "notify": n.notify.Run, "movers": n.movers.Run,
		"presence": func(ctx context.Context) error { n.presence.Run(ctx); return nil },
	} {
		wg.Go(func() {
			err := part(background)
			if background.Err() == nil {
				stopServing(fmt.Errorf("the part %s has ended: %w", name, err))
			}
		})
	}
	// The mesh is the last to go: what the parts do in the end is still told.
	meshed, stopMesh := context.WithCancel(context.WithoutCancel(ctx))
	defer stopMesh()
	var meshing sync.WaitGroup
	if n.mesh != nil {
		meshing.Go(func() {
			if err := n.runMesh(meshed, serving); err != nil {
				stopServing(fmt.Errorf("the mesh has ended: %w", err))
			}
		})
	}
	n.getToKnow(serving)
	err := n.api.Serve(serving, listeners, host.DrainBound)
	if ctx.Err() == nil {
		err = errors.Join(err, context.Cause(serving))
	}
	stopBackground()
	wg.Wait()
	stopMesh()
	meshing.Wait()
	n.close()
	return err
}

// shardsUp reads 1 for each shard that answers, else 0.
func (n *node) shardsUp() map[string]float64 {
	up := map[string]float64{}
	for _, h := range n.store.Health() {
		up[string(h.Shard)] = 0
		if h.Up {
			up[string(h.Shard)] = 1
		}
	}
	return up
}

// ready tells why this node should get no traffic: with no shard at all it can
// do nothing. With some of them it serves what they keep.
func (n *node) ready() error {
	if !n.knows.Load() {
		return errors.New("it does not know yet who is on the other nodes")
	}
	if n.mesh != nil && n.mesh.Displaced() {
		return errors.New("another node has this one's name")
	}
	for _, h := range n.store.Health() {
		if h.Up {
			return nil
		}
	}
	return errors.New("no shard answers")
}

// listen opens the public address, or takes it over from gori up, and the
// admin address if there is one.
func listen(cfg config.Config) (l api.Listeners, err error) {
	switch fd := os.Getenv(config.EnvListenFD); {
	case fd != "":
		l.Public, err = inherited(config.EnvListenFD, fd)
	case os.Getenv(config.EnvListenShared) != "":
		l.Public, err = host.ListenWith(host.Shared, cfg.Listen)
	default:
		l.Public, err = host.Listen(cfg.Listen)
	}
	if err != nil {
		return l, err
	}
	switch fd := os.Getenv(config.EnvAdminFD); {
	case fd != "":
		l.Admin, err = inherited(config.EnvAdminFD, fd)
	case cfg.AdminListen != "":
		l.Admin, err = host.Listen(cfg.AdminListen)
	}
	if err != nil {
		closeAll(l)
		return l, fmt.Errorf("the admin address: %w", err)
	}
	return l, nil
}

func inherited(variable, text string) (net.Listener, error) {
	fd, err := strconv.Atoi(text)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("%s=%q is not an open file", variable, text)
	}
	f := os.NewFile(uintptr(fd), "listener")
	defer f.Close()
	return net.FileListener(f)
}

// closeAll closes what is open; closing twice does no harm.
func closeAll(l api.Listeners) {
	for _, one := range []net.Listener{l.Public, l.Admin} {
		if one != nil {
			_ = one.Close()
		}
	}
}
