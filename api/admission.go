package api

import (
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"gori/chat"
)

// After a node has died everyone comes at once. Who only goes on (a resume)
// costs little and is let in first; who starts anew costs more; who logs in
// with a password costs the most, and comes last. Each class has a budget of
// its own, and a share of the handshakes under way: when a lower class has
// used up its share, the higher ones still find places.

// admissionClass is what someone wants; lower is more urgent.
type admissionClass int

const (
	classResume admissionClass = iota // a WebSocket of a device that has a position
	classFresh                        // a WebSocket of one that starts anew
	classLogin                        // a password to check
	classes
)

var classNames = [classes]string{"resume", "fresh", "login"}

// maxHandshakes bounds the upgrades under way at once: each costs a query for
// the login. A class gets in while fewer than its share are under way.
const maxHandshakes = 128

var classShares = [classes]int64{maxHandshakes, maxHandshakes * 3 / 4, maxHandshakes / 2}

// admission decides who is let in now.
type admission struct {
	// static
	budgets  [classes]*limiter
	capacity int
	sessions func() int

	underWay atomic.Int64 // handshakes
}

func newAdmission(l Limits, capacity int, sessions func() int, now func() time.Time) *admission {
	a := &admission{capacity: capacity, sessions: sessions}
	for class, rate := range [classes]Rate{l.Resumes, l.Fresh, l.Logins} {
		a.budgets[class] = newLimiter(rate, false, now)
	}
	return a
}

// enter lets one in; the caller must call done when the handshake has ended.
// The error says when to come again, not all at the same time.
func (a *admission) enter(class admissionClass) (done func(), err error) {
	full := func(wait time.Duration) error {
		return chat.Retryable(chat.CodeOverloaded, spread(wait+time.Second/2, 2*time.Second), nil, "too many are coming at once")
	}
	handshake := class != classLogin
	if handshake && a.sessions() >= a.capacity {
		return nil, full(time.Second)
	}
	done = func() {}
	if handshake {
		done = func() { a.underWay.Add(-1) }
		a.underWay.Add(1)
	}
	if a.underWay.Load() > classShares[class] {
		done()
		return nil, full(0)
	}
	if wait, ok := a.budgets[class].take(netip.Addr{}); !ok {
		done()
		return nil, full(wait)
	}
	return done, nil
}

// classOf reads what a handshake says it is for.
func classOf(r *http.Request) admissionClass {
	if r.URL.Query().Get("resume") == "1" {
		return classResume
	}
	return classFresh
}

// admitted refuses password logins while more urgent work fills the node.
func (s *Server) admitted(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		done, err := s.admission.enter(classLogin)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		defer done()
		next.ServeHTTP(w, r)
	})
}
