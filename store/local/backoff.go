package local

import "time"

// Backoff says how long to wait before starting something again that has died:
// at once the first time, then so that its starts are further and further apart
// up to a bound, and from the beginning again after it has run for a while. What
// had trouble once and has run for longer than that since is started at once. The
// zero value is ready.
type Backoff struct {
	tries int
}

const (
	backoffFirst  = 200 * time.Millisecond
	backoffMost   = 15 * time.Second
	backoffSteady = time.Minute
)

// Next returns the wait before the next start of something that ran for d.
func (b *Backoff) Next(ran time.Duration) time.Duration {
	if ran >= backoffSteady {
		b.tries = 0
	}
	b.tries++
	if b.tries == 1 {
		return 0
	}
	wait := backoffFirst
	for i := 2; i < b.tries && wait < backoffMost; i++ {
		wait *= 2
	}
	return max(0, min(wait, backoffMost)-ran)
}
