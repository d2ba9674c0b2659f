package board_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
	"gori/store"
	"gori/store/board"
	"gori/store/storetest"
)

// system is two shards with a channel, an audit log, and what a reshard leaves.
type system struct {
	t      *testing.T
	shards []board.Instance
	store  *store.Store
	board  *board.Board
}

func newSystem(t *testing.T) *system {
	t.Helper()
	s := &system{t: t}
	cfg := store.Config{PingTimeout: 2 * time.Minute} // a busy host may be slow
	for i, dsn := range storetest.DSNs(t, 2) {
		id := shard.ID(string(rune('a' + i)))
		s.shards = append(s.shards, board.Instance{ID: id, DSN: dsn})
		cfg.Shards = append(cfg.Shards, store.ShardConfig{ID: id, DSN: dsn})
	}
	// Ids of one millisecond have no order, so each look at the clock is another.
	var ticks atomic.Int64
	begun := time.Now()
	cfg.Clock = func() time.Time { return begun.Add(time.Duration(ticks.Add(1)) * time.Millisecond) }
	m, err := shard.First([]shard.ID{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.MigrateAll(t.Context(), cfg.Shards, nil, m); err != nil {
		t.Fatal(err)
	}
	if s.store, err = store.Open(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.store.Close)
	s.board = board.New(func() []board.Instance { return s.shards })
	t.Cleanup(s.board.Close)
	return s
}

func (s *system) exec(i int, sql string, args ...any) {
	s.t.Helper()
	s.execIn(i, nil, sql, args...)
}

// execIn runs a statement that may write to a partition.
func (s *system) execIn(i int, p *shard.Partition, sql string, args ...any) {
	s.t.Helper()
	conn, err := pgx.Connect(s.t.Context(), s.shards[i].DSN)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(s.t.Context()))
	tx, err := conn.Begin(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	if p != nil {
		_, err = tx.Exec(s.t.Context(), "SELECT control.gate(ARRAY[$1::int])", int32(*p))
	}
	if err == nil {
		_, err = tx.Exec(s.t.Context(), sql, args...)
	}
	if err == nil {
		err = tx.Commit(s.t.Context())
	}
	if err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
}

func TestLookAndVitals(t *testing.T) {
	s := newSystem(t)
	served := map[shard.Partition]shard.ID{}
	for _, a := range s.board.Look(t.Context()) {
		if a.Err != nil || a.Value.Ring == nil || a.Value.Ring.Version < 1 {
			t.Fatalf("shard %s: %v, ring %v", a.Shard, a.Err, a.Value.Ring)
		}
		for _, o := range a.Value.Owners {
			if o.State == "active" {
				served[o.Partition] = a.Shard
			}
		}
	}
	if len(served) != shard.Partitions {
		t.Errorf("%d partitions are served", len(served))
	}
	for _, a := range s.board.Vitals(t.Context()) {
		v := a.Value
		if a.Err != nil || v.Version == "" || v.Conns < 1 || v.MaxConns < v.Conns || v.Commits == 0 || v.WAL == 0 || len(v.Tables) < 10 || v.Partitions == 0 {
			t.Errorf("shard %s: %v, %+v", a.Shard, a.Err, v)
		}
	}
}

// What does not answer is missing, and the rest is there, in time.
func TestAShardThatDoesNotAnswer(t *testing.T) {
	s := newSystem(t)
	s.shards = append(s.shards, board.Instance{ID: "c", DSN: "host=/nonexistent dbname=none"})
	looks := s.board.Look(t.Context())
	if len(looks) != 3 || looks[0].Err != nil || looks[1].Err != nil || looks[2].Err == nil {
		t.Errorf("it looks like %v", looks)
	}
	if _, missing := s.board.Audit(t.Context(), 0, 5); len(missing) != 1 || missing[0] != "c" {
		t.Errorf("missing are %v", missing)
	}
	s.shards = s.shards[:1]
	if looks := s.board.Look(t.Context()); len(looks) != 1 || looks[0].Err != nil {
		t.Errorf("with one shard: %v", looks)
	}
}

func TestHotChannels(t *testing.T) {
	s := newSystem(t)
	add := func(i int, channel chat.ChannelID, messages int, ago, apart time.Duration) {
		p := shard.Of(channel)
		s.execIn(i, &p, `INSERT INTO data.channels (partition, channel_id, kind, name, created_by, member_limit, member_count, last_seq, last_count, last_at)
			VALUES ($1, $2, 2, 'g', 1, 10, 3, $3, $3, now() - $4::interval)`, int32(p), channel, messages, ago)
		s.execIn(i, &p, `INSERT INTO data.messages (partition, channel_id, seq, count, sender_id, client_msg_id, digest, body, created_at)
			SELECT $1, $2, n, n, 1, gen_random_uuid(), 0, 'x', now() - $4::interval - ($3 - n) * $5::interval FROM generate_series(1, $3::int) n`,
			int32(p), channel, messages, ago, apart)
	}
	on := s.at()
	busy, calm, old := on("a", 1), on("b", 100), on("a", 1000)
	add(0, busy, 1500, 0, 20*time.Millisecond) // fifty a second, of which the newest 1000 are looked at
	add(1, calm, 6, time.Second, time.Second)
	add(0, old, 50, 5*time.Minute, time.Second)
	hot := s.board.Hot(t.Context(), 10)
	if len(hot) != 2 || hot[0].Channel != busy || hot[1].Channel != calm {
		t.Fatalf("hot are %+v", hot)
	}
	if r := hot[0].PerMinute; r < 2000 || r > 3500 {
		t.Errorf("the busy one has %.0f a minute", r)
	}
	if r := hot[1].PerMinute; r != 6 || hot[1].Shard != "b" || hot[1].Members != 3 || hot[1].Partition != shard.Of(calm) {
		t.Errorf("the calm one is %+v", hot[1])
	}
	if hot := s.board.Hot(t.Context(), 1); len(hot) != 1 {
		t.Errorf("one was asked for: %d", len(hot))
	}
}

// at returns ids of channels that live on a shard.
func (s *system) at() func(id shard.ID, from int64) chat.ChannelID {
	s.t.Helper()
	owner := map[shard.Partition]shard.ID{}
	for _, a := range s.board.Look(s.t.Context()) {
		for _, o := range a.Value.Owners {
			if o.State == "active" {
				owner[o.Partition] = a.Shard
			}
		}
	}
	return func(id shard.ID, from int64) chat.ChannelID {
		for owner[shard.Of(from)] != id {
			from++
		}
		return chat.ChannelID(from)
	}
}

func TestAuditIsNewestFirstOverAllShards(t *testing.T) {
	s := newSystem(t)
	for i := range 25 {
		e := chat.AuditEvent{At: time.Now(), Action: "login.failed", Subject: fmt.Sprintf("name%d", i), Address: "192.0.2.1"}
		if err := s.store.Audit(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	var subjects []string
	before, shards := int64(0), map[shard.ID]bool{}
	for range 10 {
		lines, missing := s.board.Audit(t.Context(), before, 7)
		if len(missing) > 0 {
			t.Fatalf("missing: %v", missing)
		}
		for _, l := range lines {
			subjects = append(subjects, l.Subject)
			before = l.ID
			shards[l.Shard] = true
		}
		if len(lines) < 7 {
			break
		}
	}
	if len(subjects) != 25 || subjects[0] != "name24" || subjects[24] != "name0" || len(shards) != 2 {
		t.Errorf("%d lines of %v: %v", len(subjects), shards, subjects)
	}
}

func TestReceiptsOfBothSidesAreOne(t *testing.T) {
	s := newSystem(t)
	at := time.Now().Truncate(time.Second)
	receipt := func(i int, reshard string, p int, rows int64, channels string) {
		s.exec(i, "INSERT INTO control.receipts (reshard, partition, at, doc) VALUES ($1, $2, $3, $4::jsonb)", reshard, p, at.Add(time.Duration(p)*time.Second),
			fmt.Sprintf(`{"reshard":%q,"partition":%d,"from":"a","to":"b","rows":%d,"bytes":10,"followed":1,"pause_us":%d,"tables":null,"channels":%s}`,
				reshard, p, rows, 1000*p, channels))
	}
	for _, i := range []int{0, 1} {
		receipt(i, "r1", 7, 5, `[{"channel":"1","gaps":0},{"channel":"2","gaps":2}]`)
	}
	receipt(1, "r1", 3, 4, "null") // the other side does not have it yet
	receipt(0, "r0", 1, 1, "[]")
	list := s.board.Receipts(t.Context(), "r1", time.Time{})
	if len(list) != 2 || list[0].Partition != 3 || list[1].Partition != 7 || list[1].Channels != 2 || list[1].Gaps != 2 || list[1].PauseUS != 7000 || list[0].From != "a" {
		t.Errorf("the receipts are %+v", list)
	}
	if list := s.board.Receipts(t.Context(), "r1", at.Add(5*time.Second)); len(list) != 1 || list[0].Partition != 7 {
		t.Errorf("the newer receipts are %+v", list)
	}
	if list := s.board.Reshards(t.Context(), 5); len(list) != 2 || list[0].ID != "r1" || list[0].Count != 3 {
		t.Errorf("the reshards are %+v", list)
	}
	var seen []int
	err := s.board.EachReceipt(t.Context(), "r1", func(doc json.RawMessage) error {
		var d struct {
			Partition int `json:"partition"`
		}
		seen = append(seen, 0)
		err := json.Unmarshal(doc, &d)
		seen[len(seen)-1] = d.Partition
		return err
	})
	if err != nil || len(seen) != 2 || seen[0] != 3 || seen[1] != 7 {
		t.Errorf("one by one they are %v: %v", seen, err)
	}
	var coded *chat.Error
	if err := s.board.EachReceipt(t.Context(), "r9", nil); !errors.As(err, &coded) || coded.Code != chat.CodeNotFound {
		t.Errorf("of no reshard: %v", err)
	}
}

func TestMovesSayWhoSaysSo(t *testing.T) {
	s := newSystem(t)
	s.exec(0, `INSERT INTO control.moves (partition, reshard, role, peer, attempt, state, rows, dirty) VALUES (7, 'r1', 'source', 'b', 2, 'copying', 5, 3)`)
	s.exec(1, `INSERT INTO control.moves (partition, reshard, role, peer, attempt, state) VALUES (7, 'r1', 'target', 'a', 2, 'copying'), (8, 'r0', 'target', 'a', 1, 'cleaned')`)
	moves := s.board.Moves(t.Context(), "r1")
	if len(moves) != 2 || moves[0].At != "a" || moves[0].Role != "source" || moves[0].Rows != 5 || moves[1].At != "b" || moves[1].Attempt != 2 {
		t.Errorf("the moves are %+v", moves)
	}
	if looks := s.board.Look(t.Context()); looks[1].Value.Moves[7] != "copying" {
		t.Errorf("the states are %v", looks[1].Value.Moves)
	}
}
