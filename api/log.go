package api

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"runtime/debug"
	"time"

	"github.com/go-chi/chi/v5"

	"gori/chat"
)

type requestKey struct{}

// requestID is the name of one request in the logs and in X-Request-Id.
func requestID(r *http.Request) string {
	id, _ := r.Context().Value(requestKey{}).(string)
	return id
}

// routeOf is the pattern of the route, never the path itself: paths hold
// invite codes, and patterns are few enough to be a metric's label.
func routeOf(r *http.Request) string {
	rc := chi.RouteContext(r.Context())
	if rc == nil || rc.RoutePattern() == "" {
		return "none"
	}
	return rc.RoutePattern()
}

// answer notes what was answered. Unwrap lets the handshake reach the
// connection below.
type answer struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(b)
	a.bytes += int64(n)
	return n, err
}

func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

var knownMethods = map[string]bool{
	http.MethodGet: true, http.MethodHead: true, http.MethodPost: true, http.MethodPut: true,
	http.MethodPatch: true, http.MethodDelete: true, http.MethodOptions: true,
}

// logged names the request, counts it, recovers its panics and writes one line
// without bodies, tokens, queries or paths.
func (s *Server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := s.now()
		id := rand.Text()[:16]
		a := &answer{ResponseWriter: w}
		a.Header().Set("X-Request-Id", id)
		r = r.WithContext(context.WithValue(r.Context(), requestKey{}, id))
		defer func() {
			if v := recover(); v != nil {
				s.recovered(a, r, v)
			}
			took := s.now().Sub(start)
			method := r.Method
			if !knownMethods[method] {
				method = "other"
			}
			s.metrics.answered(routeOf(r), method, a.status, took)
			s.access(r, a, method, took)
		}()
		next.ServeHTTP(a, r)
	})
}

func (s *Server) access(r *http.Request, a *answer, method string, took time.Duration) {
	level := slog.LevelDebug
	if a.status >= http.StatusInternalServerError {
		level = slog.LevelWarn
	}
	if !s.log.Enabled(r.Context(), level) {
		return
	}
	s.log.LogAttrs(r.Context(), level, "request",
		slog.String("request", requestID(r)), slog.String("method", method), slog.String("route", routeOf(r)),
		slog.Int("status", a.status), slog.Int64("bytes", a.bytes), slog.Duration("took", took),
		slog.String("address", clientOf(r).addr.String()))
}

// recovered answers `internal` for a handler that panicked, if nothing was
// answered yet.
func (s *Server) recovered(a *answer, r *http.Request, v any) {
	if v == http.ErrAbortHandler {
		panic(v) // net/http's own way to cut a connection
	}
	s.metrics.panics.Inc()
	s.log.Error("panic in a handler", slog.String("request", requestID(r)), slog.String("route", routeOf(r)),
		slog.Any("panic", v), slog.String("stack", string(debug.Stack())))
	if a.status == 0 {
		writeError(a, http.StatusInternalServerError, chat.ErrorOf(errPanic))
	}
}

var errPanic = chat.Errorf(chat.CodeInternal, "something went wrong on our side")
