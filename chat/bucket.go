package chat

import "time"

// bucket is a token bucket in whole milliseconds, 16 bytes small. The zero
// value is full. It is not safe for concurrent use.
type bucket struct {
	spent  float64 // tokens taken and not yet given back
	millis int64   // when spent was true
}

// take takes a token and returns how long to wait until it is there; 0: now.
func (b *bucket) take(now time.Time, perSecond, burst float64) time.Duration {
	ms := now.UnixMilli()
	if b.millis != 0 && ms > b.millis {
		b.spent = max(0, b.spent-float64(ms-b.millis)*perSecond/1000)
	}
	b.millis = max(b.millis, ms)
	b.spent++
	if b.spent <= burst {
		return 0
	}
	return time.Duration((b.spent - burst) / perSecond * float64(time.Second))
}

// badFrames counts refused frames within a minute.
type badFrames struct {
	n     int32
	since int64 // Unix seconds
}

// add counts one and tells whether there are too many.
func (b *badFrames) add(now time.Time) bool {
	if s := now.Unix(); s-b.since >= 60 {
		b.n, b.since = 0, s
	}
	b.n++
	return b.n > MaxBadFrames
}
