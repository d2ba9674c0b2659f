package store

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// writer turns waiting calls of Append into transactions on one shard, one at
// a time, each with whatever is waiting: alone when there is little to do, in
// batches when there is much. Calls of one channel always come to the same
// writer of a node and keep their order.
type writer struct {
	// static
	s    *Store
	sh   *shardConn
	wake chan struct{} // capacity 1

	mu      sync.Mutex
	waiting []*appendCall
	drafts  int
	bytes   int
	closed  bool

	// owned by run
	hot     hotConn
	parked  map[shard.Partition]time.Time // partitions being handed over, until when not to ask again
	settled []int64                       // fanout_pending rows done with, to delete in passing
}

func newWriter(s *Store, sh *shardConn) *writer {
	return &writer{s: s, sh: sh, hot: hotConn{sh: sh}, wake: make(chan struct{}, 1), parked: map[shard.Partition]time.Time{}}
}

// writerFor returns the writer that takes the channel's drafts on this node.
func (sh *shardConn) writerFor(id chat.ChannelID) *writer {
	return sh.writers[uint64(id)%uint64(len(sh.writers))]
}

// enqueue puts a call in the queue, or refuses it at once.
func (w *writer) enqueue(c *appendCall) error {
	if !w.sh.isUp() {
		return w.sh.downError(nil)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		if w.sh.life.ctx.Err() != nil {
			return errElsewhere
		}
		return chat.Retryable(chat.CodeDraining, 0, nil, "this node is going away")
	}
	if w.drafts+len(c.drafts) > w.s.cfg.QueueDrafts || w.bytes+c.bytes > w.s.cfg.QueueBytes {
		return chat.Retryable(chat.CodeOverloaded, 200*time.Millisecond, nil, "too much is waiting to be stored; try again")
	}
	w.waiting = append(w.waiting, c)
	w.drafts += len(c.drafts)
	w.bytes += c.bytes
	w.poke()
	return nil
}

func (w *writer) poke() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run works until ctx ends and then finishes what is waiting.
func (w *writer) run(ctx context.Context) {
	defer w.hot.disconnect()
	w.warm(ctx)
	for {
		batch, pause := w.collect()
		if len(batch) > 0 {
			began := time.Now()
			w.store(batch)
			if len(batch) >= pacedFrom {
				w.rest(ctx, began.Add(w.s.cfg.WritePace))
			}
			continue
		}
		var again <-chan time.Time // never, unless something is parked
		if pause > 0 {
			again = time.After(pause)
		}
		select {
		case <-w.wake:
		case <-again:
		case <-ctx.Done():
			w.mu.Lock()
			w.closed = true
			rest := len(w.waiting)
			w.mu.Unlock()
			if rest == 0 {
				return
			}
		}
	}
}

// A writer waits for its turn to warm up, and warms up, no longer than this
// before it takes its first calls.
const (
	warmTurn     = 100 * time.Millisecond
	warmPatience = time.Second
)

// warm runs the statements of a batch of nobody. A new connection has to learn
// the catalog and to plan, which takes the server 10 to 15 ms: else the first
// message would wait for it, and all writers that a new shard makes busy at the
// same time would take both processors of a small host. What does not work here
// will tell the first call why.
func (w *writer) warm(ctx context.Context) {
	select {
	case w.s.warming <- struct{}{}:
		defer func() { <-w.s.warming }()
	case <-time.After(warmTurn):
		return
	case <-ctx.Done():
		return
	}
	ctx, cancel := context.WithTimeout(ctx, warmPatience)
	defer cancel()
	ctx, done, err := w.sh.during(ctx)
	if err != nil {
		return
	}
	defer done()
	conn, err := w.hot.get(ctx)
	if err != nil {
		return
	}
	b, outcomes, full := w.prepare(nil)
	if _, err := w.send(ctx, conn, b, outcomes, full); err != nil {
		w.hot.disconnect()
		return
	}
	w.settled = w.settled[:0]
}

// pacedFrom is the number of calls in a batch from which on a writer keeps a
// pace: several came while the one before was written, so more will come.
const pacedFrom = 3

// rest waits until the next batch may begin, unless a full one waits already. A
// transaction costs PostgreSQL about as much as thirty messages in it, so under
// load a pause makes fewer and larger ones of the same messages. It matters most
// when many nodes write, each of which sees only its part of the load.
func (w *writer) rest(ctx context.Context, until time.Time) {
	w.mu.Lock()
	full := w.closed || w.drafts >= w.s.cfg.BatchDrafts
	w.mu.Unlock()
	wait := time.Until(until)
	if full || wait <= 0 {
		return
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// collect takes calls for one transaction, in their order, up to the caps. It
// leaves those of parked partitions and those that repeat a draft of this
// batch, with everything behind them in the same channel. With nothing to
// take, pause says when to look again, 0 for when poked.
func (w *writer) collect() (batch []*appendCall, pause time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.waiting) == 0 {
		return nil, 0
	}
	var (
		now    = w.s.now()
		drafts int
		bytes  int
		full   bool
		keys   map[draftKey]bool
		held   map[chat.ChannelID]bool
		kept   = w.waiting[:0]
	)
	if len(w.waiting) > 1 {
		keys = make(map[draftKey]bool, len(w.waiting))
	}
	for _, c := range w.waiting {
		if until, ok := w.parked[c.p]; ok {
			if wait := until.Sub(now); wait > 0 {
				if pause == 0 || wait < pause {
					pause = wait
				}
				kept = append(kept, c)
				continue
			}
			delete(w.parked, c.p)
		}
		if full = full || len(batch) > 0 && (drafts+len(c.drafts) > w.s.cfg.BatchDrafts || bytes+c.bytes > w.s.cfg.BatchBytes); full {
			kept = append(kept, c)
			continue
		}
		if held[c.channel] || repeats(keys, c) {
			if held == nil {
				held = map[chat.ChannelID]bool{}
			}
			held[c.channel] = true
			kept = append(kept, c)
			continue
		}
		w.drafts -= len(c.drafts)
		w.bytes -= c.bytes
		if c.taken.Swap(true) {
			continue // the caller has left
		}
		drafts += len(c.drafts)
		bytes += c.bytes
		batch = append(batch, c)
	}
	clear(w.waiting[len(kept):])
	w.waiting = kept
	return batch, pause
}

// repeats notes the keys of c and says whether one was there.
func repeats(keys map[draftKey]bool, c *appendCall) bool {
	if keys == nil {
		return false
	}
	for i := range c.drafts {
		if keys[keyOf(&c.drafts[i])] {
			return true
		}
	}
	for i := range c.drafts {
		keys[keyOf(&c.drafts[i])] = true
	}
	return false
}

// putBack returns calls to the head of the queue.
func (w *writer) putBack(calls []*appendCall) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range calls {
		c.taken.Store(false)
		w.drafts += len(c.drafts)
		w.bytes += c.bytes
	}
	w.waiting = append(append([]*appendCall(nil), calls...), w.waiting...)
}

// store brings calls to their ends: in one transaction if it can, and if that
// is refused in smaller ones, so that trouble with one call stays its own.
func (w *writer) store(calls []*appendCall) {
	for try := 1; len(calls) > 0; try++ {
		err := w.transact(calls)
		if err == nil {
			return
		}
		switch kind := kindOf(err); {
		case err == errTooLate:
			calls = w.inTime(calls)
		case kind == failLost:
			// The commit may have happened: the callers ask again with the
			// same client_msg_id.
			w.hot.disconnect()
			w.sh.suspect()
			w.fail(calls, w.sh.downError(err))
			return
		case kind == failGate:
			calls = w.sortOut(calls, err)
		case kind == failRace && try <= 2:
		case kind == failBusy && len(calls) > 1:
			calls = w.dropLocked(calls)
		case len(calls) > 1:
			half := len(calls) / 2
			w.store(calls[:half])
			w.store(calls[half:])
			return
		case kind == failBusy || kind == failRace:
			w.fail(calls, busyError(err))
			return
		default:
			w.fail(calls, err)
			return
		}
	}
}

// sqlLockable finds the channels whose rows nobody else holds for the moment.
const sqlLockable = `SELECT c.channel_id
	FROM unnest($1::int[], $2::bigint[]) AS k(p, ch)
	CROSS JOIN LATERAL (SELECT c.channel_id FROM data.channels c
		WHERE c.partition = k.p AND c.channel_id = k.ch FOR NO KEY UPDATE SKIP LOCKED) c`

// dropLocked ends the calls whose channels someone holds for long, so that they
// keep no others waiting, and returns the others.
func (w *writer) dropLocked(calls []*appendCall) []*appendCall {
	ctx, done, err := w.sh.during(context.Background())
	if err != nil {
		w.fail(calls, err)
		return nil
	}
	defer done()
	free := map[chat.ChannelID]bool{}
	ps, chs := callChannels(calls)
	rows, err := w.sh.pool().Query(ctx, sqlLockable, ps, chs)
	if err == nil {
		var id chat.ChannelID
		_, err = pgx.ForEachRow(rows, []any{&id}, func() error {
			free[id] = true
			return nil
		})
	}
	if err != nil {
		w.fail(calls, w.sh.settle(ctx, err))
		return nil
	}
	var good []*appendCall
	for _, c := range calls {
		if free[c.channel] {
			good = append(good, c)
		} else {
			c.finish(busyError(nil))
		}
	}
	return good
}

func busyError(cause error) error {
	return chat.Retryable(chat.CodeOverloaded, 100*time.Millisecond, cause, "too much at once in this channel; try again")
}

func (w *writer) fail(calls []*appendCall, err error) {
	for _, c := range calls {
		c.finish(err)
	}
}

// sortOut finds out why the gate was closed, ends the calls whose partition has
// moved, parks those whose partition is being handed over, and returns the
// others.
func (w *writer) sortOut(calls []*appendCall, refusal error) []*appendCall {
	v, err := w.s.whyClosed(context.Background(), w.sh, callPartitions(calls), refusal)
	if err != nil {
		w.fail(calls, err)
		return nil
	}
	moving := map[shard.Partition]bool{}
	for _, p := range v.moving {
		moving[p] = true
	}
	now := w.s.now()
	var good, parked []*appendCall
	for _, c := range calls {
		peer, gone := v.moved[c.p]
		switch {
		case gone && w.s.learn(c.p, peer):
			c.finish(errElsewhere)
		case !gone && !moving[c.p]:
			good = append(good, c)
		case c.since.IsZero() || now.Sub(c.since) < w.s.cfg.MovingBudget:
			if c.since.IsZero() {
				c.since = now
			}
			w.parked[c.p] = now.Add(movingNap)
			parked = append(parked, c)
		default:
			c.finish(movingError())
		}
	}
	w.putBack(parked)
	return good
}

func callPartitions(calls []*appendCall) []int32 {
	ps := make([]shard.Partition, len(calls))
	for i, c := range calls {
		ps[i] = c.p
	}
	return partitionArgs(ps)
}
