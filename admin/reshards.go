package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"gori/api"
	"gori/chat"
	"gori/shard"
	"gori/store/board"
)

// pauseBudget is how long a fence may hold up writes; then it is taken back.
const pauseBudget = 150 * time.Millisecond

const (
	shownPauses = 400 // moves whose pause is told
	shownMoves  = 64  // moves under way that are told of
	paceWindow  = 20 * time.Second
)

// Reshards tells admins of reshards and takes their orders. It implements
// api.Reshards.
type Reshards struct {
	*Board
	desk   *Desk
	audit  chat.Auditor
	checks *Checker

	status recently[api.ReshardStatus]
	book   receiptBook // guarded by status.mu
	pace   []paceMark  // guarded by status.mu

	mu   sync.Mutex
	sums map[string]receiptSum // guarded by mu: by reshard
}

// NewReshards tells of what b sees and passes orders to desk. audit notes who
// gave them. checks computes receipts again; nil: nobody does.
func NewReshards(b *Board, desk *Desk, audit chat.Auditor, checks *Checker) *Reshards {
	return &Reshards{Board: b, desk: desk, audit: audit, checks: checks}
}

var (
	_ api.Board    = (*Board)(nil)
	_ api.Reshards = (*Reshards)(nil)
)

// receiptBook holds what is known of one reshard's receipts, so that each is
// read once.
type receiptBook struct {
	reshard string
	newest  time.Time
	byPart  map[shard.Partition]board.Receipt
}

// late is how much later than a receipt's time it may be seen.
const late = 30 * time.Second

func (k *receiptBook) read(ctx context.Context, b *board.Board, reshard string) []board.Receipt {
	if k.reshard != reshard {
		*k = receiptBook{reshard: reshard, byPart: map[shard.Partition]board.Receipt{}}
	}
	after := time.Time{}
	if !k.newest.IsZero() {
		after = k.newest.Add(-late)
	}
	for _, r := range b.Receipts(ctx, reshard, after) {
		k.byPart[r.Partition] = r
		if r.At.After(k.newest) {
			k.newest = r.At
		}
	}
	list := make([]board.Receipt, 0, len(k.byPart))
	for _, r := range k.byPart {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b board.Receipt) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Partition, b.Partition)) })
	return list
}

// paceMark is what was copied up to a time.
type paceMark struct {
	at          time.Time
	rows, bytes int64
}

// Status implements api.Reshards.
func (r *Reshards) Status(ctx context.Context) (api.ReshardStatus, error) {
	return r.status.get(r.now, ringAge, func() (api.ReshardStatus, error) {
		l, err := r.look(ctx)
		if err != nil {
			return api.ReshardStatus{}, err
		}
		st := api.ReshardStatus{BudgetUS: pauseBudget.Microseconds(), CanMake: r.desk.CanMake()}
		if l.ring == nil {
			return st, nil
		}
		st.Version, st.Plan, st.CanReverse = l.ring.Version, planView(l.ring.Plan), l.ring.Before != nil
		if l.ring.Plan == nil {
			r.pace = nil
			return st, ctx.Err()
		}
		r.progress(ctx, l, &st)
		return st, ctx.Err()
	})
}

func (r *Reshards) progress(ctx context.Context, l *ringLook, st *api.ReshardStatus) {
	done := r.book.read(ctx, r.board, l.ring.Plan.ID)
	for _, rc := range done {
		st.Rows += rc.Rows
		st.Bytes += rc.Bytes
	}
	st.TotalRows = st.Rows
	for _, rc := range done[max(0, len(done)-shownPauses):] {
		st.Pauses = append(st.Pauses, api.PauseView{Partition: int(rc.Partition), US: rc.PauseUS, At: chat.MillisOf(rc.At)})
	}
	for p := range shard.Partition(shard.Partitions) {
		if _, ok := l.moving(p); ok {
			st.Left++
			st.TotalRows += l.rows[p]
		}
	}
	if l.ring.Before != nil {
		st.Done = max(len(shard.Moves(l.ring.Before, l.ring.Map))-st.Left, 0)
	}
	st.Moves = movesUnderWay(l, r.board.Moves(ctx, l.ring.Plan.ID))
	for _, m := range st.Moves {
		st.Rows += m.Rows
		st.Bytes += m.Bytes
		st.Dirty += m.Dirty
	}
	st.Moves = st.Moves[:min(len(st.Moves), shownMoves)]
	st.TotalRows = max(st.TotalRows, st.Rows)
	r.measure(st)
}

// movesUnderWay joins what source and target say about the moves that are not
// done, the newest first.
func movesUnderWay(l *ringLook, moves []board.Move) []api.MoveView {
	views := map[shard.Partition]api.MoveView{}
	for _, m := range moves {
		going, ok := l.moving(m.Partition)
		if !ok {
			continue
		}
		v := api.MoveView{Partition: int(m.Partition), From: going.From, To: going.To, State: m.State, Attempt: m.Attempt, Rows: m.Rows,
			TotalRows: m.TotalRows, Bytes: m.Bytes, Dirty: m.Dirty, PauseUS: m.PauseUS, Error: m.Error, Reason: reasonOf(m.Cause),
			StartedAt: chat.MillisOf(m.Started), UpdatedAt: chat.MillisOf(m.Updated)}
		if was, ok := views[m.Partition]; ok && (was.Attempt > v.Attempt || was.Attempt == v.Attempt && was.UpdatedAt > v.UpdatedAt) {
			continue
		}
		views[m.Partition] = v
	}
	list := make([]api.MoveView, 0, len(views))
	for _, v := range views {
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b api.MoveView) int {
		return cmp.Or(cmp.Compare(b.UpdatedAt, a.UpdatedAt), cmp.Compare(a.Partition, b.Partition))
	})
	return list
}

// measure works out rates from what was copied in the last seconds.
func (r *Reshards) measure(st *api.ReshardStatus) {
	now := r.now()
	r.pace = slices.DeleteFunc(r.pace, func(m paceMark) bool { return now.Sub(m.at) > paceWindow || m.rows > st.Rows })
	r.pace = append(r.pace, paceMark{at: now, rows: st.Rows, bytes: st.Bytes})
	first := r.pace[0]
	s := now.Sub(first.at).Seconds()
	if s < 0.5 {
		return
	}
	st.RowsS = math.Round(float64(st.Rows-first.rows) / s)
	st.BytesS = math.Round(float64(max(st.Bytes-first.bytes, 0)) / s)
	if left := st.TotalRows - st.Rows; left > 0 && st.RowsS > 0 {
		st.LeftMS = int64(float64(left) / st.RowsS * 1000)
	}
}

// Preview implements api.Reshards.
func (r *Reshards) Preview(ctx context.Context, c api.ReshardChange) (api.ReshardPreview, error) {
	l, err := r.look(ctx)
	if err != nil {
		return api.ReshardPreview{}, err
	}
	switch {
	case l.ring == nil || !l.settled():
		return api.ReshardPreview{}, Coded(chat.CodeConflict, reasonDisorder, errors.New("not every partition has exactly one owner that answers: no plan can be made"))
	case l.ring.Plan != nil:
		return api.ReshardPreview{}, ringError(&shard.UnderwayError{Plan: *l.ring.Plan})
	}
	id := shard.ID(c.Shard)
	next, err := l.ring.Map.Remove(id)
	if c.Change == "add" {
		next, err = l.ring.Map.Add(id)
	}
	if err != nil {
		return api.ReshardPreview{}, &chat.Error{Code: chat.CodeBadRequest, Message: err.Error(), Err: err, Reason: reasonFor(err)}
	}
	p := l.preview(next)
	p.Change, p.Shard, p.Makes = c.Change, c.Shard, c.Change == "add" && c.Addr == "" && r.desk.CanMake()
	return p, nil
}

// preview adds up what the change to another map moves.
func (l *ringLook) preview(next *shard.Map) api.ReshardPreview {
	v := api.ReshardPreview{Version: l.ring.Version, Before: l.sums(l.ring.Map), After: l.sums(next), Owner: make([]int, shard.Partitions),
		Spread: math.Round(next.Spread()*1000) / 1000}
	ids := next.Shards()
	for p := range shard.Partition(shard.Partitions) {
		v.Owner[p] = slices.Index(ids, next.Owner(p))
	}
	pairs := map[[2]string]*api.MoveSum{}
	for _, m := range shard.Moves(l.ring.Map, next) {
		key := [2]string{string(m.From), string(m.To)}
		if pairs[key] == nil {
			pairs[key] = &api.MoveSum{From: key[0], To: key[1]}
		}
		pairs[key].Partitions++
		pairs[key].Rows += l.rows[m.Partition]
		pairs[key].Bytes += l.bytes[m.Partition]
		v.Partitions++
		v.Rows += l.rows[m.Partition]
		v.Bytes += l.bytes[m.Partition]
	}
	for _, key := range slices.SortedFunc(maps.Keys(pairs), func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) }) {
		v.Moves = append(v.Moves, *pairs[key])
	}
	return v
}

// sums adds up what each shard has by a map.
func (l *ringLook) sums(m *shard.Map) []api.ShardSum {
	var list []api.ShardSum
	for _, id := range m.Shards() {
		s := api.ShardSum{Shard: string(id)}
		for _, p := range m.Owned(id) {
			s.Partitions++
			s.Rows += l.rows[p]
			s.Bytes += l.bytes[p]
		}
		list = append(list, s)
	}
	return list
}

// EachReceipt implements api.Reshards.
func (r *Reshards) EachReceipt(ctx context.Context, reshard string, each func(doc json.RawMessage) error) error {
	return r.board.EachReceipt(ctx, reshard, each)
}
