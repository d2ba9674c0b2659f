package move

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
	"gori/store"
	"gori/store/storetest"
)

const (
	src = shard.ID("a")
	dst = shard.ID("b")
)

// patient is a budget that a busy machine keeps.
const patient = time.Minute

// pair is two shards, all partitions at the first.
type pair struct {
	*Engine
	t    testing.TB
	dsns map[shard.ID]string
	conn map[shard.ID]*pgx.Conn
}

// newPair makes an engine that logs in as movers do.
func newPair(t testing.TB, edit ...func(*Config)) *pair {
	t.Helper()
	list := storetest.DSNs(t, 2)
	return newPairOn(t, map[shard.ID]string{src: list[0], dst: list[1]}, edit...)
}

func newPairOn(t testing.TB, dsns map[shard.ID]string, edit ...func(*Config)) *pair {
	t.Helper()
	p := &pair{t: t, dsns: dsns, conn: map[shard.ID]*pgx.Conn{}}
	m, err := shard.First([]shard.ID{src})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []shard.ID{src, dst} {
		if err := store.Migrate(t.Context(), dsns[id], id, m); err != nil {
			t.Fatal(err)
		}
		p.conn[id] = connect(t, dsns[id])
	}
	p.Engine = p.another(edit...)
	return p
}

// another is a mover on the same shards.
func (p *pair) another(edit ...func(*Config)) *Engine {
	cfg := Config{
		DSN:    func(id shard.ID) (string, error) { return p.dsns[id] + " user=" + store.MoverRole, nil },
		Shards: func() []shard.ID { return []shard.ID{src, dst} },
		Budget: patient,
	}
	for _, e := range edit {
		e(&cfg)
	}
	e := New(cfg)
	p.t.Cleanup(e.Close)
	return e
}

func connect(t testing.TB, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hangUp(conn) })
	return conn
}

func (p *pair) exec(id shard.ID, sql string, args ...any) {
	p.t.Helper()
	if _, err := p.conn[id].Exec(p.t.Context(), sql, args...); err != nil {
		p.t.Fatalf("%s: %v", sql, err)
	}
}

// write runs statements at a shard behind the gate of p.
func (p *pair) write(id shard.ID, part shard.Partition, sql string, args ...any) error {
	return pgx.BeginFunc(p.t.Context(), p.conn[id], func(tx pgx.Tx) error {
		if _, err := tx.Exec(p.t.Context(), "SELECT control.gate($1)", []int32{int32(part)}); err != nil {
			return err
		}
		_, err := tx.Exec(p.t.Context(), sql, args...)
		return err
	})
}

func (p *pair) mustWrite(id shard.ID, part shard.Partition, sql string, args ...any) {
	p.t.Helper()
	if err := p.write(id, part, sql, args...); err != nil {
		p.t.Fatalf("%s: %v", sql, err)
	}
}

// fill puts n rows of made-up values into every table there is, for each of ps.
func (p *pair) fill(ps []shard.Partition, n int) {
	p.t.Helper()
	ctx := p.t.Context()
	list, err := catalog(ctx, p.conn[src])
	if err != nil {
		p.t.Fatal(err)
	}
	var b pgx.Batch
	sorted := slices.Sorted(slices.Values(ints(ps)))
	b.Queue("BEGIN")
	b.Queue("SELECT control.gate($1)", sorted)
	for _, t := range list {
		var values []string
		for _, c := range t.columns {
			values = append(values, madeUp(c))
		}
		b.Queue(fmt.Sprintf("INSERT INTO %s SELECT %s FROM unnest($1::int[]) p, generate_series(1, $2::int) g", t.full(), strings.Join(values, ", ")), sorted, n)
	}
	b.Queue("UPDATE data.messages SET channel_id = partition * 1000 + 1, seq = seq - partition * 1000 WHERE partition = ANY($1)", sorted)
	b.Queue("UPDATE data.channels SET last_seq = CASE WHEN channel_id = partition * 1000 + 1 THEN $2::int ELSE 0 END WHERE partition = ANY($1)", sorted, n)
	b.Queue("COMMIT")
	if err := p.conn[src].SendBatch(ctx, &b).Close(); err != nil {
		p.t.Fatal(err)
	}
}

// madeUp is an expression for a value of the g-th row of partition p.
func madeUp(c column) string {
	if c.Name == "partition" {
		return "p"
	}
	const id = "(p * 1000 + g)"
	switch c.Type {
	case "integer", "bigint":
		return id
	case "smallint":
		return "g % 100"
	case "boolean":
		return "g % 2 = 0"
	case "text":
		return "'대화 ' || " + id
	case "uuid":
		return "md5(" + id + "::text)::uuid"
	case "bytea":
		return "sha256(" + id + "::text::bytea)"
	case "jsonb":
		return "jsonb_build_object('n', " + id + ", 's', 'x')"
	case "timestamp with time zone":
		return "'2026-01-02 03:04:05.678901+00'::timestamptz + g * interval '1 second'"
	case "bigint[]":
		return "ARRAY[" + id + ", 7]"
	}
	panic("no made-up value of type " + c.Type)
}

// digests returns the totals of every table at a shard.
func (p *pair) digests(id shard.ID, ps []shard.Partition) map[string]digest {
	p.t.Helper()
	list, err := catalog(p.t.Context(), p.conn[id])
	if err != nil {
		p.t.Fatal(err)
	}
	all := map[string]digest{}
	for _, t := range list {
		of := map[bucket]digest{}
		rows, err := p.conn[id].Query(p.t.Context(), newStatements(t, fast).digests, ints(ps))
		if err := collect(rows, err, t.name, of); err != nil {
			p.t.Fatal(err)
		}
		for _, d := range of {
			all[t.name] = all[t.name].plus(d)
		}
	}
	return all
}

func (p *pair) begin(ps ...shard.Partition) reshard.Work {
	p.t.Helper()
	w, err := p.Begin(p.t.Context(), reshard.Group{Reshard: "r1", From: src, To: dst, Partitions: ps})
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(w.Close)
	return w
}

// move moves partitions to the end.
func (p *pair) move(ps ...shard.Partition) []reshard.Receipt {
	p.t.Helper()
	w := p.begin(ps...)
	if err := w.Fill(p.t.Context(), free{}); err != nil {
		p.t.Fatal(err)
	}
	receipts, err := w.Cut(p.t.Context())
	if err != nil {
		p.t.Fatal(err)
	}
	w.Close()
	return receipts
}

// states says who is what of a partition: "gone active".
func (p *pair) states(part shard.Partition) string {
	p.t.Helper()
	var list []string
	for _, id := range []shard.ID{src, dst} {
		o, err := ownersOf(context.Background(), p.conn[id], []int32{int32(part)})
		if err != nil {
			p.t.Fatal(err)
		}
		list = append(list, orNone(o[part].state))
	}
	return strings.Join(list, " ")
}

func (p *pair) wantStates(want string, ps ...shard.Partition) {
	p.t.Helper()
	for _, part := range ps {
		if got := p.states(part); got != want {
			p.t.Fatalf("partition %d is %q, not %q", part, got, want)
		}
	}
}

func TestEveryTableMoves(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	ps := []shard.Partition{3, 4, 900}
	p.fill(append(ps, 5), 40)
	before, rest := p.digests(src, ps), p.digests(src, []shard.Partition{5})
	receipts := p.move(ps...)
	p.wantStates("gone active", ps...)
	p.wantStates("active unknown", 5)
	if after := p.digests(dst, ps); !equalDigests(before, after) {
		t.Fatalf("before %v\nafter  %v", before, after)
	}
	if len(receipts) != len(ps) {
		t.Fatalf("%d receipts", len(receipts))
	}
	for _, r := range receipts {
		if r.Rows < int64(len(before)*40) || len(r.Tables) != len(before) || r.PauseUS <= 0 || r.Epoch != 2 {
			t.Errorf("receipt %+v", r)
		}
		i := slices.IndexFunc(r.Channels, func(c reshard.ChannelReceipt) bool { return c.Last > 0 })
		if c := r.Channels[i]; c.Rows != 40 || c.First != 1 || c.Last != 40 || c.Gaps != 0 {
			t.Errorf("channel %+v", c)
		}
	}
	if err := p.Clean(t.Context(), src, ps, free{}); err != nil {
		t.Fatal(err)
	}
	for table, d := range p.digests(src, ps) {
		if d.rows != 0 {
			t.Errorf("%s has %v left", table, d)
		}
	}
	if left := p.digests(src, []shard.Partition{5}); !equalDigests(left, rest) {
		t.Error("another partition lost rows")
	}
}

func equalDigests(a, b map[string]digest) bool {
	if len(a) != len(b) || len(a) == 0 {
		return false
	}
	for k, d := range a {
		if b[k] != d || d.rows == 0 {
			return false
		}
	}
	return true
}
