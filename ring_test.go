package main

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gori/shard"
	"gori/shard/reshard"
	"gori/store/register"
	"gori/store/storetest"
	"gori/store/survey"
)

// viewOf is the ring as healthy shards tell it.
func viewOf(t *testing.T, ids ...shard.ID) *ringView {
	t.Helper()
	m, err := shard.First(ids)
	if err != nil {
		t.Fatal(err)
	}
	r := &ringView{Map: m}
	for _, id := range m.Shards() {
		var list []survey.Owner
		for _, p := range m.Owned(id) {
			list = append(list, survey.Owner{Partition: p, State: "active", Epoch: 1})
		}
		r.Shards = append(r.Shards, countStates(shard.Seat{ID: id, Addr: "@" + string(id), Term: 1}, list))
		r.owners = append(r.owners, byPartition(list))
	}
	return r
}

func TestThePictureShowsEveryShard(t *testing.T) {
	r := viewOf(t, "a", "b", "c", "d")
	if err := r.problem(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	r.print(&out, false)
	for _, want := range []string{"256", "25.", "1021 partitions", "4 shards", "a", "b", "c", "d"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, &out)
		}
	}
	marks := map[string]int{}
	for _, line := range r.picture(false) {
		if len(line) > pictureWidth {
			t.Errorf("a line of %d characters", len(line))
		}
		for _, m := range strings.Fields(strings.Join(strings.Split(line, ""), " ")) {
			marks[m]++
		}
	}
	for _, id := range []string{"a", "b", "c", "d"} {
		if marks[id] < 100 {
			t.Errorf("shard %s has %d marks", id, marks[id])
		}
	}
	if strings.Contains(out.String(), "\x1b") || !strings.Contains(strings.Join(r.picture(true), ""), "\x1b[38;5;") {
		t.Error("colours where none are wanted, or none where they are")
	}
}

func TestARingInDisorderIsSeen(t *testing.T) {
	r := viewOf(t, "a", "b")
	p := r.Map.Owned("a")[0]
	delete(r.owners[0], p)
	if err := r.problem(); err == nil || !strings.Contains(err.Error(), "1 partitions have no owner ("+p.String()+")") {
		t.Errorf("one without owner: %v", err)
	}
	if r.mark(p, false) != "?" {
		t.Errorf("its mark is %s", r.mark(p, false))
	}
	r = viewOf(t, "a", "b")
	r.owners[1][p] = survey.Owner{Partition: p, State: "active"}
	if err := r.problem(); err == nil || !strings.Contains(err.Error(), "1 have several") {
		t.Errorf("one with two owners: %v", err)
	}
}

// A shard that was never started takes a share only of the first document: of a
// later one it would own what others own.
func TestOnlyTheFirstDocumentGivesShares(t *testing.T) {
	two, err := shard.First([]shard.ID{"a", "b"})
	if err != nil {
		t.Fatal(err)
	}
	list, fine := []ShardConfig{{ID: "a", DSN: "x"}, {ID: "b", DSN: "y"}}, make([]error, 2)
	ring := shard.FirstRing(two)
	if m, err := layoutOf(ringShards{ring: ring, list: list, errs: fine}); err != nil || m.Hash() != two.Hash() {
		t.Errorf("the second of two: %v", err)
	}
	later := *ring
	later.Version = 2
	if m, err := layoutOf(ringShards{ring: &later, list: list, errs: fine}); err != nil || m != nil {
		t.Errorf("of a later document: %v %v", m, err)
	}
	if m, err := layoutOf(ringShards{list: list, errs: fine}); err != nil || len(m.Shards()) != 2 {
		t.Errorf("all new: %v", err)
	}
	if _, err := layoutOf(ringShards{list: list, errs: []error{nil, errors.New("down")}}); err == nil {
		t.Error("a new system began without one of its shards")
	}
}

// A start finds the shards by the ring's addresses, leaves alone what is not in
// the ring, and does without what it cannot find.
func TestAStartGoesByTheRing(t *testing.T) {
	ctx := t.Context()
	dsns := storetest.DSNs(t, 3)
	cfg := Config{Shards: []ShardConfig{{ID: "a", DSN: dsns[0]}, {ID: "b", DSN: dsns[1]}}}
	if err := migrateAll(ctx, cfg, slog.New(slog.DiscardHandler)); err != nil {
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
	cfg.Shards[1] = ShardConfig{ID: "c", DSN: dsns[2]}
	found := findShards(ctx, cfg.Shards, newAddresses(cfg).Resolve)
	if len(found.list) != 2 || found.list[1].DSN != dsns[1] || len(found.strange) != 1 || len(found.lost) != 1 || errors.Join(found.errs...) != nil {
		t.Fatalf("%+v %v", found, errors.Join(found.errs...))
	}
	if err := migrateAll(ctx, cfg, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	if doc, err := survey.Document(ctx, dsns[2]); doc != nil || err != nil {
		t.Errorf("the stranger was touched: %v %v", doc, err)
	}
}

// What the file says of instances is read again when it has changed.
func TestAddressesComeFromAFileThatChanges(t *testing.T) {
	file := filepath.Join(t.TempDir(), "shards")
	a := newAddresses(Config{Shards: []ShardConfig{{ID: "a", DSN: "host=/a user=gori_app"}}, ShardsFile: file})
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
