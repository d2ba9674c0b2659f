package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
	"gori/store/schema"
	"gori/store/storetest"
)

// doubtConn is a connection to PostgreSQL that, once it has carried a marked
// message to the server, breaks just before the answer to its COMMIT: the
// ReadyForQuery that ends the transaction arrives here and is not passed on.
type doubtConn struct {
	net.Conn
	mark   []byte
	armed  *atomic.Bool
	marked bool
	rest   []byte // of a server message not yet passed on
}

func (c *doubtConn) Write(b []byte) (int, error) {
	if c.armed.Load() && bytes.Contains(b, c.mark) {
		c.marked = true
	}
	return c.Conn.Write(b)
}

func (c *doubtConn) Read(b []byte) (int, error) {
	if len(c.rest) == 0 {
		head := make([]byte, 5)
		if _, err := io.ReadFull(c.Conn, head); err != nil {
			return 0, err
		}
		body := make([]byte, binary.BigEndian.Uint32(head[1:])-4)
		if _, err := io.ReadFull(c.Conn, body); err != nil {
			return 0, err
		}
		if head[0] == 'Z' && c.marked && c.armed.Swap(false) {
			_ = c.Close()
			return 0, io.ErrUnexpectedEOF
		}
		c.rest = append(head, body...)
	}
	n := copy(b, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

func TestACommitInDoubtIsSettledByTheSameCall(t *testing.T) {
	var armed atomic.Bool
	h := newHarness(t, 1, func(c *Config) {
		c.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, addr)
			return &doubtConn{Conn: conn, mark: []byte("in doubt"), armed: &armed}, err
		}
	})
	a, b := h.user(), h.user()
	ch := h.channel(a, b)
	h.send(ch, a, 1, "before")
	armed.Store(true)
	d := chat.Draft{Channel: ch, Sender: a, ClientMsgID: cid(2), Body: "in doubt"}
	_, err := h.Append(t.Context(), d)
	wantCode(t, err, chat.CodeShardDown)
	if !chat.ErrorOf(err).Retry || armed.Load() {
		t.Fatalf("not in doubt: %v", err)
	}
	var r chat.Receipt
	soon(t, func() bool {
		rs, err := h.Append(t.Context(), d)
		if err == nil {
			r = rs[0]
		}
		return err == nil
	})
	if r.Seq != 2 || !r.Duplicate {
		t.Errorf("the retry: %+v", r)
	}
	if r := h.send(ch, b, 3, "after"); r.Seq != 3 {
		t.Errorf("after: %+v", r)
	}
}

// One shard is killed and comes back while people send on both: what was
// acknowledged is there once, the other shard's channels go on, and sends to
// the dead one fail soon, with an error that says to come back.
func TestAKilledShard(t *testing.T) {
	ins, dsns := durableRing(t, 2)
	h := &harness{t, openOn(t, dsns)}
	var chs [2]chat.ChannelID // by shard
	var users [2][2]chat.UserID
	for slot := range chs {
		for chs[slot] == 0 {
			u := [2]chat.UserID{h.user(), h.user()}
			if ch := h.channel(u[0], u[1]); h.ownerSlot(partitionOf(ch)) == slot {
				chs[slot], users[slot] = ch, u
			}
		}
	}
	var (
		stop           atomic.Bool
		killed         atomic.Int64 // unix nanoseconds of the kill
		slowest, worst atomic.Int64 // on the living shard; of a refusal by the dead one
		alive          atomic.Int64
		wg             sync.WaitGroup
		mu             sync.Mutex
		acked          = [2]map[chat.Seq]chat.ClientMsgID{{}, {}}
	)
	for slot := range chs {
		for w := range 4 {
			wg.Go(func() {
				for n := 0; !stop.Load(); n++ {
					d := chat.Draft{Channel: chs[slot], Sender: users[slot][w%2], ClientMsgID: cid(100_000*(w+1) + n), Body: "x"}
					for {
						began := time.Now()
						rs, err := h.Append(context.Background(), d)
						took := time.Since(began).Milliseconds()
						if err == nil {
							mu.Lock()
							acked[slot][rs[0].Seq] = d.ClientMsgID
							mu.Unlock()
							if slot == 1 && killed.Load() != 0 {
								alive.Add(1)
								slowest.Store(max(slowest.Load(), took))
							}
							break
						}
						if e := chat.ErrorOf(err); !e.Retry || slot == 1 {
							t.Errorf("shard %d: %v", slot, err)
							return
						}
						worst.Store(max(worst.Load(), took))
						_ = nap(context.Background(), 20*time.Millisecond)
					}
				}
			})
		}
	}
	count := func(slot int) int {
		mu.Lock()
		defer mu.Unlock()
		return len(acked[slot])
	}
	soon(t, func() bool { return count(0) > 50 && count(1) > 50 })
	killed.Store(time.Now().UnixNano())
	ins[0].Kill()
	soon(t, func() bool { return alive.Load() > 200 && !h.shards()[0].isUp() })
	if _, err := h.Append(t.Context(), chat.Draft{Channel: chs[0], Sender: users[0][0], ClientMsgID: cid(7), Body: "x"}); chat.CodeOf(err) != chat.CodeShardDown {
		t.Errorf("a send to a dead shard: %v", err)
	}
	if err := ins[0].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	before := count(0)
	soon(t, func() bool { return count(0) > before+50 })
	stop.Store(true)
	wg.Wait()
	t.Logf("slowest send on the living shard %d ms, slowest refusal by the dead one %d ms", slowest.Load(), worst.Load())
	promised(t, "a refusal", time.Duration(worst.Load())*time.Millisecond, 1500*time.Millisecond)
	for slot, sh := range h.shards() {
		rows, _ := sh.pool().Query(context.Background(), "SELECT seq, client_msg_id FROM data.messages WHERE channel_id = $1 ORDER BY seq", int64(chs[slot]))
		var seq, n chat.Seq
		var id [16]byte
		ids := map[[16]byte]bool{}
		_, err := pgx.ForEachRow(rows, []any{&seq, &id}, func() error {
			n++
			if want, ok := acked[slot][seq]; seq != n || ids[id] || ok && want != chat.ClientMsgID(id) {
				return fmt.Errorf("row %d has seq %d and %x, acknowledged was %v", n, seq, id, want)
			}
			ids[id] = true
			delete(acked[slot], seq)
			return nil
		})
		if err != nil || len(acked[slot]) > 0 {
			t.Errorf("shard %d: %d acknowledged are lost, %v", slot, len(acked[slot]), err)
		}
	}
	ctxWithRun(t, h.Store)
	h.settledAll()
}

// ctxWithRun runs the background work of s for the rest of the test.
func ctxWithRun(t *testing.T, s *Store) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
}

// A shard that hangs, rather than being dead, is found out as soon.
func TestAFrozenShard(t *testing.T) {
	ins, dsns := durableRing(t, 1)
	h := &harness{t, openOn(t, dsns, func(c *Config) { c.PingTimeout = 0 })}
	a, b := h.user(), h.user()
	ch := h.channel(a, b)
	soon(t, func() bool { // it may have been taken for dead already, on a busy host
		_, err := h.Append(t.Context(), chat.Draft{Channel: ch, Sender: a, ClientMsgID: cid(1), Body: "before"})
		return err == nil
	})
	signal := func(sig syscall.Signal) {
		for _, pid := range serverPIDs(ins) {
			_ = syscall.Kill(pid, sig)
		}
	}
	signal(syscall.SIGSTOP)
	defer signal(syscall.SIGCONT)
	began := time.Now()
	_, err := h.Append(t.Context(), chat.Draft{Channel: ch, Sender: a, ClientMsgID: cid(2), Body: "frozen"})
	took := time.Since(began)
	wantCode(t, err, chat.CodeShardDown)
	_, err = h.MemberIDs(t.Context(), ch, 1)
	wantCode(t, err, chat.CodeShardDown)
	promised(t, "a refusal", took, 1500*time.Millisecond)
	signal(syscall.SIGCONT)
	soon(t, func() bool {
		rs, err := h.Append(t.Context(), chat.Draft{Channel: ch, Sender: a, ClientMsgID: cid(2), Body: "frozen"})
		return err == nil && rs[0].Seq == 2
	})
}

// A home shard that is down keeps nobody from writing; the inboxes follow.
func TestInboxesFollowAHomeShardThatWasAway(t *testing.T) {
	ins, dsns := durableRing(t, 2)
	h := &harness{t, openOn(t, dsns, func(c *Config) { c.SweepAge, c.SweepEvery = 200*time.Millisecond, 100*time.Millisecond })}
	ctxWithRun(t, h.Store)
	away := func(u chat.UserID) bool { return h.ownerSlot(partitionOf(u)) == 0 }
	var a, b chat.UserID
	for a == 0 || b == 0 {
		if u := h.user(); away(u) {
			a = u
		} else {
			b = u
		}
	}
	var ch chat.ChannelID
	for ch == 0 || h.ownerSlot(partitionOf(ch)) == 0 {
		ch = h.channel(a, b)
	}
	h.send(ch, b, 1, "one")
	h.settledAll()
	ins[0].Kill()
	soon(t, func() bool { return !h.shards()[0].isUp() })
	for n := 2; n <= 10; n++ {
		h.send(ch, b, n, "more")
	}
	soon(t, func() bool { return h.entry(b, ch).LastSeq == 10 })
	if err := ins[0].Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	soon(t, func() bool { return h.shards()[0].isUp() })
	h.settledAll()
	if e := h.entry(a, ch); e.LastSeq != 10 || e.LastCount-e.ReadCount != 10 {
		t.Errorf("the entry of the one who was away: %+v", e)
	}
}

// What a node that died has left in fanout_pending is finished by others.
func TestTheSweeperFinishesWhatADeadNodeLeft(t *testing.T) {
	h := newHarness(t, 2, func(c *Config) { c.SweepAge, c.SweepEvery = 30*time.Second, 20*time.Millisecond })
	ctxWithRun(t, h.Store)
	a, b := h.user(), h.user()
	ch := h.channel(a, b)
	h.send(ch, a, 1, "one")
	rs, err := h.Append(t.Context(), chat.Draft{Channel: ch, Sender: a, ClientMsgID: cid(2), Body: "two", Mentions: []chat.UserID{b}})
	if err != nil {
		t.Fatal(err)
	}
	h.settledAll()
	// As if the node had died between the commit and the fan-out of "two".
	h.write(int64(b), "UPDATE data.inbox SET last_seq = 1, last_count = 1, preview_seq = 1, preview = 'one' WHERE partition = $1", int32(partitionOf(b)))
	h.write(int64(b), "DELETE FROM data.mentions WHERE partition = $1", int32(partitionOf(b)))
	if e := h.entry(b, ch); e.LastSeq != 1 || e.Mentions != 0 {
		t.Fatalf("not undone: %+v", e)
	}
	_, err = h.shards()[h.ownerSlot(partitionOf(ch))].pool().Exec(t.Context(), `INSERT INTO control.fanout_pending (channels, from_seqs, to_seqs, made_at)
		VALUES (ARRAY[$1::bigint], ARRAY[$2::bigint], ARRAY[$2::bigint], now() - interval '1 min')`, int64(ch), int64(rs[0].Seq))
	if err != nil {
		t.Fatal(err)
	}
	h.settledAll()
	if e := h.entry(b, ch); e.LastSeq != 2 || e.Mentions != 1 || e.Preview != "two" {
		t.Errorf("after the sweep: %+v", e)
	}
	if h.Stats().Swept != 1 {
		t.Errorf("swept %d", h.Stats().Swept)
	}
}

func TestAFullQueueRefusesAtOnce(t *testing.T) {
	h := newHarness(t, 1, func(c *Config) { c.QueueDrafts, c.BatchDrafts = 4, 1 })
	a, b := h.user(), h.user()
	ch := h.channel(a, b)
	// Someone holds the channel's row, so the writer waits.
	release, held := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- h.Store.write(context.Background(), partitionOf(ch), func(ctx context.Context, tx pgx.Tx) error {
			staysIdle(t, tx)
			_, err := tx.Exec(ctx, "SELECT 1 FROM data.channels WHERE partition = $1 FOR UPDATE", int32(partitionOf(ch)))
			close(held)
			<-release
			return err
		})
	}()
	<-held
	var wg sync.WaitGroup
	var refused, stored, busy atomic.Int64
	for n := range 20 {
		wg.Go(func() {
			_, err := h.Append(context.Background(), chat.Draft{Channel: ch, Sender: a, ClientMsgID: cid(n + 1), Body: "x"})
			switch {
			case err == nil:
				stored.Add(1)
			case chat.CodeOf(err) == chat.CodeOverloaded && chat.ErrorOf(err).Retry:
				if refused.Add(1) >= 15 {
					busy.Store(1)
				}
			case chat.ErrorOf(err).Retry: // waited for the row too long
			default:
				t.Error(err)
			}
		})
	}
	soon(t, func() bool { return busy.Load() == 1 })
	close(release)
	wg.Wait()
	if err := <-done; err != nil {
		t.Error(err)
	}
	t.Logf("stored %d, refused %d", stored.Load(), refused.Load())
}

func TestMigrateRefusesANewerSchemaAndAnotherShard(t *testing.T) {
	dsn := storetest.DSN(t)
	m, err := shard.First([]shard.ID{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 3 { // at once, and again
		wg.Go(func() {
			if err := Migrate(context.Background(), dsn, "a", m); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var wrong *WrongShardError
	if err := Migrate(t.Context(), dsn, "b", m); !errors.As(err, &wrong) || wrong.Found != "a" {
		t.Errorf("another shard: %v", err)
	}
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var owned int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM control.partition_owner WHERE state = 'active'").Scan(&owned); err != nil || owned != len(m.Owned("a")) {
		t.Errorf("owns %d, %v", owned, err)
	}
	if _, err := conn.Exec(t.Context(), "UPDATE "+schema.VersionTable+" SET version = 9999"); err != nil {
		t.Fatal(err)
	}
	var newer *SchemaNewerError
	if err := Migrate(t.Context(), dsn, "a", m); !errors.As(err, &newer) || newer.Found != 9999 {
		t.Errorf("a newer schema: %v", err)
	}
}
