package admin

import (
	"cmp"
	"context"
	"log/slog"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"gori/api"
	"gori/chat"
	"gori/shard"
	"gori/store/board"
	"gori/store/survey"
)

// What the admin page is told is this old at most, however many look.
const (
	ringAge   = 900 * time.Millisecond
	vitalsAge = 1500 * time.Millisecond
	hotAge    = 4 * time.Second
)

// recently keeps an answer for a while. Who asks meanwhile waits for the same.
type recently[T any] struct {
	mu    sync.Mutex
	at    time.Time // guarded by mu
	value T         // guarded by mu
}

func (r *recently[T]) get(now func() time.Time, age time.Duration, ask func() (T, error)) (T, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.at.IsZero() && now().Sub(r.at) < age {
		return r.value, nil
	}
	value, err := ask()
	if err == nil {
		r.value, r.at = value, now()
	}
	return value, err
}

// findPatience bounds what looking for one thing waits for a shard.
const findPatience = 10 * time.Second

// Board tells admins where data lives. It implements api.Board.
type Board struct {
	board  *board.Board
	shards func() []board.Instance
	now    func() time.Time
	log    *slog.Logger

	looked recently[*ringLook]
	vitals recently[[]api.ShardView]
	hot    recently[[]board.Hot]

	before map[shard.ID]board.Vitals // guarded by vitals.mu: for rates
}

// NewBoard asks whatever instances shards names. Nothing is connected until
// somebody looks. Close it.
func NewBoard(shards func() []board.Instance, log *slog.Logger) *Board {
	return &Board{board: board.New(shards), shards: shards, now: time.Now, log: log, before: map[shard.ID]board.Vitals{}}
}

// Close ends its connections.
func (b *Board) Close() { b.board.Close() }

// Shards implements api.Board.
func (b *Board) Shards(ctx context.Context) ([]api.ShardView, error) {
	return b.vitals.get(b.now, vitalsAge, func() ([]api.ShardView, error) {
		var views []api.ShardView
		for _, a := range b.board.Vitals(ctx) {
			v := vitalsView(a.Shard, a.Value, b.before[a.Shard])
			if a.Err != nil {
				// The cause may tell of hosts and users: it is for the log.
				b.log.Debug("the board has no answer of a shard", "shard", a.Shard, "error", a.Err)
				v = api.ShardView{ID: string(a.Shard), Error: string(shard.CauseDown), Tables: []api.TableView{}}
			} else {
				b.before[a.Shard] = a.Value
			}
			views = append(views, v)
		}
		return views, ctx.Err()
	})
}

func vitalsView(id shard.ID, v, before board.Vitals) api.ShardView {
	view := api.ShardView{ID: string(id), Up: true, PingUS: v.Ping.Microseconds(), Partitions: v.Partitions, Channels: v.Channels, Messages: v.Messages,
		Conns: v.Conns, MaxConns: v.MaxConns, Pending: v.Pending, Dirty: v.Dirty, Version: strings.SplitN(v.Version, " ", 2)[0], StartedAt: chat.MillisOf(v.Started),
		Standby: v.Standby, StandbyLag: max(v.StandbyLag, 0), Tables: []api.TableView{}}
	for _, t := range v.Tables {
		view.Rows += t.Rows
		view.Bytes += t.Bytes
		view.Tables = append(view.Tables, api.TableView(t))
	}
	if s := v.At.Sub(before.At).Seconds(); before.Started.Equal(v.Started) && s > 0 {
		rate := func(now, then int64) float64 { return math.Round(float64(max(now-then, 0))/s*10) / 10 }
		view.Writes, view.RowsIn, view.WAL = rate(v.Commits, before.Commits), rate(v.Written, before.Written), rate(v.WAL, before.WAL)
	}
	return view
}

// Hot implements api.Board.
func (b *Board) Hot(ctx context.Context, limit int) ([]api.HotChannel, error) {
	const most = 100 // api asks for no more
	hot, err := b.hot.get(b.now, hotAge, func() ([]board.Hot, error) { return b.board.Hot(ctx, most), ctx.Err() })
	if err != nil {
		return nil, err
	}
	var views []api.HotChannel
	for _, h := range hot[:min(limit, len(hot))] {
		views = append(views, api.HotChannel{Channel: h.Channel, Kind: h.Kind, Name: h.Name, Members: h.Members, Seq: h.LastSeq,
			PerMinute: math.Round(h.PerMinute*10) / 10, Partition: int(h.Partition), Shard: string(h.Shard), LastAt: chat.MillisOf(h.LastAt)})
	}
	return views, nil
}

// Audit implements api.Board.
func (b *Board) Audit(ctx context.Context, before int64, limit int) (page api.AuditPage, err error) {
	lines, missing := b.board.Audit(ctx, before, limit+1)
	if len(lines) > limit {
		lines, page.More = lines[:limit], true
	}
	for _, l := range lines {
		page.Lines = append(page.Lines, api.AuditLine{ID: strconv.FormatInt(l.ID, 10), At: chat.MillisOf(l.At), Actor: l.Actor, Action: l.Action,
			Subject: l.Subject, Address: l.Address, Shard: string(l.Shard)})
	}
	for _, id := range missing {
		page.Missing = append(page.Missing, string(id))
	}
	return page, ctx.Err()
}

// Where implements api.Board. Every shard that answers is asked, because the
// name of a group says nothing about its place; of what is found counts what the
// shard owns.
func (b *Board) Where(ctx context.Context, w api.WhereQuery) ([]api.Place, error) {
	look, err := b.look(ctx)
	if err != nil {
		return nil, err
	}
	q := survey.Query{ID: int64(w.Channel) | int64(w.User), Group: w.Name}
	if name, err := chat.CanonicalLoginName(w.Name); err == nil && w.Name != "" {
		q.LoginName = name
	}
	ctx, cancel := context.WithTimeout(ctx, findPatience)
	defer cancel()
	shards := b.shards()
	found := make([][]survey.Thing, len(shards))
	var wg sync.WaitGroup
	for i, in := range shards {
		wg.Go(func() { found[i], _ = survey.Find(ctx, in.DSN, q) }) // what is missing was not to be found
	}
	wg.Wait()
	var places []api.Place
	for i, things := range found {
		for _, t := range things {
			o, ok := look.owners[t.Partition][shards[i].ID]
			wanted := w.Name != "" || (t.Kind == "user") == (w.User != 0)
			if ok && wanted && (o.State == "active" || o.State == "fenced") {
				places = append(places, api.Place{Kind: t.Kind, ID: strconv.FormatInt(t.ID, 10), Name: t.Name, Messages: t.Messages,
					Partition: int(t.Partition), Shard: string(shards[i].ID), State: o.State, Epoch: int64(o.Epoch)})
			}
		}
	}
	slices.SortFunc(places, func(a, b api.Place) int { return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.ID, b.ID)) })
	return places, ctx.Err()
}
