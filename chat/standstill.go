package chat

import "time"

// A node that stood still finds in the buffers of its sockets what was sent to it
// before and during that. Whoever sent it may have gone to another node meanwhile,
// been answered otherwise there, even refused for good, and have written more since:
// done now, it would come back out of its order. So it is not done; who is still
// there is told to send it again.

const (
	// stoodStill is from when on a node that did not look at the revocations counts
	// as having stood still. Nobody gives a socket up sooner by itself.
	stoodStill = 2 * time.Second
	// leftOver is how long after that the buffers may hold what is old.
	leftOver = time.Second
)

// ErrStoodStill answers who asked before a standstill of the node.
var ErrStoodStill = Retryable(CodeOverloaded, 100*time.Millisecond, nil, "this node stood still; ask again")

// Takes returns nil if what came from a client just now may be carried out, else
// an error that says when to send it again: the node has stood still, and it may
// have been sent before.
func (svc *Service) Takes() error {
	wait := svc.hub.lease.old(svc.now())
	if wait <= 0 {
		return nil
	}
	return Retryable(CodeOverloaded, wait, nil, "this node stood still; send it again")
}

// old is how long what is read may still be from before a standstill; 0: it is not.
func (l *lease) old(now time.Time) time.Duration {
	if !l.on.Load() {
		return 0
	}
	if l.over(now) >= (stoodStill - leaseFor).Milliseconds() {
		return leftOver
	}
	return time.Duration(max(0, l.taking.Load()-now.Sub(l.began).Milliseconds())) * time.Millisecond
}

// stood notes that the node has stood still for so long, before the lease is renewed.
func (l *lease) stood(away time.Duration, now time.Time) {
	if away >= stoodStill {
		l.taking.Store((now.Sub(l.began) + leftOver).Milliseconds())
	}
}
