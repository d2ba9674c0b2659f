package local

import (
	"context"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/store/replica"
)

// twoInstances makes a primary with Gori's own rows and prepares a second
// instance beside it.
func twoInstances(t *testing.T) (a, b *Instance) {
	t.Helper()
	dir := publicDir(t)
	list := make([]*Instance, 2)
	for n, name := range []string{"a", "a.2"} {
		in, err := New(Config{ID: name, Dir: filepath.Join(dir, name), Throwaway: true, Paired: true, SharedBuffersMB: 16})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { in.Stop(context.Background()) })
		list[n] = in
	}
	a, b = list[0], list[1]
	if err := a.Init(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.CreateDatabase(t.Context(), Database); err != nil {
		t.Fatal(err)
	}
	query(t, a.DSN(Database), `DO $$ BEGIN CREATE SCHEMA control; CREATE TABLE kept (n int);
		CREATE TABLE control.shard_self (shard_id text, term bigint); INSERT INTO control.shard_self VALUES ('a', 1);
		CREATE TABLE control.ring_acceptor (promised_counter bigint); INSERT INTO control.ring_acceptor VALUES (5);
		CREATE TABLE control.partition_owner (partition int, state text, epoch bigint, peer text, capture bool, fenced_at timestamptz);
		INSERT INTO control.partition_owner VALUES (1, 'active', 1, '', false, NULL), (2, 'active', 1, '', false, NULL), (3, 'incoming', 1, 'b', false, NULL);
		END $$`)
	return a, b
}

func server(t *testing.T, in *Instance) *replica.Server {
	t.Helper()
	s := replica.NewServer(in.DSN(Database))
	t.Cleanup(s.Close)
	return s
}

// looks waits until a server is as wanted.
func looks(t *testing.T, s *replica.Server, what string, ok func(replica.State) bool) {
	t.Helper()
	var last replica.State
	var err error
	defer func() {
		if t.Failed() {
			t.Logf("last seen: %+v, %v", last, err)
		}
	}()
	within(t, what, func() bool {
		last, err = s.Look(t.Context())
		return err == nil && ok(last)
	})
}

// write inserts a row and says whether that was acknowledged in time.
func write(t *testing.T, in *Instance, n int, patience time.Duration) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	conn, err := pgx.Connect(ctx, in.DSN(Database))
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	_, err = conn.Exec(ctx, "INSERT INTO kept VALUES ($1)", n)
	return err
}

func TestAStandbyTakesOver(t *testing.T) {
	a, b := twoInstances(t)
	if err := b.CopyFrom(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	b.Follow(a)
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a.IsStandby() || !b.IsStandby() {
		t.Error("who is the standby is not told")
	}
	sa, sb := server(t, a), server(t, b)
	looks(t, sa, "the standby streams", func(s replica.State) bool { return s.Streaming && !s.Sync && !s.Waits && s.Term == 1 })
	if err := sa.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	looks(t, sa, "the standby counts", func(s replica.State) bool { return s.Waits && s.Sync })
	if err := write(t, a, 1, long); err != nil {
		t.Fatal(err)
	}

	// Without its standby the primary acknowledges nothing, until it is told to
	// go on alone.
	b.Kill()
	unsure := make(chan error, 1)
	go func() { unsure <- write(t, a, 2, long) }()
	looks(t, sa, "a write waits", func(s replica.State) bool { return s.Stuck > 0 && !s.Connected })
	if err := sa.Alone(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-unsure; err != nil {
		t.Errorf("the write that waited: %v", err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	looks(t, sa, "the standby is back", func(s replica.State) bool { return s.Streaming })
	if err := sa.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	looks(t, sa, "the standby counts again", func(s replica.State) bool { return s.Sync })

	a.Kill()
	if err := a.Clear(t.Context()); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if _, err := sb.Promote(t.Context(), 2, func(ctx context.Context) error {
		if st, err := sb.Look(ctx); err != nil || st.Recovering || st.Term != 1 {
			t.Errorf("while it is prepared: %+v, %v", st, err)
		}
		n, err := sb.Yield(ctx, []replica.Claim{{Partition: 1, Shard: "b", Epoch: 1}, {Partition: 2, Shard: "b", Epoch: 2}, {Partition: 3, Shard: "b", Epoch: 2}})
		if n != 1 {
			t.Errorf("%d partitions given up", n)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Logf("promoted in %v", time.Since(begun))
	looks(t, sb, "it is the primary", func(s replica.State) bool { return !s.Recovering && !s.Waits && s.Term == 2 })
	if got := query(t, b.DSN(Database), "SELECT (SELECT string_agg(n::text, ',' ORDER BY n) FROM kept) || ' ' || promised_counter FROM control.ring_acceptor"); got != "1,2 1048581" {
		t.Errorf("the promoted one has %s", got)
	}
	if claims, err := sb.Claims(t.Context()); err != nil || len(claims) != 1 || claims[0] != (replica.Claim{Partition: 1, Shard: "a", Epoch: 1}) {
		t.Errorf("it serves %v, %v", claims, err)
	}
	comeBack(t, a, b, sb)
}

// comeBack starts the former primary a as it was, which may acknowledge
// nothing, and makes it a standby of b.
func comeBack(t *testing.T, a, b *Instance, sb *replica.Server) {
	t.Helper()
	if err := write(t, b, 3, long); err != nil {
		t.Fatal(err)
	}
	a.Follow(nil)
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := write(t, a, 4, 500*time.Millisecond); err == nil {
		t.Error("the former primary has acknowledged a write")
	}
	a.Kill()
	if err := sb.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	if err := a.Rewind(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	t.Logf("wound back in %v", time.Since(begun))
	a.Follow(b)
	if err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	looks(t, sb, "the former primary follows", func(s replica.State) bool { return s.Streaming })
	looks(t, server(t, a), "it has the term", func(s replica.State) bool { return s.Recovering && s.Term == 2 })
	if got := query(t, a.DSN(Database), "SELECT string_agg(n::text, ',' ORDER BY n) FROM kept"); got != "1,2,3" {
		t.Errorf("the former primary has %s", got)
	}
}

func TestACopyThatWasInterruptedIsMadeAgain(t *testing.T) {
	a, b := twoInstances(t)
	late, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.CopyFrom(late, a); err == nil || b.Exists() {
		t.Fatalf("a copy that was ended: %v", err)
	}
	if err := b.CopyFrom(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if err := b.Rewind(t.Context(), a); err == nil {
		t.Log("nothing to wind back is no error")
	}
	b.Follow(a)
	if err := b.Start(t.Context()); err == nil {
		b.Stop(t.Context())
	}
	if err := b.CopyFrom(t.Context(), a); err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.CopyFrom(t.Context(), a); err == nil {
		t.Error("a running one was replaced")
	}
	if err := syscall.Kill(b.PID(), 0); err != nil {
		t.Error(err)
	}
	if err := b.Remove(t.Context()); err != nil || b.Exists() {
		t.Errorf("taken out: %v", err)
	}
}
