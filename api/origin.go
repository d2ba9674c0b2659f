package api

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"gori/chat"
)

// origins is the exact list of places from which a browser may act with the
// cookie: scheme, host and port, compared as strings in canonical form.
type origins map[string]bool

// parseOrigins reads the public URLs; each must be scheme://host[:port].
func parseOrigins(urls []string) (origins, error) {
	set := make(origins, len(urls))
	for _, raw := range urls {
		u, err := url.Parse(raw)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" ||
			u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("api: public URL %q must be http(s)://host[:port]", raw)
		}
		set[canonicalOrigin(u)] = true
	}
	return set, nil
}

// canonicalOrigin is what a browser sends as Origin: lower case, and without
// the port if it is the scheme's own.
func canonicalOrigin(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch u.Scheme {
	case "http":
		host = strings.TrimSuffix(host, ":80")
	case "https":
		host = strings.TrimSuffix(host, ":443")
	}
	return u.Scheme + "://" + host
}

// check says what the request's Origin header is worth. A browser always sends
// the canonical form, so nothing is normalised here.
func (o origins) check(r *http.Request) (present, allowed bool) {
	values := r.Header.Values("Origin")
	if len(values) == 0 {
		return false, false
	}
	return true, len(values) == 1 && o[values[0]]
}

// webSockets lists the origins as WebSocket sources for the
// Content-Security-Policy, which has no way to write an IPv6 address; there
// 'self' must do.
func (o origins) webSockets() []string {
	var list []string
	for origin := range o {
		if strings.Contains(origin, "[") {
			continue
		}
		list = append(list, "ws"+strings.TrimPrefix(origin, "http"))
	}
	return list
}

// sameSite refuses requests that a foreign page makes in a browser. A request
// that acts with a cookie, or would be given one, and changes something must
// name an allowed Origin; one that names another is refused whatever it wants.
func (s *Server) sameSite(next http.Handler) http.Handler {
	guard := http.NewCrossOriginProtection()
	for origin := range s.origins {
		if err := guard.AddTrustedOrigin(origin); err != nil {
			panic("api: " + err.Error()) // parseOrigins has let through what it should not
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		present, allowed := s.origins.check(r)
		if present && !allowed {
			s.fail(w, r, errForeignOrigin)
			return
		}
		if err := guard.Check(r); err != nil {
			s.fail(w, r, errForeignOrigin)
			return
		}
		if !present && changes(r.Method) && s.cookieToken(r) != "" {
			s.fail(w, r, errForeignOrigin)
			return
		}
		next.ServeHTTP(w, r)
	})
}

var errForeignOrigin = chat.Errorf(chat.CodeForbidden, "requests with the cookie must come from an allowed Origin")

func changes(method string) bool {
	return method != http.MethodGet && method != http.MethodHead && method != http.MethodOptions
}
