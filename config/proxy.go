package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Proxy is about the Nginx that gori up runs.
type Proxy struct {
	Mode            string `mapstructure:"mode"`
	Cert            string `mapstructure:"cert"`
	Key             string `mapstructure:"key"`
	ConnsPerAddress int    `mapstructure:"conns_per_address"`
	MaxBody         int64  `mapstructure:"max_body"`
	// Discovers is how many devices a second are told which node to use; 0: as
	// many as this host's processors can bear.
	Discovers int `mapstructure:"discover_rate"`
}

func (p Proxy) check() error {
	switch {
	case p.Discovers < 0 || p.Discovers > 1_000_000:
		return fmt.Errorf("proxy.discover_rate is a number a second, or 0, not %d", p.Discovers)
	case !slices.Contains([]string{"auto", "always", "never"}, p.Mode):
		return fmt.Errorf("proxy.mode must be auto, always or never, not %q", p.Mode)
	case (p.Cert == "") != (p.Key == ""):
		return errors.New("proxy.cert and proxy.key belong together")
	case p.Mode == "never" && p.Cert != "":
		return errors.New("proxy.cert needs the proxy, which proxy.mode: never switches off")
	case p.ConnsPerAddress < 1 || p.MaxBody < 1<<20:
		return errors.New("proxy.conns_per_address must be at least 1, proxy.max_body at least 1048576")
	}
	return nil
}

// Scheme is that of the addresses people see.
func (p Proxy) Scheme() string {
	if p.Cert != "" {
		return "https"
	}
	return "http"
}

// CertNames are the host names of a certificate, without patterns.
func CertNames(certFile, keyFile string) ([]string, error) {
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		return nil, Usage(fmt.Errorf("proxy.cert and proxy.key: %w", err))
	}
	cert, err := x509.ParseCertificate(pair.Certificate[0])
	if err != nil {
		return nil, Usage(fmt.Errorf("proxy.cert: %w", err))
	}
	return slices.DeleteFunc(slices.Clone(cert.DNSNames), func(name string) bool { return strings.Contains(name, "*") }), nil
}
