package api

import (
	"net/http"
	"net/netip"
	"sync"
	"time"

	"gori/chat"
)

// Rate allows Burst requests at once and one more each Every. The zero value
// allows everything.
type Rate struct {
	Burst int
	Every time.Duration
}

// maxLimitKeys bounds the addresses a limiter remembers: about 3 MB.
const maxLimitKeys = 32_768

// limiter is the generic cell rate algorithm (ITU-T I.371): one time an
// address, the one at which its allowance is whole again.
type limiter struct {
	rate       Rate
	failClosed bool // when full of busy addresses, refuse strangers
	now        func() time.Time

	mu    sync.Mutex
	whole map[netip.Addr]time.Time
	swept time.Time
}

func newLimiter(rate Rate, failClosed bool, now func() time.Time) *limiter {
	return &limiter{rate: rate, failClosed: failClosed, now: now, whole: make(map[netip.Addr]time.Time)}
}

// take spends one request of the address, or says how long to wait.
func (l *limiter) take(a netip.Addr) (wait time.Duration, ok bool) {
	if l.rate.Burst <= 0 {
		return 0, true
	}
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	at, seen := l.whole[a]
	if !seen && len(l.whole) >= maxLimitKeys {
		l.forgetLocked(now)
		if len(l.whole) >= maxLimitKeys {
			return l.rate.Every, !l.failClosed
		}
	}
	if at.Before(now) {
		at = now
	}
	next := at.Add(l.rate.Every)
	if wait := next.Sub(now) - time.Duration(l.rate.Burst)*l.rate.Every; wait > 0 {
		return wait, false
	}
	l.whole[a] = next
	return 0, true
}

// forgetLocked drops addresses whose allowance is whole: forgetting them
// changes no answer. It looks at all of them, so at most once a second.
func (l *limiter) forgetLocked(now time.Time) {
	if now.Sub(l.swept) < time.Second {
		return
	}
	l.swept = now
	for a, at := range l.whole {
		if !at.After(now) {
			delete(l.whole, a)
		}
	}
}

// limited refuses what is over the limit of the client's address.
func (s *Server) limited(l *limiter) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if wait, ok := s.allow(l, r); !ok {
				s.fail(w, r, chat.Retryable(chat.CodeRateLimited, wait, nil, "too many requests from this address"))
				return
			}
			next.ServeHTTP(w, r)
		})
	}
}

// allow asks the limiter. Programs on this host are not limited, unless the
// configuration says so: they share one address, by the proxy or without it.
func (s *Server) allow(l *limiter, r *http.Request) (time.Duration, bool) {
	c := clientOf(r)
	if !c.addr.IsValid() || (c.addr.IsLoopback() && !s.cfg.LimitLoopback) {
		return 0, true
	}
	return l.take(limitKey(c.addr))
}
