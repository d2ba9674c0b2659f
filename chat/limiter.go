package chat

import (
	"sync"
	"time"
)

// limiter is a table of token buckets by key, bounded in number. When it is
// full of keys that are being limited it refuses new ones: it fails closed, so
// filling it does not lift anyone's limit.
type limiter[K comparable] struct {
	perSecond, burst float64
	max              int

	mu      sync.Mutex
	buckets map[K]bucket
	swept   time.Time
}

func newLimiter[K comparable](perSecond, burst float64, max int) *limiter[K] {
	return &limiter[K]{perSecond: perSecond, burst: burst, max: max, buckets: make(map[K]bucket)}
}

// take takes a token of key and returns how long to wait until there is one;
// 0: now. A refused try costs no token.
func (l *limiter[K]) take(key K, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, known := l.buckets[key]
	if !known && len(l.buckets) >= l.max {
		l.sweepLocked(now)
		if len(l.buckets) >= l.max {
			return time.Duration(float64(time.Second) / l.perSecond)
		}
	}
	wait := b.take(now, l.perSecond, l.burst)
	if wait > 0 {
		b.spent--
	}
	l.buckets[key] = b
	return wait
}

// give gives a token back.
func (l *limiter[K]) give(key K) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if b, ok := l.buckets[key]; ok {
		b.spent = max(0, b.spent-1)
		l.buckets[key] = b
	}
}

// sweepLocked forgets buckets that are full again, at most once a second.
func (l *limiter[K]) sweepLocked(now time.Time) {
	if now.Sub(l.swept) < time.Second {
		return
	}
	l.swept = now
	for k, b := range l.buckets {
		if b.spent <= float64(now.UnixMilli()-b.millis)*l.perSecond/1000 {
			delete(l.buckets, k)
		}
	}
}
