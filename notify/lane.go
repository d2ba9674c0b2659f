package notify

import (
	"sync"
	"time"

	"gori/chat"
)

// Bounds of what a node has in hand. One slow service takes a small part of
// them, one user with many webhooks a smaller one.
const (
	maxInHand   = 256
	maxHostHand = 32 // jobs for one host, most of them waiting for their turn
	maxUserHand = 8
	hostEvery   = 20 * time.Millisecond // between two calls to one host, on average
	hostBurst   = 20                    // calls to a host that was quiet
	maxPause    = time.Minute           // the longest a host is left alone because it said so
)

// lanes keep jobs to different hosts out of each other's way.
type lanes struct {
	mu    sync.Mutex
	total int
	hosts map[string]*lane
	users map[chat.UserID]int
}

// lane is the way to one host.
type lane struct {
	jobs     int
	deferred int           // jobs put off since there was room
	turns    chan struct{} // a place for each call at the same time
	whole    time.Time     // when its allowance is whole again (generic cell rate)
	paused   time.Time     // the host asked to be left alone until then
}

// room is how many jobs may be claimed now.
func (l *lanes) room() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maxInHand - l.total
}

// enter takes a place for a job, unless its host or user has enough in hand,
// and then it says how long to leave it.
func (l *lanes) enter(host string, user chat.UserID, now time.Time) (*lane, time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hosts == nil {
		l.hosts, l.users = map[string]*lane{}, map[chat.UserID]int{}
	}
	a := l.hosts[host]
	switch {
	case a != nil && now.Before(a.paused):
		return nil, a.paused.Sub(now)
	case a != nil && a.jobs >= maxHostHand:
		// Each one later than the one before, so that not all come back at once.
		a.deferred++
		return nil, min(putOff+time.Duration(a.deferred)*deferEvery, maxDefer)
	case l.users[user] >= maxUserHand:
		return nil, putOff
	}
	if a == nil {
		a = &lane{turns: make(chan struct{}, hostInFlight)}
		l.hosts[host] = a
	}
	a.jobs++
	l.users[user]++
	l.total++
	return a, 0
}

const (
	putOff     = 3 * time.Second // how long a job waits for which there is no room
	deferEvery = 50 * time.Millisecond
	maxDefer   = 5 * time.Minute
)

func (l *lanes) leave(host string, user chat.UserID, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	if l.users[user]--; l.users[user] == 0 {
		delete(l.users, user)
	}
	a := l.hosts[host]
	if a.jobs--; a.jobs < maxHostHand/2 {
		a.deferred = 0
	}
	if a.jobs == 0 && !now.Before(a.whole) && !now.Before(a.paused) {
		delete(l.hosts, host)
	}
	if len(l.hosts) > 4*maxInHand {
		l.sweepLocked(now)
	}
}

// sweepLocked forgets quiet hosts that were still owed a pause.
func (l *lanes) sweepLocked(now time.Time) {
	for host, a := range l.hosts {
		if a.jobs == 0 && !now.Before(a.whole) && !now.Before(a.paused) {
			delete(l.hosts, host)
		}
	}
}

// spend takes one call of a host's rate, and tells how long to wait before it.
func (l *lanes) spend(a *lane, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if a.whole.Before(now) {
		a.whole = now
	}
	a.whole = a.whole.Add(hostEvery)
	return max(a.whole.Sub(now)-hostBurst*hostEvery, 0)
}

// pause leaves a host alone for a while.
func (l *lanes) pause(a *lane, now time.Time, d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if until := now.Add(min(d, maxPause)); until.After(a.paused) {
		a.paused = until
	}
}
