package mesh

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gori/chat"
)

func TestConfigsThatCannotWork(t *testing.T) {
	good := Config{Node: "a", Listen: "127.0.0.1:6222", Routes: []string{"127.0.0.1:6223"}, Secret: testSecret}
	for want, change := range map[string]func(c *Config){
		"":                       func(*Config) {},
		"needs the node's name":  func(c *Config) { c.Node = "" },
		"mesh.listen must be":    func(c *Config) { c.Listen = "6222" },
		"mesh.routes holds":      func(c *Config) { c.Routes = []string{"b"} },
		"at least 16 bytes":      func(c *Config) { c.Secret = "short" },
		"must be encrypted":      func(c *Config) { c.Listen = "10.0.0.1:6222" },
		"encrypted: set":         func(c *Config) { c.Listen = ":6222" },
		"set mesh.cert":          func(c *Config) { c.Listen = "mesh.example.com:6222" },
		"belong together":        func(c *Config) { c.Cert = "a.pem" },
		"not both":               func(c *Config) { c.URL = "nats://127.0.0.1:4222" },
		"is no address of":       func(c *Config) { *c = Config{Node: "a", URL: "nats://%zz"} },
		"and mesh.ca belong":     func(c *Config) { *c = Config{Node: "a", URL: "nats://b", Cert: "x", Key: "y"} },
		"mesh.listen 0.0.0.0:62": func(c *Config) { c.Listen = "0.0.0.0:6222" },
	} {
		c := good
		change(&c)
		err := c.Check()
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("want %q: %v", want, err)
		}
		if err != nil && strings.Contains(err.Error(), testSecret) {
			t.Errorf("the error tells the secret: %v", err)
		}
	}
}

// An address that is taken is told at once, and nothing is left running.
func TestATakenAddress(t *testing.T) {
	l, err := net.Listen("tcp", ports(1)[0])
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Open(Config{Node: "a", Listen: l.Addr().String(), Secret: testSecret}); err == nil || !strings.Contains(err.Error(), "mesh.listen") {
		t.Errorf("%v", err)
	}
}

// Clients of the embedded server come from this host only, and nothing else of
// it listens.
func TestOnlyTheMeshAddressListens(t *testing.T) {
	addr := ports(1)[0]
	m := open(t, Config{Node: "a", Listen: addr, Secret: testSecret})
	s := m.bus.(*natsBus).server.server
	if ap, err := netip.ParseAddrPort(s.Addr().String()); err != nil || !ap.Addr().IsLoopback() {
		t.Errorf("clients at %v", s.Addr())
	}
	if s.ClusterAddr().String() != addr || s.MonitorAddr() != nil || s.ProfilerAddr() != nil || s.JetStreamEnabled() {
		t.Errorf("routes at %v, monitor %v", s.ClusterAddr(), s.MonitorAddr())
	}
}

// Who does not know the secret is not let in.
func TestAWrongSecret(t *testing.T) {
	addrs := ports(3)
	a, b := embeddedNode(t, "a", addrs, 0), embeddedNode(t, "b", addrs, 1)
	x := start(t, open(t, Config{Node: "x", Listen: addrs[2], Routes: addrs, Secret: "some other secret"}), newEar())
	exchange(t, a, b)
	if n := x.bus.(*natsBus).server.server.NumRoutes(); n != 0 {
		t.Errorf("%d routes", n)
	}
	if got := x.ear.heardGossip(); len(got) > 0 {
		t.Errorf("it hears %q", got)
	}
}

// authority makes certificates for the address of the tests.
type authority struct {
	t    *testing.T
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newAuthority(t *testing.T) *authority {
	a := &authority{t: t, dir: t.TempDir()}
	a.cert, a.key = a.make("ca", nil)
	return a
}

func (a *authority) make(name string, by *authority) (*x509.Certificate, *ecdsa.PrivateKey) {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	now := time.Now()
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IPAddresses: []net.IP{host.AsSlice()}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}}
	parent, signer := c, key
	if by == nil {
		c.IsCA, c.BasicConstraintsValid, c.KeyUsage = true, true, x509.KeyUsageCertSign
	} else {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		a.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		a.t.Fatal(err)
	}
	a.write(name+".pem", "CERTIFICATE", der)
	a.write(name+".key", "PRIVATE KEY", secret)
	made, err := x509.ParseCertificate(der)
	if err != nil {
		a.t.Fatal(err)
	}
	return made, key
}

func (a *authority) write(name, kind string, der []byte) {
	if err := os.WriteFile(filepath.Join(a.dir, name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		a.t.Fatal(err)
	}
}

func (a *authority) config(name, addr string, routes []string) Config {
	a.make(name, a)
	at := func(file string) string { return filepath.Join(a.dir, file) }
	return Config{Node: name, Listen: addr, Routes: routes, Secret: testSecret, Cert: at(name + ".pem"), Key: at(name + ".key"), CA: at("ca.pem")}
}

// Encrypted routes: certificates of the same CA are asked of both sides; who
// has another's, or none, is not let in, though it knows the secret.
func TestEncryptedRoutes(t *testing.T) {
	ours, theirs := newAuthority(t), newAuthority(t)
	addrs := ports(4)
	a := start(t, open(t, ours.config("a", addrs[0], addrs)), newEar())
	b := start(t, open(t, ours.config("b", addrs[1], addrs)), newEar())
	x := start(t, open(t, theirs.config("x", addrs[2], addrs)), newEar())
	y := embeddedNode(t, "y", addrs, 3)
	exchange(t, a, b)
	for name, m := range map[string]running{"x": x, "y": y} {
		if got := m.ear.heardGossip(); len(got) > 0 {
			t.Errorf("%s hears %q", name, got)
		}
	}
	if slices.ContainsFunc(a.Nodes(), func(n chat.NodeState) bool { return n.Name == "x" || n.Name == "y" }) {
		t.Errorf("%+v", a.Nodes())
	}
}
