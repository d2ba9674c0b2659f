package mesh

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"time"

	"gori/chat"
	"gori/presence"
)

// Config is what Open needs. Listen or URL must be set, not both.
type Config struct {
	Node    string // this node's name
	Region  string
	Version string // of the program

	// Listen is the address for the other nodes (host:port). Without TLS it
	// must be of this host only.
	Listen string
	// Routes are the Listen addresses of all nodes; this one's may be there.
	Routes []string
	// Secret is what the nodes know each other by; at least MinSecret bytes.
	Secret string
	// Cert, Key and CA are files in PEM form. Both sides of a route must show
	// a certificate of the CA.
	Cert, Key, CA string

	// URL is an external NATS server, or several separated by commas, with the
	// user and password if it asks for them. Cert, Key and CA are used when
	// they are set. Secret, if set, separates systems that share the server.
	URL string

	Log *slog.Logger     // slog.Default()
	Now func() time.Time // time.Now
}

// MinSecret is the least length of a secret, in bytes.
const MinSecret = 16

// Deps are the parts that a Mesh serves. All are required but Gossip and
// Listener, without which there is nothing to hear.
type Deps struct {
	// State tells of this node; Name, Region, Version, Run, PID, StartedAt and
	// CPU are set by the mesh.
	State    func() chat.NodeState
	Gossip   presence.Gossip
	Listener chat.Listener
}

// Check refuses a configuration that cannot work, in words for its author.
func (c Config) Check() error {
	if c.Node == "" {
		return errors.New("a mesh needs the node's name")
	}
	if c.URL != "" {
		return c.checkURL()
	}
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return fmt.Errorf("mesh.listen must be HOST:PORT: %w", err)
	}
	for _, r := range c.Routes {
		if _, _, err := net.SplitHostPort(r); err != nil {
			return fmt.Errorf("mesh.routes holds HOST:PORT of each node: %w", err)
		}
	}
	if len(c.Secret) < MinSecret {
		return fmt.Errorf("mesh.secret must have at least %d bytes: whoever knows it hears everything the nodes tell each other", MinSecret)
	}
	if err := c.checkTLS(); err != nil {
		return err
	}
	if !c.secure() && !loopback(host) {
		return fmt.Errorf("mesh.listen %s is not of this host only, so the routes must be encrypted: set mesh.cert, mesh.key and mesh.ca", c.Listen)
	}
	return nil
}

func (c Config) checkURL() error {
	if c.Listen != "" || len(c.Routes) > 0 {
		return errors.New("set mesh.url or mesh.listen with mesh.routes, not both")
	}
	// Not the address itself: it may hold a password.
	if _, err := url.Parse(c.URL); err != nil {
		return errors.New("mesh.url is no address of a NATS server, such as nats://user:password@host:4222")
	}
	return c.checkTLS()
}

func (c Config) checkTLS() error {
	if (c.Cert == "") != (c.Key == "") || (c.Cert != "" && c.CA == "") {
		return errors.New("mesh.cert, mesh.key and mesh.ca belong together")
	}
	return nil
}

func (c Config) secure() bool { return c.Cert != "" }

func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.IsLoopback()
}

// tls reads the files; nil if none are named.
func (c Config) tls() (*tls.Config, error) {
	if c.CA == "" && c.Cert == "" {
		return nil, nil
	}
	out := &tls.Config{MinVersion: tls.VersionTLS13, ClientAuth: tls.RequireAndVerifyClientCert}
	pem, err := os.ReadFile(c.CA)
	if err != nil {
		return nil, fmt.Errorf("mesh.ca: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("mesh.ca: %s holds no certificate", c.CA)
	}
	out.RootCAs, out.ClientCAs = pool, pool
	if c.Cert == "" {
		return out, nil
	}
	pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
	if err != nil {
		return nil, fmt.Errorf("mesh.cert and mesh.key: %w", err)
	}
	out.Certificates = []tls.Certificate{pair}
	return out, nil
}
