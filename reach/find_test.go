package reach

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"gori/config"
	"gori/shard"
	"gori/shard/reshard"
	"gori/store/register"
	"gori/store/storetest"
	"gori/store/survey"
)

// A shard that was never started takes a share only of the first document: of a
// later one it would own what others own.
func TestOnlyTheFirstDocumentGivesShares(t *testing.T) {
	two, err := shard.First([]shard.ID{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	list, fine := []config.Shard{{ID: "a", DSN: "x"}, {ID: "b", DSN: "y"}}, make([]error, 2)
	ring := shard.FirstRing(two)
	if m, err := layoutOf(foundShards{ring: ring, list: list, errs: fine}); err != nil || m.Hash() != two.Hash() {
		t.Errorf("the second of two: %v", err)
	}
	later := *ring
	later.Version = 2
	if m, err := layoutOf(foundShards{ring: &later, list: list, errs: fine}); err != nil || m != nil {
		t.Errorf("of a later document: %v %v", m, err)
	}
	if m, err := layoutOf(foundShards{list: list, errs: fine}); err != nil || len(m.Shards()) != 2 {
		t.Errorf("all new: %v", err)
	}
	if _, err := layoutOf(foundShards{list: list, errs: []error{nil, errors.New("down")}}); err == nil {
		t.Error("a new system began without one of its shards")
	}
}

// A start finds the shards by the ring's addresses, leaves alone what is not in
// the ring, and does without what it cannot find.
func TestAStartGoesByTheRing(t *testing.T) {
	ctx := t.Context()
	dsns := storetest.DSNs(t, 3)
	cfg := config.Config{Shards: []config.Shard{{ID: "a", DSN: dsns[0]}, {ID: "b", DSN: dsns[1]}}}
	if err := Migrate(ctx, cfg, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	ring, err := survey.Document(ctx, dsns[0])
	if err != nil || ring.Version != 1 || len(ring.Seats) != 2 {
		t.Fatalf("%+v %v", ring, err)
	}
	later := *ring
	later.Version, later.Prev = 2, ring.Hash()
	later.Seats = []shard.Seat{{ID: "a", Addr: "@a", Term: 1}, {ID: "b", Addr: dsns[1], Term: 1}, {ID: "x", Addr: "@x", Term: 1, Leaving: true}}
	if err := register.Restore(ctx, dsns[0], "a", reshard.Ballot{Counter: 1, By: "test"}, &later); err != nil {
		t.Fatal(err)
	}
	// Of the two configured one is a stranger; b is found where the ring says.
	cfg.Shards[1] = config.Shard{ID: "c", DSN: dsns[2]}
	found := find(ctx, cfg.Shards, NewAddresses(cfg).Resolve)
	if len(found.list) != 2 || found.list[1].DSN != dsns[1] || len(found.strange) != 1 || len(found.lost) != 1 || errors.Join(found.errs...) != nil {
		t.Fatalf("%+v %v", found, errors.Join(found.errs...))
	}
	if err := Migrate(ctx, cfg, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if doc, err := survey.Document(ctx, dsns[2]); doc != nil || err != nil {
		t.Errorf("the stranger was touched: %v %v", doc, err)
	}
}

// What the file says of instances is read again when it has changed.
func TestAddressesComeFromAFileThatChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shards")
	a := NewAddresses(config.Config{Shards: []config.Shard{{ID: "a", DSN: "host=/a user=gori_app"}}, ShardsFile: file})
	want := func(addr, dsn string) {
		t.Helper()
		if got, err := a.Resolve(addr); got != dsn || (err != nil) != (dsn == "") {
			t.Errorf("%s is %q, not %q: %v", addr, got, dsn, err)
		}
	}
	want("@a", "host=/a user=gori_app")
	want("@e", "")
	for i, text := range []string{"e=host=/e\n", "e=host=/elsewhere\na=host=/new\n"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		want("@e", []string{"host=/e", "host=/elsewhere"}[i])
	}
	want("@a", "host=/new")
	want("@x", "")
	// The ring's own addresses are for the schema's owner.
	want("host=/f user=gori dbname=g", "host=/f user=gori dbname=g user=gori_app")
	want("postgres://gori@db/g?sslmode=disable", "postgres://gori_app@db/g?sslmode=disable")
}
