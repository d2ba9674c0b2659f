package register_test

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
	"gori/store/register"
)

func (s *system) dsn(id shard.ID) (string, error) { return s.dsns[id], nil }

func TestOneNodeHasTheBaton(t *testing.T) {
	s := newSystem(t, 2)
	ring := read(t, s.open(t))
	baton := register.Baton{DSN: s.dsn}
	held, giveBack, ok, err := baton.Take(t.Context(), ring)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if _, _, again, err := baton.Take(t.Context(), ring); again || err != nil {
		t.Errorf("a second one got it: %v", err)
	}
	giveBack()
	if held.Err() == nil {
		t.Error("given back, and still held")
	}
	held, giveBack, ok, err = baton.Take(t.Context(), ring)
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	defer giveBack()
	// Its session ends, as that of a node that is cut off.
	conn, err := pgx.Connect(t.Context(), s.dsns["a"])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 78 AND objid = 2000
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`); err != nil {
		t.Fatal(err)
	}
	<-held.Done()
	next, giveNext, ok, err := baton.Take(t.Context(), ring)
	if err != nil || !ok || next.Err() != nil {
		t.Fatalf("nobody takes over: %v, %v", ok, err)
	}
	giveNext()
}

func TestMoversHearWhatNodesTell(t *testing.T) {
	s := newSystem(t, 2)
	shards := func() []shard.ID { return []shard.ID{"a", "b"} }
	one, two, mover := register.NewSends(shards, s.dsn), register.NewSends(shards, s.dsn), register.NewSends(shards, s.dsn)
	defer one.Close()
	defer two.Close()
	defer mover.Close()
	if told, err := mover.Told(t.Context()); err != nil || len(told) > 0 {
		t.Fatalf("%v, %v", told, err)
	}
	var x, y reshard.Told
	x.Before.Heard(3 * time.Millisecond)
	for range 2 {
		x.All.Heard(4 * time.Millisecond)
		if err := one.Tell(t.Context(), "x", x); err != nil {
			t.Fatal(err)
		}
	}
	// A shard that does not answer is passed over by all.
	s.dsns["a"] = "host=/nowhere"
	y.All.Heard(time.Second)
	if err := errors.Join(one.Tell(t.Context(), "x", x), two.Tell(t.Context(), "y", y)); err != nil {
		t.Fatal(err)
	}
	told, err := mover.Told(t.Context())
	if err != nil || len(told) != 2 || told["x"] != x || told["y"] != y {
		t.Errorf("%d have told, %v", len(told), err)
	}
}
