package api

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"gori/chat"
	"gori/web"
)

// Config is what a Server is made of. Chat, People, Node and PublicURLs are
// required; the zero value of the rest is right for production.
type Config struct {
	Chat     *chat.Service
	People   *chat.PeopleService
	Presence Presence             // nil: nobody's state is known
	Pushes   Pushes               // nil: nobody can be pushed to
	Programs *chat.ProgramService // nil: there are no bots and webhooks
	Board    Board                // nil: admins are not told of shards
	Reshards Reshards             // nil: nor may they change which there are
	Metrics  *Metrics             // nil: a registry of its own

	Node     string // this node's name, part of the socket's path
	Region   string // its label
	Capacity int    // sessions it takes; 20,000
	// Nodes are the live nodes, this one among them; nil: there is no other.
	Nodes      func() []chat.NodeState
	Name       string   // of the service, shown on the log-in page; "Gori"
	Version    string   // of the program
	PublicURLs []string // scheme://host[:port] under which browsers reach the service

	// TrustedProxies may say in X-Forwarded-For and -Proto who their client is.
	TrustedProxies []netip.Prefix
	// LimitLoopback limits programs on this host too, which share an address.
	LimitLoopback bool
	Limits        Limits

	// AdminRoutes are answered on the admin address besides the usual, by
	// patterns of http.ServeMux.
	AdminRoutes map[string]http.Handler

	// Ready tells why this node should get no traffic; nil: it always may.
	Ready func() error
	// Files is the built browser client; nil: the embedded one.
	Files  fs.FS
	Logger *slog.Logger     // slog.Default()
	Now    func() time.Time // time.Now
}

// Presence tells who is there; package presence does.
type Presence interface {
	// States answers a viewer for up to 500 users; with an error it may still
	// hold what is known.
	States(ctx context.Context, viewer chat.UserID, users []chat.UserID) ([]chat.PresenceState, error)
}

// Limits are rates by client address, and of the node; a zero Rate means the
// default. Sign-up and log-in have limits by account and address in package
// chat.
type Limits struct {
	Requests   Rate // all requests; 600 at once, 200 a second
	Handshakes Rate // WebSocket handshakes; 200 at once, 20 a second
	Upload     Rate // pictures; 10 at once, one in 5 s
	PushTests  Rate // pushes asked for to see one; 5 at once, one in 10 s

	// Of the whole node, by what is wanted.
	Resumes Rate // handshakes of devices that go on; 5,000 at once, 5,000 a second
	Fresh   Rate // other handshakes; 5,000 at once, 2,000 a second
	Logins  Rate // sign-ups and log-ins; 1,000 at once, 200 a second
}

func (l *Limits) defaults() {
	for _, d := range []struct {
		at  *Rate
		def Rate
	}{
		{&l.Requests, Rate{600, 5 * time.Millisecond}},
		{&l.Handshakes, Rate{200, 50 * time.Millisecond}},
		{&l.Upload, Rate{10, 5 * time.Second}},
		{&l.Resumes, Rate{5_000, 200 * time.Microsecond}},
		{&l.Fresh, Rate{5_000, 500 * time.Microsecond}},
		{&l.Logins, Rate{1_000, 5 * time.Millisecond}},
		{&l.PushTests, Rate{5, 10 * time.Second}},
	} {
		if *d.at == (Rate{}) {
			*d.at = d.def
		}
	}
}

// Server is the edge of one node.
type Server struct {
	// static after New
	cfg     Config
	log     *slog.Logger
	now     func() time.Time
	metrics *Metrics
	origins origins
	static  *static
	public  http.Handler
	admin   http.Handler

	started   time.Time
	pid       int
	chooser   *chat.Chooser
	admission *admission

	requestLimit, handshakeLimit, uploadLimit, testLimit *limiter

	// own locks
	sockets  *sockets
	draining atomic.Bool
	stopOnce sync.Once
}

// New builds the routes.
func New(cfg Config) (*Server, error) {
	for name, missing := range map[string]bool{"Chat": cfg.Chat == nil, "People": cfg.People == nil,
		"Node": cfg.Node == "", "PublicURLs": len(cfg.PublicURLs) == 0} {
		if missing {
			return nil, fmt.Errorf("api: New needs %s", name)
		}
	}
	if cfg.Name == "" {
		cfg.Name = "Gori"
	}
	if cfg.Metrics == nil {
		cfg.Metrics = NewMetrics()
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Files == nil {
		cfg.Files = web.FS()
	}
	if cfg.Pushes == nil {
		cfg.Pushes = noPushes{}
	}
	if cfg.Capacity <= 0 {
		cfg.Capacity = 20_000
	}
	cfg.Limits.defaults()
	s := &Server{cfg: cfg, log: cfg.Logger, now: cfg.Now, metrics: cfg.Metrics, sockets: newSockets()}
	s.started, s.pid, s.chooser = cfg.Now(), os.Getpid(), chat.NewChooser(nil, cfg.Now)
	s.admission = newAdmission(cfg.Limits, cfg.Capacity, cfg.Chat.Hub().Sessions, cfg.Now)
	s.requestLimit = newLimiter(cfg.Limits.Requests, false, cfg.Now)
	s.handshakeLimit = newLimiter(cfg.Limits.Handshakes, false, cfg.Now)
	s.uploadLimit = newLimiter(cfg.Limits.Upload, true, cfg.Now)
	s.testLimit = newLimiter(cfg.Limits.PushTests, true, cfg.Now)
	var err error
	if s.origins, err = parseOrigins(cfg.PublicURLs); err != nil {
		return nil, err
	}
	if s.static, err = newStatic(cfg.Files, pagePolicy(s.origins.webSockets())); err != nil {
		return nil, err
	}
	s.metrics.watch(cfg.Chat.Hub())
	s.public = s.routes()
	s.admin = s.adminRoutes()
	return s, nil
}

// Public is the handler of the public address.
func (s *Server) Public() http.Handler { return s.public }

// Admin is the handler of the admin address: metrics, nodes and profiles. It must
// never be reachable from outside.
func (s *Server) Admin() http.Handler { return s.admin }

func (s *Server) adminRoutes() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", s.metrics.handler())
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.HandleFunc("GET /nodes", func(w http.ResponseWriter, r *http.Request) {
		list, _ := s.listNodes(w, r) // cannot fail
		writeJSON(w, http.StatusOK, list)
	})
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	for pattern, h := range s.cfg.AdminRoutes {
		mux.Handle(pattern, h)
	}
	return mux
}

// Listeners are the open addresses of a node.
type Listeners struct {
	Public net.Listener
	Admin  net.Listener // nil: no admin address
	TLS    *tls.Config  // of the public address; nil: plain
}

// Serve answers on the listeners until ctx ends or one of them fails, then
// drains within the given time and closes them.
func (s *Server) Serve(ctx context.Context, l Listeners, drain time.Duration) error {
	public := s.httpServer(s.public)
	public.TLSConfig = l.TLS
	servers := []*http.Server{public}
	failed := make(chan error, 2)
	var running sync.WaitGroup
	running.Go(func() {
		if l.TLS != nil {
			failed <- public.ServeTLS(l.Public, "", "")
			return
		}
		failed <- public.Serve(l.Public)
	})
	if l.Admin != nil {
		admin := s.httpServer(s.admin)
		admin.WriteTimeout = 0 // profiles take as long as they are asked to
		servers = append(servers, admin)
		running.Go(func() { failed <- admin.Serve(l.Admin) })
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	err = errors.Join(err, s.shutdown(end, s.drainSpread(drain), servers))
	running.Wait()
	return err
}

// drainPace is the time between two sessions sent elsewhere: the other nodes
// take them at this rate, and each costs them some reads.
const drainPace = 6 * time.Millisecond

// drainSpread is over what time the sessions there are now are told to leave:
// none at all for nobody, and so that a quarter of the time is left for the rest.
func (s *Server) drainSpread(drain time.Duration) time.Duration {
	return min(time.Duration(s.cfg.Chat.Hub().Stats().Sessions)*drainPace, drain*3/4)
}

func (s *Server) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       60 * time.Second, // a picture over a slow line; sockets leave before
		WriteTimeout:      90 * time.Second,
		IdleTimeout:       75 * time.Second, // longer than Nginx keeps its side, so that we never close first
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
	}
}

// Shutdown makes /readyz fail, refuses new sockets, tells the live sessions to
// come back elsewhere, spread over the given time, and waits for them. What is
// left when ctx ends is cut. It may be called more than once.
func (s *Server) Shutdown(ctx context.Context, spread time.Duration) {
	s.stopOnce.Do(func() {
		s.draining.Store(true)
		s.cfg.Chat.Hub().Drain(ctx, spread)
		s.sockets.close(ctx)
	})
}

// shutdown drains the sessions while the HTTP servers still answer, so that
// in-flight sends and the reconnects of clients end well, then the servers.
func (s *Server) shutdown(ctx context.Context, spread time.Duration, servers []*http.Server) error {
	s.Shutdown(ctx, spread)
	var err error
	for _, srv := range servers {
		if e := srv.Shutdown(ctx); e != nil {
			err = errors.Join(err, e, srv.Close())
		}
	}
	return err
}

func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]string{"status": "ok"})
}

// readyz tells whether this node may be sent traffic.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	if s.draining.Load() {
		writeError(w, http.StatusServiceUnavailable, chat.Retryable(chat.CodeDraining, time.Second, nil, "this node is going away"))
		return
	}
	if s.cfg.Ready != nil {
		if err := s.cfg.Ready(); err != nil {
			s.log.Warn("not ready", slog.Any("err", err))
			writeError(w, http.StatusServiceUnavailable, chat.Retryable(chat.CodeOverloaded, time.Second, nil, "this node is not ready"))
			return
		}
	}
	writeJSON(w, http.StatusOK, map[string]string{"status": "ready"})
}
