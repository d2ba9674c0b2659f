package api

import (
	"errors"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gori/chat"
)

func overloaded(t *testing.T, err error) *chat.Error {
	t.Helper()
	var e *chat.Error
	if !errors.As(err, &e) || e.Code != chat.CodeOverloaded || !e.Retry || e.After < time.Second/2 {
		t.Fatalf("refused with %v", err)
	}
	return e
}

// When the handshakes under way fill a class's share, the more urgent classes
// still find places.
func TestAdmissionSharesHandshakes(t *testing.T) {
	var l Limits
	l.defaults()
	a := newAdmission(l, 1000, func() int { return 0 }, time.Now)
	var under []func()
	fill := func(class admissionClass) {
		t.Helper()
		for {
			done, err := a.enter(class)
			if err != nil {
				overloaded(t, err)
				return
			}
			under = append(under, done)
			if len(under) > maxHandshakes {
				t.Fatal("no bound")
			}
		}
	}
	fill(classFresh)
	if len(under) != maxHandshakes*3/4 {
		t.Fatalf("%d fresh ones", len(under))
	}
	if _, err := a.enter(classLogin); err == nil {
		t.Fatal("a login is let in before handshakes")
	}
	fill(classResume)
	if len(under) != maxHandshakes {
		t.Fatalf("%d in all", len(under))
	}
	for _, done := range under {
		done()
	}
	for class := range classes {
		done, err := a.enter(class)
		if err != nil {
			t.Fatalf("%s after all have ended: %v", classNames[class], err)
		}
		done()
	}
}

// An empty budget of one class leaves the others theirs, and waiting times
// differ.
func TestAdmissionBudgets(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := Limits{Resumes: Rate{10, time.Millisecond}, Fresh: Rate{5, 10 * time.Millisecond}, Logins: Rate{2, time.Second}}
	a := newAdmission(l, 1000, func() int { return 0 }, func() time.Time { return now })
	want := [classes]int{10, 5, 2}
	for class := classes - 1; class >= 0; class-- {
		n := 0
		for {
			done, err := a.enter(class)
			if err != nil {
				break
			}
			done()
			n++
		}
		if n != want[class] {
			t.Errorf("%s: %d let in, want %d", classNames[class], n, want[class])
		}
	}
	waits := map[time.Duration]bool{}
	for range 100 {
		_, err := a.enter(classLogin)
		e := overloaded(t, err)
		if e.After < time.Second || e.After > 4*time.Second {
			t.Fatalf("come back after %v", e.After)
		}
		waits[e.After] = true
	}
	if len(waits) < 50 {
		t.Errorf("all come back together: %d different times", len(waits))
	}
	now = now.Add(time.Second)
	if _, err := a.enter(classLogin); err != nil {
		t.Error(err)
	}
}

// With the default budgets a node of 2 cores lets 5,000 resumes of 10 s in,
// however unevenly they come, and a full node nobody.
func TestAdmissionOfAStorm(t *testing.T) {
	var l Limits
	l.defaults()
	now := time.Unix(1_800_000_000, 0)
	sessions := 0
	a := newAdmission(l, 5000, func() int { return sessions }, func() time.Time { return now })
	for ; sessions < 5000; sessions++ {
		done, err := a.enter(classResume)
		if err != nil {
			t.Fatalf("the %dth: %v", sessions+1, err)
		}
		done()
		if sessions >= 4000 { // the first come at once
			now = now.Add(10 * time.Millisecond)
		}
	}
	if _, err := a.enter(classResume); err == nil {
		t.Error("a full node lets more in")
	}
	if done, err := a.enter(classLogin); err != nil {
		t.Errorf("a full node can check a password, and name another node: %v", err)
	} else {
		done()
	}
}

// Over real sockets: when fresh handshakes have used their budget up, they are
// told when to come again before anything is asked of a shard; devices that go
// on are let in.
func TestResumesPassWhenFreshOnesDoNot(t *testing.T) {
	sys := newSystem(t, func(c *Config, _ *chat.PeopleDeps) {
		c.Limits.Fresh = Rate{3, time.Hour}
		c.Limits.Logins = Rate{2, time.Hour}
	})
	addr := sys.listen()
	ann := sys.signUp("ann")
	sys.signUp("bob")
	if a := sys.do(actor{}, "POST", "/login", object{"login_name": "ann", "password": testPassword, "want_token": true}); a.status != 503 ||
		a.code() != chat.CodeOverloaded || a.header.Get("Retry-After") == "" {
		t.Errorf("a login too many: %d %s", a.status, a.body)
	}
	var wg sync.WaitGroup
	var accepted, refused atomic.Int32
	for range 10 {
		wg.Go(func() {
			c, resp, err := dialAs(t, addr, "/n/n1/ws", bearer(ann))
			switch {
			case err == nil:
				accepted.Add(1)
				_ = c.conn.CloseNow()
			case resp != nil && resp.StatusCode == http.StatusServiceUnavailable:
				if after, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && after > 0 {
					refused.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if accepted.Load() != 3 || refused.Load() != 7 {
		t.Errorf("%d let in, %d refused", accepted.Load(), refused.Load())
	}
	for range 20 {
		c, _, err := dialAs(t, addr, "/n/n1/ws?resume=1", bearer(ann))
		if err != nil {
			t.Fatalf("a resume is refused: %v", err)
		}
		_ = c.conn.CloseNow()
	}
}
