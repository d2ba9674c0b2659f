package move

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"gori/shard"
	"gori/shard/reshard"
	"gori/store/schema"
)

// What a reshard is estimated by: measured on a small machine.
const (
	rowsASecond  = 40_000
	eachMove     = 10 * time.Millisecond
	roomNeeded   = 2 // times the bytes that come
	bytesARow    = 350
	hashOwn      = "hash of PostgreSQL %s"
	hashPortable = "MD5 of rows as text: the shards' servers differ (%s)"
)

// Lane is what moves from one shard to another.
type Lane struct {
	From       shard.ID `json:"from"`
	To         shard.ID `json:"to"`
	Partitions int      `json:"partitions"`
	Rows       int64    `json:"rows"`  // estimated
	Bytes      int64    `json:"bytes"` // estimated
	Digests    string   `json:"digests"`
}

// Preflight is what can be known before partitions are moved.
type Preflight struct {
	Lanes    []*Lane             `json:"lanes"`
	Rows     int64               `json:"rows"`
	Bytes    int64               `json:"bytes"`
	Estimate time.Duration       `json:"estimate"`
	Schemas  map[shard.ID]int32  `json:"schemas"`
	Versions map[shard.ID]string `json:"versions"`       // of PostgreSQL
	Free     map[shard.ID]uint64 `json:"free,omitempty"` // bytes, where it can be known
	Down     []shard.ID          `json:"down,omitempty"`
	// Refusals say why the moves would fail; none: they may begin.
	Refusals []string `json:"refusals"`
}

func (f *Preflight) refuse(format string, args ...any) {
	f.Refusals = append(f.Refusals, fmt.Sprintf(format, args...))
}

// sideOf is one shard as Preflight sees it.
type sideOf struct {
	tables []*table
	owners map[shard.Partition]owner
	rows   map[shard.Partition]int64
	perRow float64 // bytes
	probe  [2]int64
	major  string
}

// Preflight looks at everything that would stop the moves, on all shards of the
// ring and those that the moves name, and changes nothing.
func (e *Engine) Preflight(ctx context.Context, moves []shard.Move) (*Preflight, error) {
	f := &Preflight{Schemas: map[shard.ID]int32{}, Versions: map[shard.ID]string{}, Free: map[shard.ID]uint64{}, Refusals: []string{}}
	ids := e.cfg.Shards()
	for _, m := range moves {
		ids = append(ids, m.From, m.To)
	}
	slices.Sort(ids)
	sides := map[shard.ID]*sideOf{}
	for _, id := range slices.Compact(ids) {
		side, err := e.inspect(ctx, id, f)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			f.Down = append(f.Down, id)
			f.refuse("%v", err)
			continue
		}
		sides[id] = side
	}
	if err := schema.Same(f.Schemas); err != nil {
		f.refuse("%v", err)
	}
	e.lanes(f, moves, sides)
	for _, l := range f.Lanes {
		f.Rows, f.Bytes = f.Rows+l.Rows, f.Bytes+l.Bytes
		s, t := sides[l.From], sides[l.To]
		if s == nil || t == nil {
			continue
		}
		for _, why := range compareCatalogs(l.From, l.To, s.tables, t.tables) {
			f.refuse("%s", why)
		}
		l.Digests = fmt.Sprintf(hashOwn, s.major)
		if s.major != t.major || s.probe != t.probe {
			l.Digests = fmt.Sprintf(hashPortable, s.major+", "+t.major)
		}
	}
	f.room()
	f.Estimate = time.Duration(float64(f.Rows)/rowsASecond*float64(time.Second)) + time.Duration(len(moves))*eachMove
	slices.Sort(f.Refusals)
	f.Refusals = slices.Compact(f.Refusals)
	return f, nil
}

// inspect reads what there is to know of one shard.
func (e *Engine) inspect(ctx context.Context, id shard.ID, f *Preflight) (*sideOf, error) {
	conn, err := e.lend(ctx, id, "look")
	if err != nil {
		return nil, err
	}
	defer e.giveBack(conn, id, "look")
	side := &sideOf{major: major(conn), perRow: bytesARow}
	f.Versions[id] = conn.PgConn().ParameterStatus("server_version")
	if f.Schemas[id], err = schema.Version(ctx, conn); err != nil {
		return nil, err
	}
	if side.tables, err = catalog(ctx, conn); err != nil {
		return nil, err
	}
	if side.owners, err = ownersOf(ctx, conn, nil); err != nil {
		return nil, err
	}
	if side.rows, err = weigh(ctx, conn, nil); err != nil {
		return nil, err
	}
	if err := conn.QueryRow(ctx, probing).Scan(&side.probe[0], &side.probe[1]); err != nil {
		return nil, err
	}
	var rows, bytes float64
	var recovering, readOnly bool
	var folder string
	err = conn.QueryRow(ctx, `SELECT coalesce(sum(greatest(n_live_tup, 0)), 0)::float8, coalesce(sum(pg_total_relation_size(relid)), 0)::float8,
		pg_is_in_recovery(), current_setting('default_transaction_read_only')::bool, coalesce((SELECT setting FROM pg_settings WHERE name = 'data_directory'), '')
		FROM pg_stat_user_tables WHERE schemaname = 'data'`).Scan(&rows, &bytes, &recovering, &readOnly, &folder)
	if err != nil {
		return nil, err
	}
	if rows > 1000 {
		side.perRow = max(bytes/rows, 50)
	}
	if recovering || readOnly {
		f.refuse("shard %s takes no writes", id)
	}
	if e.cfg.Free != nil && folder != "" {
		if free, known := e.cfg.Free(folder); known {
			f.Free[id] = free
		}
	}
	return side, nil
}

// lanes sums the moves up by pairs of shards and checks who owns what.
func (e *Engine) lanes(f *Preflight, moves []shard.Move, sides map[shard.ID]*sideOf) {
	by := map[[2]shard.ID]*Lane{}
	for _, m := range moves {
		l := by[[2]shard.ID{m.From, m.To}]
		if l == nil {
			l = &Lane{From: m.From, To: m.To}
			by[[2]shard.ID{m.From, m.To}] = l
		}
		l.Partitions++
		s, t := sides[m.From], sides[m.To]
		if s == nil {
			continue
		}
		l.Rows += s.rows[m.Partition]
		l.Bytes += int64(float64(s.rows[m.Partition]) * s.perRow)
		if t == nil {
			continue
		}
		o, there := s.owners[m.Partition], t.owners[m.Partition]
		if there.state == reshard.Active && there.epoch > o.epoch {
			continue // moved already; at most its forwarding is left
		}
		if o.state != reshard.Active && o.state != reshard.Fencing {
			f.refuse("partition %s is %s at shard %s, which should serve it", m.Partition, orNone(o.state), m.From)
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(by), func(a, b [2]shard.ID) int { return slices.Compare(a[:], b[:]) }) {
		f.Lanes = append(f.Lanes, by[k])
	}
}

// room compares what comes to each shard with what is free there.
func (f *Preflight) room() {
	coming := map[shard.ID]int64{}
	for _, l := range f.Lanes {
		coming[l.To] += l.Bytes
	}
	for id, bytes := range coming {
		if free, known := f.Free[id]; known && free < uint64(roomNeeded*bytes) {
			f.refuse("shard %s has %d MB free and about %d MB come to it, of which twice is needed", id, free>>20, bytes>>20)
		}
	}
}
