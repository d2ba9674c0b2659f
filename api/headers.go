package api

import (
	"net/http"
	"slices"
	"strings"
)

// pagePolicy is the Content-Security-Policy of the browser client: scripts and
// styles only from us, no inline anything, and no string ever becomes script.
// The one Trusted Types policy `gori` exists to name our own worker script.
func pagePolicy(webSockets []string) string {
	slices.Sort(webSockets)
	return strings.Join([]string{
		"default-src 'none'",
		"script-src 'self'",
		"style-src 'self'",
		"img-src 'self' blob: data:",
		"font-src 'self'",
		strings.Join(append([]string{"connect-src 'self'"}, webSockets...), " "),
		"manifest-src 'self'",
		"worker-src 'self'",
		"frame-ancestors 'none'",
		"base-uri 'none'",
		"form-action 'self'",
		"require-trusted-types-for 'script'",
		"trusted-types gori",
	}, "; ")
}

// dataPolicy is that of everything that is not a page.
const dataPolicy = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; sandbox"

// secured sets the headers that every answer has. Pages replace the policy by
// their own; files with a hash in their name replace the caching.
func (s *Server) secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", dataPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=(), interest-cohort=()")
		h.Set("Cache-Control", "no-store, private")
		if clientOf(r).https {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}
