package notify

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// Dialer opens connections to the outside for addresses that strangers chose.
// It connects only to public addresses, and to networks that the owner has
// allowed. The address is checked after its name is resolved and just before
// connecting, so a name cannot change its meaning in between.
type Dialer struct {
	allowed []netip.Prefix
	net     net.Dialer
	plain   net.Dialer
}

// NewDialer makes a Dialer that also connects to the allowed networks. To
// these, and only these, plain http is possible.
func NewDialer(allowed []netip.Prefix) *Dialer {
	d := &Dialer{}
	for _, p := range allowed {
		d.allowed = append(d.allowed, unmapPrefix(p.Masked()))
	}
	d.net = net.Dialer{Timeout: dialTimeout, ControlContext: d.control(Public)}
	d.plain = net.Dialer{Timeout: dialTimeout, ControlContext: d.control(func(netip.Addr) bool { return false })}
	return d
}

const dialTimeout = 5 * time.Second

// RefusedAddressError tells that an address may not be connected to.
type RefusedAddressError struct{ Addr string }

func (e *RefusedAddressError) Error() string {
	return fmt.Sprintf("%s is not a public address", e.Addr)
}

// control is called with the resolved address of each attempt.
func (d *Dialer) control(public func(netip.Addr) bool) func(ctx context.Context, network, address string, _ syscall.RawConn) error {
	return func(_ context.Context, network, address string, _ syscall.RawConn) error {
		ap, err := netip.ParseAddrPort(address)
		if err != nil || (network != "tcp4" && network != "tcp6") {
			return &RefusedAddressError{Addr: address}
		}
		if !public(ap.Addr()) && !d.allows(ap.Addr()) {
			return &RefusedAddressError{Addr: address}
		}
		return nil
	}
}

func (d *Dialer) allows(a netip.Addr) bool {
	a = a.Unmap()
	for _, p := range d.allowed {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// mayBePlain tells whether a host may be called without TLS at all. Where a
// name leads is not known before it is dialled, and checked then.
func (d *Dialer) mayBePlain(host string) bool {
	a, err := netip.ParseAddr(host)
	if err != nil {
		return len(d.allowed) > 0
	}
	return d.allows(a)
}

// unmapPrefix turns a network of IPv4 addresses written as IPv6 into that of
// IPv4, as addresses are compared.
func unmapPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// Public tells whether an address can belong to a host of the public internet.
func Public(a netip.Addr) bool {
	if a.Zone() != "" {
		return false
	}
	a = a.Unmap()
	if a.Is6() && !globalUnicast.Contains(a) {
		return false
	}
	for _, p := range special {
		if p.Contains(a) {
			return false
		}
	}
	return a.IsValid()
}

// globalUnicast is all of IPv6 that is given out; loopback, link-local, ULA,
// multicast, NAT64 (64:ff9b::/96) and the forms that hold an IPv4 address are
// outside.
var globalUnicast = netip.MustParsePrefix("2000::/3")

// special are the networks of IANA's special-purpose registries that are not
// globally reachable, or lead to an IPv4 address of anyone's choice.
var special = func() (list []netip.Prefix) {
	for _, s := range []string{
		"0.0.0.0/8",       // this network
		"10.0.0.0/8",      // private
		"100.64.0.0/10",   // shared by carriers
		"127.0.0.0/8",     // loopback
		"169.254.0.0/16",  // link-local, where clouds keep their metadata
		"172.16.0.0/12",   // private
		"192.0.0.0/24",    // protocol assignments
		"192.0.2.0/24",    // documentation
		"192.88.99.0/24",  // 6to4 relays
		"192.168.0.0/16",  // private
		"198.18.0.0/15",   // benchmarks
		"198.51.100.0/24", // documentation
		"203.0.113.0/24",  // documentation
		"224.0.0.0/4",     // multicast
		"240.0.0.0/4",     // reserved, and broadcast
		"2001::/23",       // protocol assignments, Teredo among them
		"2001:db8::/32",   // documentation
		"2002::/16",       // 6to4: holds an IPv4 address
		"2620:4f:8000::/48",
		"3fff::/20", // documentation
	} {
		list = append(list, netip.MustParsePrefix(s))
	}
	return list
}()

// client makes an HTTP client that uses the dialer: without proxies, without
// redirects, bounded in everything. Plain http goes through a transport of its
// own that knows only the allowed networks.
func (d *Dialer) client(base *http.Transport, timeout time.Duration) *http.Client {
	secure := base.Clone()
	secure.Proxy = nil
	secure.DialContext = d.net.DialContext
	secure.TLSHandshakeTimeout = dialTimeout
	secure.ResponseHeaderTimeout = timeout
	secure.MaxResponseHeaderBytes = 32 << 10
	secure.MaxConnsPerHost = hostInFlight
	secure.MaxIdleConnsPerHost = 2
	secure.MaxIdleConns = 64
	secure.IdleConnTimeout = time.Minute
	secure.DisableCompression = true
	secure.ForceAttemptHTTP2 = true
	plain := secure.Clone()
	plain.DialContext = d.plain.DialContext
	return &http.Client{
		Transport:     schemes{secure: secure, plain: plain},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       timeout,
	}
}

// schemes chooses the transport of a request.
type schemes struct{ secure, plain *http.Transport }

// RoundTrip implements http.RoundTripper.
func (s schemes) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme == "https" {
		return s.secure.RoundTrip(r)
	}
	return s.plain.RoundTrip(r)
}

// CloseIdleConnections is called by http.Client.
func (s schemes) CloseIdleConnections() {
	s.secure.CloseIdleConnections()
	s.plain.CloseIdleConnections()
}
