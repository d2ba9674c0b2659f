package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// ownAs sets the state of p on one shard by hand, as a mover would.
func (h *harness) ownAs(slot int, p shard.Partition, state, peer string, epoch int) {
	h.t.Helper()
	_, err := h.shards()[slot].pool().Exec(context.Background(), `INSERT INTO control.partition_owner (partition, state, peer, epoch) VALUES ($1, $2, $3, $4)
		ON CONFLICT (partition) DO UPDATE SET state = $2, peer = $3, epoch = $4`, int32(p), state, peer, epoch)
	if err != nil {
		h.t.Fatal(err)
	}
}

func (h *harness) ownerSlot(p shard.Partition) int { return int(h.routes.Load().owner[p]) }

// copyPartition carries the rows of p from one shard to another, as the final
// delta of a move would.
func (h *harness) copyPartition(p shard.Partition, from, to int) {
	h.t.Helper()
	ctx := context.Background()
	err := pgx.BeginFunc(ctx, h.shards()[to].pool(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT set_config('gori.gate', $1, true)", fmt.Sprintf("/%d/", p)); err != nil {
			return err
		}
		for _, table := range []string{"channels", "members", "messages", "user_state", "inbox"} {
			rows, err := h.shards()[from].pool().Query(ctx, "SELECT to_jsonb(t) FROM data."+table+" t WHERE partition = $1", int32(p))
			if err != nil {
				return err
			}
			docs, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "DELETE FROM data."+table+" WHERE partition = $1", int32(p)); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "INSERT INTO data."+table+" SELECT r.* FROM unnest($1::jsonb[]) d, jsonb_populate_record(NULL::data."+table+", d) r", docs); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// fence does what a mover does: it waits for the writers inside, and keeps
// others waiting until the state is written.
func (h *harness) fence(slot int, p shard.Partition, peer shard.ID) {
	h.t.Helper()
	ctx := context.Background()
	err := pgx.BeginFunc(ctx, h.shards()[slot].pool(), func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(77, $1)", int32(p)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "UPDATE control.partition_owner SET state = 'fenced', peer = $2 WHERE partition = $1", int32(p), string(peer))
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// move hands p over.
func (h *harness) move(p shard.Partition, from, to, epoch int) {
	h.t.Helper()
	h.ownAs(to, p, "incoming", string(h.shards()[from].id), epoch)
	h.fence(from, p, h.shards()[to].id)
	h.copyPartition(p, from, to)
	h.ownAs(to, p, "active", "", epoch)
	h.ownAs(from, p, "gone", string(h.shards()[to].id), epoch)
}

func TestAFencedPartitionIsRetriedAndAGoneOneFollowed(t *testing.T) {
	h := newHarness(t, 2, func(c *Config) { c.MovingBudget = 50 * time.Millisecond })
	a, b := h.user(), h.user()
	ch := h.channel(a, b)
	h.send(ch, a, 1, "here")
	h.settledAll()
	p := partitionOf(ch)
	from := h.ownerSlot(p)
	to := 1 - from

	h.fence(from, p, h.shards()[to].id)
	_, err := h.Append(t.Context(), chat.Draft{Channel: ch, Sender: a, ClientMsgID: cid(2), Body: "fenced"})
	wantCode(t, err, chat.CodeMoving)
	if !chat.ErrorOf(err).Retry {
		t.Error("moving must be retryable")
	}
	err = h.Store.write(t.Context(), p, func(context.Context, pgx.Tx) error { t.Error("wrote"); return nil })
	wantCode(t, err, chat.CodeMoving)
	if r, err := h.readRoster(t.Context(), ch); err != nil || len(r.ids) != 2 {
		t.Errorf("a fenced partition can be read: %v %v", r, err)
	}

	h.ownAs(to, p, "incoming", "", 2)
	h.copyPartition(p, from, to)
	h.ownAs(to, p, "active", "", 2)
	h.ownAs(from, p, "gone", string(h.shards()[to].id), 2)
	if r := h.send(ch, a, 1, "here"); r.Seq != 1 || !r.Duplicate {
		t.Errorf("a retry after the move: %+v", r)
	}
	if r := h.send(ch, b, 3, "there"); r.Seq != 2 {
		t.Errorf("after the move: %+v", r)
	}
	if h.ownerSlot(p) != to {
		t.Error("the routes did not learn")
	}
	// A node that has learnt nothing reads right, too.
	h.learn(p, h.shards()[from].id)
	if r, err := h.readRoster(t.Context(), ch); err != nil || len(r.ids) != 2 {
		t.Errorf("a read by an old route: %v %v", r, err)
	}
	// Nor is it told that there is nothing, where the rows were removed.
	h.learn(p, h.shards()[from].id)
	h.clear(from, p)
	if page, err := h.History(t.Context(), chat.HistoryQuery{Channel: ch, Viewer: a}); err != nil || page.LastSeq != 2 {
		t.Errorf("a read by an old route after the cleaning: %+v, %v", page, err)
	}
}

// A partition goes to and fro between two shards while people write to its
// channel: nothing acknowledged is lost, doubled or reordered.
func TestWritersDuringHandOvers(t *testing.T) {
	h := newHarness(t, 2, func(c *Config) { c.MovingBudget = patience })
	a, b := h.user(), h.user()
	ch := h.channel(a, b)
	p := partitionOf(ch)
	h.send(ch, a, 1, "first")
	var (
		mu    sync.Mutex
		acked = map[chat.Seq]chat.ClientMsgID{1: cid(1)}
		stop  atomic.Bool
		wg    sync.WaitGroup
	)
	for w := range 4 {
		wg.Go(func() {
			for n := 0; !stop.Load(); n++ {
				d := chat.Draft{Channel: ch, Sender: a, ClientMsgID: cid(1000*(w+1) + n), Body: "x"}
				rs, err := h.Append(context.Background(), d)
				if err != nil {
					t.Errorf("append: %v", err)
					return
				}
				mu.Lock()
				if old, ok := acked[rs[0].Seq]; ok {
					t.Errorf("seq %d was given to %v and %v", rs[0].Seq, old, d.ClientMsgID)
				}
				acked[rs[0].Seq] = d.ClientMsgID
				mu.Unlock()
			}
		})
	}
	from := h.ownerSlot(p)
	for epoch := 2; epoch < 10; epoch++ {
		h.move(p, from, 1-from, epoch)
		from = 1 - from
	}
	stop.Store(true)
	wg.Wait()
	rows, _ := h.shards()[from].pool().Query(context.Background(), "SELECT seq, client_msg_id FROM data.messages WHERE partition = $1 ORDER BY seq", int32(p))
	var (
		n   chat.Seq
		seq chat.Seq
		id  [16]byte
	)
	if _, err := pgx.ForEachRow(rows, []any{&seq, &id}, func() error {
		n++
		if seq != n || acked[seq] != chat.ClientMsgID(id) {
			return fmt.Errorf("row %d has seq %d", n, seq)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if int(n) != len(acked) {
		t.Errorf("%d are stored, %d were acknowledged", n, len(acked))
	}
}

// The gate and what is left of it when a part is taken away.
const (
	gateWithoutLock = `CREATE FUNCTION control.gate_without_lock(ps int[]) RETURNS void LANGUAGE plpgsql AS $$
		BEGIN
			IF (SELECT count(*) FROM control.partition_owner WHERE partition = ANY (ps) AND state = 'active') <> cardinality(ps) THEN
				RAISE EXCEPTION 'closed' USING ERRCODE = 'GR001';
			END IF;
			PERFORM set_config('gori.gate', '/' || array_to_string(ps, '/') || '/', true);
		END $$`
	gateInOneStatement = `CREATE FUNCTION control.gate_in_one_statement(ps int[]) RETURNS void LANGUAGE plpgsql AS $$
		BEGIN
			IF (WITH l AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(77, p) FROM unnest(ps) p)
				SELECT count(*) FROM (SELECT count(*) FROM l) locked, control.partition_owner WHERE partition = ANY (ps) AND state = 'active') <> cardinality(ps) THEN
				RAISE EXCEPTION 'closed' USING ERRCODE = 'GR001';
			END IF;
			PERFORM set_config('gori.gate', '/' || array_to_string(ps, '/') || '/', true);
		END $$`
)

// lostToFence plays the two schedules in which a gate can fail, and returns how
// many acknowledged messages the other shard's copy lacks.
func lostToFence(t *testing.T, gateSQL, mutant string) (lost int) {
	for _, schedule := range []func(h *harness, ch chat.ChannelID, a chat.UserID) (acked bool){writerBeforeFence, writerDuringFence} {
		h := newHarness(t, 2, func(c *Config) { c.MovingBudget = 20 * time.Millisecond })
		a, b := h.user(), h.user()
		ch := h.channel(a, b)
		if mutant != "" {
			for _, sh := range h.shards() {
				if _, err := sh.pool().Exec(t.Context(), mutant); err != nil {
					t.Fatal(err)
				}
			}
		}
		h.gateSQL = gateSQL
		acked := schedule(h, ch, a)
		p := partitionOf(ch)
		var n int
		if err := h.shards()[1-h.ownerSlot(p)].pool().QueryRow(t.Context(), "SELECT count(*) FROM data.messages WHERE partition = $1", int32(p)).Scan(&n); err != nil {
			t.Fatal(err)
		}
		if acked && n == 0 {
			lost++
		}
	}
	return lost
}

// insertMessage writes a message as a writer behind the gate would.
func insertMessage(ctx context.Context, tx pgx.Tx, ch chat.ChannelID, a chat.UserID) error {
	_, err := tx.Exec(ctx, `INSERT INTO data.messages (partition, channel_id, seq, count, sender_id, client_msg_id, digest, body)
		VALUES ($1, $2, 1, 1, $3, $4, 0, 'x')`, int32(partitionOf(ch)), int64(ch), int64(a), [16]byte(cid(1)))
	return err
}

// writerBeforeFence: a writer has passed the gate and not yet written when the
// fence comes. The fence must wait for it.
func writerBeforeFence(h *harness, ch chat.ChannelID, a chat.UserID) bool {
	p := partitionOf(ch)
	from := h.ownerSlot(p)
	inside, goOn, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		first := sync.OnceFunc(func() { close(inside) })
		done <- h.Store.write(context.Background(), p, func(ctx context.Context, tx pgx.Tx) error {
			staysIdle(h.t, tx)
			first()
			<-goOn
			return insertMessage(ctx, tx, ch, a)
		})
	}()
	<-inside
	fenced := make(chan struct{})
	go func() {
		h.fence(from, p, h.shards()[1-from].id)
		h.copyPartition(p, from, 1-from)
		close(fenced)
	}()
	// Either the mover is done, or it waits for the writer's lock.
	for {
		select {
		case <-fenced:
		default:
			if !h.someoneWaits(from) {
				time.Sleep(time.Millisecond)
				continue
			}
		}
		break
	}
	close(goOn)
	err := <-done
	<-fenced
	return err == nil
}

// writerDuringFence: a writer comes to the gate while the mover holds the lock
// and has not yet written the state. It must see that state afterwards.
func writerDuringFence(h *harness, ch chat.ChannelID, a chat.UserID) bool {
	ctx := context.Background()
	p := partitionOf(ch)
	from := h.ownerSlot(p)
	tx, err := h.shards()[from].pool().Begin(ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	staysIdle(h.t, tx)
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(77, $1)", int32(p)); err != nil {
		h.t.Fatal(err)
	}
	inside, goOn, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		first := sync.OnceFunc(func() { close(inside) })
		done <- h.Store.write(ctx, p, func(ctx context.Context, tx pgx.Tx) error {
			staysIdle(h.t, tx)
			first()
			<-goOn
			return insertMessage(ctx, tx, ch, a)
		})
	}()
	for !h.someoneWaits(from) {
		select {
		case <-inside: // without a lock it does not wait
		default:
			time.Sleep(time.Millisecond)
			continue
		}
		break
	}
	if _, err := tx.Exec(ctx, "UPDATE control.partition_owner SET state = 'fenced', peer = $2 WHERE partition = $1", int32(p), string(h.shards()[1-from].id)); err != nil {
		h.t.Fatal(err)
	}
	if err := tx.Commit(ctx); err != nil {
		h.t.Fatal(err)
	}
	h.copyPartition(p, from, 1-from)
	close(goOn)
	return <-done == nil
}

// someoneWaits says whether someone waits for an advisory lock on a shard.
func (h *harness) someoneWaits(slot int) bool {
	var n int
	err := h.shards()[slot].pool().QueryRow(context.Background(), "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())").Scan(&n)
	if err != nil && !errors.Is(err, context.Canceled) {
		h.t.Error(err)
	}
	return n > 0
}

func TestTheGateLosesNothingAndItsMutantsDo(t *testing.T) {
	if lost := lostToFence(t, sqlGate, ""); lost != 0 {
		t.Errorf("the gate lost %d", lost)
	}
	if lost := lostToFence(t, "SELECT control.gate_without_lock($1)", gateWithoutLock); lost == 0 {
		t.Error("a gate without the lock was not caught")
	}
	if lost := lostToFence(t, "SELECT control.gate_in_one_statement($1)", gateInOneStatement); lost == 0 {
		t.Error("a gate that locks and reads in one statement was not caught")
	}
}

func TestCaptureNotesChangedKeys(t *testing.T) {
	h := newHarness(t, 1)
	a, b := h.user(), h.user()
	ch := h.channel(a, b)
	pool := h.shards()[0].pool()
	if _, err := pool.Exec(t.Context(), "UPDATE control.partition_owner SET capture = true WHERE partition = $1", int32(partitionOf(ch))); err != nil {
		t.Fatal(err)
	}
	h.send(ch, a, 1, "x")
	h.write(int64(ch), "DELETE FROM data.members WHERE partition = $1 AND user_id = $2", int32(partitionOf(ch)), int64(b))
	rows, _ := pool.Query(t.Context(), "SELECT DISTINCT tbl || ' ' || key FROM control.partition_dirty WHERE partition = $1 ORDER BY 1", int32(partitionOf(ch)))
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	p := partitionOf(ch)
	want := []string{
		fmt.Sprintf(`channels {"partition": %d, "channel_id": %v}`, p, ch),
		fmt.Sprintf(`members {"user_id": %v, "partition": %d, "channel_id": %v}`, a, p, ch),
		fmt.Sprintf(`members {"user_id": %v, "partition": %d, "channel_id": %v}`, b, p, ch),
		fmt.Sprintf(`messages {"seq": 1, "partition": %d, "channel_id": %v}`, p, ch),
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("noted:\n%v\nwant:\n%v", got, want)
	}
}
