package api

import (
	"context"
	"net/http"
	"net/netip"
	"strings"
)

// client is what is known of the other end of a request's network path.
type client struct {
	addr  netip.Addr
	https bool // the browser spoke TLS, to us or to a trusted proxy
}

type clientKey struct{}

func clientOf(r *http.Request) client {
	c, _ := r.Context().Value(clientKey{}).(client)
	return c
}

// withClient finds the client's address. Forwarding headers count only from
// the configured proxies; anyone else's are ignored, so nobody can choose the
// address that is limited and logged.
func (s *Server) withClient(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := s.findClient(r)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), clientKey{}, c)))
	})
}

func (s *Server) findClient(r *http.Request) client {
	c := client{https: r.TLS != nil}
	ap, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return c // a Unix socket or a test: no address to limit by
	}
	c.addr = ap.Addr().Unmap()
	if !s.trusted(c.addr) {
		return c
	}
	// The rightmost address that is not a proxy of ours is the last one we
	// know to be true: everything left of it is the client's own claim.
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0; i-- {
		a, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		c.addr = a.Unmap().WithZone("")
		if !s.trusted(c.addr) {
			break
		}
	}
	if proto := r.Header.Values("X-Forwarded-Proto"); len(proto) == 1 && strings.EqualFold(proto[0], "https") {
		c.https = true
	}
	return c
}

func (s *Server) trusted(a netip.Addr) bool {
	for _, p := range s.cfg.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// limitKey is what one limit is kept for: an IPv4 address, or the /64 that one
// IPv6 subscriber has to himself.
func limitKey(a netip.Addr) netip.Addr {
	if a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			return p.Addr()
		}
	}
	return a
}
