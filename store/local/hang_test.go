package local

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// pause sends a signal to processes, the first of which makes the others.
func pause(t *testing.T, sig syscall.Signal, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if err := syscall.Kill(pid, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Fatal(err)
		}
	}
}

// wakened is sessions that were open before a server hung, each with a write that
// was sent to it meanwhile: numbers below zero. It returns those that it has
// acknowledged.
func wakened(t *testing.T, in *Instance, numbers ...int) (acked func() []int) {
	t.Helper()
	answers := make(chan int, len(numbers))
	conns := make([]*pgx.Conn, len(numbers))
	for i := range numbers {
		var err error
		if conns[i], err = pgx.Connect(t.Context(), in.DSN(Database)); err != nil {
			t.Fatal(err)
		}
	}
	for i, n := range numbers {
		conn := conns[i]
		go func() {
			ctx, cancel := context.WithTimeout(context.Background(), long)
			defer cancel()
			defer conn.Close(ctx)
			if _, err := conn.Exec(ctx, fmt.Sprintf("SELECT pg_sleep(4); INSERT INTO kept VALUES (%d)", n)); err != nil {
				n = 0
			}
			answers <- n
		}()
	}
	return func() (all []int) {
		for range numbers {
			if n := <-answers; n != 0 {
				all = append(all, n)
			}
		}
		return all
	}
}

// A primary that hangs, as a whole or so that it takes no new connections, is ended
// before its standby takes over: it cannot wake and acknowledge anything.
func TestAHungPrimaryIsReplaced(t *testing.T) {
	rings := newFakeRings(t, "a")
	c := openPairs(t, publicDir(t), rings, func(p *pair) { p.times = PairTimes{Hung: 1500 * time.Millisecond, Deaf: 2500 * time.Millisecond} })
	inSync(t, c, rings, "@a", 1)
	p := c.pairs["a"]
	stop := writer(t, c)

	for i, hang := range []struct {
		what  string
		whole bool
		next  string
	}{{"all of it", true, "@a.2"}, {"the postmaster", false, "@a"}} {
		primary, _ := p.roles()
		acked := wakened(t, primary, -3*i-1, -3*i-2, -3*i-3)
		within(t, "the writes are on their way", func() bool {
			return query(t, primary.DSN(Database), "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == "3"
		})
		hung := serversIn(primary.dataDir())
		if !hang.whole {
			hung = []int{primary.PID()}
		}
		pause(t, syscall.SIGSTOP, hung...)
		began := time.Now()
		within(t, "somebody else is the primary", func() bool { return rings.seat("a").Term == int64(i+2) })
		t.Logf("%s stood still: replaced after %v", hang.what, time.Since(began).Round(10*time.Millisecond))
		pause(t, syscall.SIGCONT, hung...)
		late := acked()
		if hang.whole && len(late) > 0 {
			t.Errorf("%s stood still, woke and acknowledged %d", hang.what, late)
		}
		inSync(t, c, rings, hang.next, int64(i+2))
		hasAll(t, c, late)
		for _, pid := range hung {
			if now, _ := p.roles(); now.PID() == pid {
				t.Errorf("%s is the process that hung", now.ID())
			}
		}
	}
	acked, gap := stop()
	t.Logf("%d acknowledged, longest gap %v", len(acked), gap)
	hasAll(t, c, acked)
}

func TestAHostThatStoodStillSaysNothing(t *testing.T) {
	at := time.Unix(1000, 0)
	s := silence{last: at}
	for _, look := range []struct {
		after    time.Duration
		answered bool
		want     time.Duration
	}{{250 * time.Millisecond, true, 0}, {time.Minute, false, silenceStep}, {time.Minute, true, 0},
		{time.Second, false, time.Second}, {1250 * time.Millisecond, false, 2250 * time.Millisecond}} {
		at = at.Add(look.after)
		if got := s.note(at, look.answered); got != look.want {
			t.Errorf("%v later: silent for %v, not %v", look.after, got, look.want)
		}
	}
}
