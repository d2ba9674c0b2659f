package register_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"gori/shard"
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

func TestAProbeWritesAndSaysHowLongItTook(t *testing.T) {
	s := newSystem(t, 1)
	p := register.NewProbe(s.dsn)
	defer p.Close()
	for range 3 {
		if took, err := p.Sample(t.Context(), "a"); err != nil || took <= 0 {
			t.Fatalf("%v, %v", took, err)
		}
	}
	s.dsns["a"] = "host=/nowhere"
	if took, err := p.Sample(t.Context(), "a"); err == nil {
		t.Errorf("a shard that is not there took %v", took)
	}
}
