package bench

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"gori/client"
)

// drain waits until every message is acknowledged and every acknowledged one
// has arrived everywhere, or nothing moves any more.
func (t *talk) drain(ctx context.Context) error {
	end := time.Now().Add(drainPatience)
	last, moved := int64(-1), time.Now()
	for {
		under, owed := int64(0), int64(0)
		for _, m := range t.members {
			m.mu.Lock()
			under += int64(m.next - m.acked.Load())
			m.mu.Unlock()
			owed += int64(m.acked.Load()) * int64(len(m.room.members)-1)
		}
		got := t.delivered.Load()
		if under == 0 && got >= owed {
			return nil
		}
		if now := got - under; now != last {
			last, moved = now, time.Now()
		}
		if time.Now().After(end) || time.Since(moved) > t.o.StallPatience {
			if under > 0 {
				return fmt.Errorf("%d messages were not acknowledged within %v", under, drainPatience)
			}
			return nil // what is owed is counted as lost
		}
		if err := t.wait(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// settle ends the sessions, sums up what the receivers saw and compares with
// what each channel holds.
func (t *talk) settle(ctx context.Context, r *Result) error {
	for _, m := range t.members {
		r.Reconnected += m.live.Connects() - 1
		r.Fetched += m.live.Fetched()
		st := m.live.Stats()
		r.LongestGapMS = max(r.LongestGapMS, float64(st.LongestGap.Milliseconds()))
		r.LongestSendMS = max(r.LongestSendMS, float64(st.LongestSend.Milliseconds()))
	}
	t.close()
	var seen faults
	for _, m := range t.members {
		for place, s := range m.room.members {
			if s != m {
				seen.add(&m.seen[place], s.acked.Load())
			}
		}
	}
	kept, n, err := t.history(ctx)
	if err != nil {
		return fmt.Errorf("comparing with history: %w", err)
	}
	f := seen.worse(kept)
	r.Lost, r.Doubled, r.Reordered, r.HistoryChecked = f.lost, f.doubled, f.reordered, n
	return nil
}

// history reads every channel from where the run began and holds it against
// the acknowledgements.
func (t *talk) history(ctx context.Context) (faults, int64, error) {
	var mu sync.Mutex
	var sum faults
	var n int64
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for _, room := range t.rooms {
		g.Go(func() error {
			f, k, err := t.roomHistory(gctx, room)
			mu.Lock()
			defer mu.Unlock()
			sum.lost += f.lost
			sum.doubled += f.doubled
			sum.reordered += f.reordered
			n += k
			return err
		})
	}
	err := g.Wait()
	return sum, n, err
}

func (t *talk) roomHistory(ctx context.Context, room *room) (f faults, n int64, err error) {
	tallies := make([]tally, len(room.members))
	at := room.start
	for more := true; more; {
		page, err := room.members[0].c.History(ctx, room.id, client.HistoryQuery{After: at, HasAfter: true, Limit: 200})
		if err != nil {
			return f, n, err
		}
		for _, m := range page.Messages {
			if m.Seq != at+1 {
				return f, n, fmt.Errorf("channel %s goes from seq %d to %d", room.id, at, m.Seq)
			}
			at = m.Seq
			from, k, ok := t.stamp.read(m.ClientMsgID)
			if !ok || from >= len(t.members) || t.members[from].room != room {
				continue
			}
			n++
			tallies[t.members[from].place].take(k)
		}
		more = page.MoreAfter
	}
	for i, m := range room.members {
		f.add(&tallies[i], m.acked.Load())
	}
	return f, n, nil
}
