package mesh

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// Settings of the embedded server.
const (
	clusterName  = "gori"
	routeUser    = "gori"
	maxPayload   = 8 << 20
	maxRouteWait = 32 << 20 // bytes waiting for a route before it is cut
	startTimeout = 10 * time.Second
	routePing    = 3 * time.Second
)

// embedded is a NATS server in this process. Besides the address for the other
// nodes it listens on a random port of this host, because its routes do not
// start without a listener for clients; only who knows the random password
// gets in there.
type embedded struct{ server *server.Server }

func openEmbedded(c Config, run string) (*natsBus, error) {
	password := rand.Text()
	opts, err := serverOptions(c, run, password)
	if err != nil {
		return nil, err
	}
	if err := free(c.Listen); err != nil {
		return nil, err
	}
	s, err := server.NewServer(opts)
	if err != nil {
		return nil, fmt.Errorf("the mesh's server: %w", err)
	}
	s.SetLogger(natsLog{c.Log}, false, false)
	e := &embedded{server: s}
	s.Start()
	if !s.ReadyForConnections(startTimeout) {
		e.stop()
		return nil, fmt.Errorf("the mesh's server on %s did not start within %v", c.Listen, startTimeout)
	}
	b, err := connectNATS("", c.Log, nats.InProcessServer(s), nats.UserInfo(routeUser, password))
	if err != nil {
		e.stop()
		return nil, err
	}
	b.server = e
	return b, nil
}

// free tells early, and with the reason, that the address cannot be had: the
// server would only log it and end the process.
func free(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("mesh.listen: %w", err)
	}
	return l.Close()
}

func serverOptions(c Config, run, password string) (*server.Options, error) {
	host, port, err := splitPort(c.Listen)
	if err != nil {
		return nil, err
	}
	secure, err := c.tls()
	if err != nil {
		return nil, err
	}
	opts := &server.Options{
		ServerName: c.Node + "-" + run, // two servers of one name do not connect
		Host:       "127.0.0.1", Port: server.RANDOM_PORT,
		Username: routeUser, Password: password,
		NoSigs: true, NoSystemAccount: true,
		MaxPayload: maxPayload, MaxPending: maxRouteWait,
		// A node that does not read must not slow what goes to the others.
		NoFastProducerStall: true,
		// Our own beats notice before, but only this reconnects.
		PingInterval: routePing, MaxPingsOut: 2,
		ConnectErrorReports: 60, ReconnectErrorReports: 60,
		Cluster: server.ClusterOpts{
			Name: clusterName, Host: host, Port: port, NoAdvertise: true,
			Username: routeUser, Password: c.Secret, TLSConfig: secure, TLSTimeout: 5,
			PoolSize: 1, PingInterval: routePing, MaxPingsOut: 2, WriteDeadline: 5 * time.Second,
		},
	}
	for _, r := range c.Routes {
		opts.Routes = append(opts.Routes, &url.URL{Scheme: "nats-route", Host: r, User: url.UserPassword(routeUser, c.Secret)})
	}
	return opts, nil
}

func splitPort(addr string) (string, int, error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("mesh.listen: %w", err)
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 1 || port > 65_535 {
		return "", 0, errors.New("mesh.listen needs a port from 1 to 65535: the other nodes must know it")
	}
	return host, port, nil
}

func (e *embedded) stop() {
	e.server.Shutdown()
	e.server.WaitForShutdown()
}

// natsLog hands the server's log on. What it calls a notice is our debug:
// routes that come and go are told by peers that join and leave.
type natsLog struct{ log *slog.Logger }

func (l natsLog) Noticef(format string, v ...any) { l.log.Debug(natsText(format, v)) }
func (l natsLog) Warnf(format string, v ...any)   { l.log.Debug(natsText(format, v)) }
func (l natsLog) Fatalf(format string, v ...any)  { l.log.Error(natsText(format, v)) }
func (l natsLog) Debugf(string, ...any)           {}
func (l natsLog) Tracef(string, ...any)           {}

// Errorf warns. The first failed try of a route is no news: nodes that start
// together are not all there at once.
func (l natsLog) Errorf(format string, v ...any) {
	if first := len(v) > 0 && v[0] == 1; first && strings.Contains(format, "trying to connect to route") {
		l.log.Debug(natsText(format, v))
		return
	}
	l.log.Warn(natsText(format, v))
}
func natsText(format string, v []any) string {
	return "mesh: " + strings.TrimSpace(fmt.Sprintf(format, v...))
}

// openExternal joins a NATS server that others run.
func openExternal(c Config) (*natsBus, error) {
	secure, err := c.tls()
	if err != nil {
		return nil, err
	}
	var more []nats.Option
	if secure != nil {
		more = append(more, nats.Secure(secure))
	}
	return connectNATS(c.URL, c.Log, append(more, nats.RetryOnFailedConnect(true))...)
}
