package api

import (
	"context"
	"net/http"
	"strings"

	"gori/chat"
)

// The cookie's names. The __Host- prefix makes the browser refuse it from any
// other host, path or scheme; it needs https, so plain http on localhost has
// its own name.
const (
	cookieSecure = "__Host-gori"
	cookiePlain  = "gori"
	cookieAge    = 400 * 24 * 3600 // seconds; the most that browsers keep
	maxToken     = 128             // bytes; a token has at most 63
)

type identityKey struct{}

// whoIs is the identity that authenticated has found.
func whoIs(r *http.Request) chat.Identity {
	who, _ := r.Context().Value(identityKey{}).(chat.Identity)
	return who
}

// authenticated lets only requests with a valid login through.
func (s *Server) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, err := s.authenticate(r)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), identityKey{}, who)))
	})
}

// adminOnly lets only admins through. It is checked again where it is done.
func (s *Server) adminOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !whoIs(r).Admin {
			s.fail(w, r, chat.Errorf(chat.CodeForbidden, "this is for admins"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

var errNoLogin = chat.Errorf(chat.CodeUnauthenticated, "log in first")

// authenticate finds who the request acts for, by its bearer token or else its
// cookie. A request that has a bearer token is never judged by its cookie.
func (s *Server) authenticate(r *http.Request) (chat.Identity, error) {
	token := bearerToken(r)
	if token == "" && !bearing(r) {
		token = s.cookieToken(r)
	}
	if token == "" || len(token) > maxToken {
		return chat.Identity{}, errNoLogin
	}
	return s.cfg.People.Authenticate(r.Context(), token)
}

// bearing tells whether the request has an Authorization header at all.
func bearing(r *http.Request) bool { return len(r.Header.Values("Authorization")) > 0 }

// bearerToken is the token of the one Authorization header; "" if there is
// none, several, or of another scheme.
func bearerToken(r *http.Request) string {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return ""
	}
	scheme, token, _ := strings.Cut(values[0], " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

func cookieName(r *http.Request) string {
	if clientOf(r).https {
		return cookieSecure
	}
	return cookiePlain
}

// cookieToken is the token of the one cookie of that name; two of them mean
// that someone else has set one, so neither counts.
func (s *Server) cookieToken(r *http.Request) string {
	cookies := r.CookiesNamed(cookieName(r))
	if len(cookies) != 1 || len(cookies[0].Value) > maxToken {
		return ""
	}
	return cookies[0].Value
}

func setCookie(w http.ResponseWriter, r *http.Request, token string) {
	c := &http.Cookie{
		Name: cookieName(r), Value: token, Path: "/", MaxAge: cookieAge,
		Secure: clientOf(r).https, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
	if token == "" {
		c.MaxAge = -1
	}
	http.SetCookie(w, c)
}
