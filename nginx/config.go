package nginx

import (
	"bytes"
	_ "embed"
	"fmt"
	"net"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
)

// Node is one process behind the proxy.
type Node struct {
	Name string // lower-case letters, digits and hyphens; its socket is /n/<name>/ws
	Addr string // host:port
	Down bool   // gets no new requests: draining, or it keeps dying
}

// Config is all that the configuration depends on.
type Config struct {
	Prefix          string // folder for everything Nginx writes; absolute
	Listen          string // host:port
	Nodes           []Node // at least one
	CertFile        string // with KeyFile: serve TLS
	KeyFile         string
	User            string // account of the workers; only when the master runs as root
	Workers         int    // default 1
	Connections     int    // open connections a worker, both sides counted: two a session; default 45000
	ConnsPerAddress int    // open connections one client address may have, other than this host's; default 256
	MaxBody         int64  // bytes of a request body; default 6 MiB
	Discovers       int    // requests for a node answered a second; more wait, to 10 s, then are refused; default 700
	DrainSeconds    int    // how long an old worker may keep its sockets after a reload; default 3600
}

//go:embed nginx.conf.tmpl
var confText string

var confTemplate = template.Must(template.New("nginx.conf").Parse(confText))

// nodeName and plain keep anything out of the configuration that Nginx would
// read as more than a word.
var (
	nodeName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,30}$`)
	plain    = regexp.MustCompile(`^[\p{L}\p{N}/._@:\[\]+-]+$`)
)

func (c *Config) defaults() {
	set := func(n *int, def int) {
		if *n == 0 {
			*n = def
		}
	}
	set(&c.Workers, 1)
	set(&c.Connections, 45000)
	set(&c.ConnsPerAddress, 256)
	set(&c.Discovers, 700)
	set(&c.DrainSeconds, 3600)
	if c.MaxBody == 0 {
		c.MaxBody = 6 << 20
	}
}

func (c *Config) check() error {
	if !filepath.IsAbs(c.Prefix) || !plain.MatchString(c.Prefix) {
		return fmt.Errorf("nginx: the folder %q must be absolute and without blanks or quotes", c.Prefix)
	}
	if len(c.Nodes) == 0 {
		return fmt.Errorf("nginx: there is no node to send requests to")
	}
	if (c.CertFile == "") != (c.KeyFile == "") {
		return fmt.Errorf("nginx: TLS needs both a certificate and a key")
	}
	for _, f := range []string{c.CertFile, c.KeyFile, c.User} {
		if f != "" && !plain.MatchString(f) {
			return fmt.Errorf("nginx: %q cannot be written into the configuration", f)
		}
	}
	if err := checkAddr(c.Listen); err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, n := range c.Nodes {
		if !nodeName.MatchString(n.Name) || seen[n.Name] {
			return fmt.Errorf("nginx: node name %q is used twice or not made of lower-case letters, digits and hyphens", n.Name)
		}
		seen[n.Name] = true
		if err := checkAddr(n.Addr); err != nil {
			return err
		}
	}
	return nil
}

func checkAddr(addr string) error {
	host, port, err := net.SplitHostPort(addr)
	if err != nil || port == "" || strings.TrimLeft(port, "0123456789") != "" || host != "" && !plain.MatchString(host) {
		return fmt.Errorf("nginx: %q is not HOST:PORT", addr)
	}
	return nil
}

// DiscoverBurst is how many requests for a node may wait: ten seconds' worth.
func (c Config) DiscoverBurst() int { return 10 * c.Discovers }

// Render writes the configuration. Errors say which value Nginx could not have
// understood.
func Render(c Config) ([]byte, error) {
	c.defaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := confTemplate.Execute(&b, c); err != nil {
		return nil, fmt.Errorf("nginx: write the configuration: %w", err)
	}
	return b.Bytes(), nil
}

// Up returns the nodes that may be sent new requests; all of them when none
// may, since a request tried is better than one refused.
func (c Config) Up() []Node {
	var up []Node
	for _, n := range c.Nodes {
		if !n.Down {
			up = append(up, n)
		}
	}
	if len(up) == 0 {
		return c.Nodes
	}
	return up
}
