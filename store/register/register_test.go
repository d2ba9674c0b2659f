package register_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gori/shard"
	"gori/shard/reshard"
	"gori/store"
	"gori/store/register"
	"gori/store/storetest"
)

// system is shards a, b, c … with their first ring.
type system struct {
	dsns    map[shard.ID]string
	witness string
}

func newSystem(t *testing.T, n int) *system {
	t.Helper()
	s := &system{dsns: map[shard.ID]string{}, witness: filepath.Join(t.TempDir(), "witness")}
	var ids []shard.ID
	for i, dsn := range storetest.DSNs(t, n) {
		ids = append(ids, shard.ID(string(rune('a'+i))))
		s.dsns[ids[i]] = dsn
	}
	m, err := shard.First(ids)
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		s.migrate(t, id, m)
	}
	return s
}

func (s *system) migrate(t *testing.T, id shard.ID, m *shard.Map) {
	t.Helper()
	if err := store.Migrate(t.Context(), s.dsns[id], id, m); err != nil {
		t.Fatal(err)
	}
}

// open returns a register that reaches all shards but those cut off.
func (s *system) open(t *testing.T, cut ...shard.ID) *register.Register {
	t.Helper()
	r := register.Open(register.Config{
		Shards:  func() map[shard.ID]string { return s.reachable(cut) },
		Witness: func(string) (string, error) { return s.witness, nil },
		Timeout: 2 * time.Minute, // a busy host may be slow; who is cut off is told so at once
	})
	t.Cleanup(r.Close)
	return r
}

func (s *system) reachable(cut []shard.ID) map[shard.ID]string {
	dsns := maps.Clone(s.dsns)
	for _, id := range cut {
		dsns[id] = "host=/nowhere"
	}
	return dsns
}

func read(t *testing.T, r *register.Register) *shard.Ring {
	t.Helper()
	ring, err := r.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

// update changes the ring, and must succeed.
func update(t *testing.T, r *register.Register, change func(*shard.Ring) (*shard.Ring, error)) *shard.Ring {
	t.Helper()
	ring, err := reshard.Update(t.Context(), r, change)
	if err != nil {
		t.Fatal(err)
	}
	return ring
}

func TestThreeAdminsRace(t *testing.T) {
	s := newSystem(t, 3)
	update(t, s.open(t), func(r *shard.Ring) (*shard.Ring, error) { return r.AddAcceptor("witness:w") })
	var mu sync.Mutex
	won := map[int64]string{}
	var took []time.Duration
	lost, unknown := 0, 0
	var admins sync.WaitGroup
	for i := range 3 {
		r := s.open(t)
		admins.Go(func() {
			for n := range 25 {
				began := time.Now()
				to, err := race(t.Context(), r, fmt.Sprintf("host=admin%d port=%d", i, n))
				mu.Lock()
				var conflict *reshard.ConflictError
				var open *reshard.UnknownError
				switch {
				case err == nil && won[to.Version] != "":
					t.Errorf("version %d was won twice", to.Version)
				case err == nil:
					won[to.Version] = to.Hash()
					took = append(took, time.Since(began))
				case errors.As(err, &conflict):
					lost++
				case errors.As(err, &open): // overtaken before it was told
					unknown++
				default:
					t.Errorf("admin %d: %v", i, err)
				}
				mu.Unlock()
			}
		})
	}
	admins.Wait()
	now := read(t, s.open(t))
	for v := now.Version; v >= now.Version-1; v-- {
		if hash, known := won[v]; known && v == now.Version && hash != now.Hash() || known && v == now.Version-1 && hash != now.Prev {
			t.Errorf("version %d is not what its winner was told", v)
		}
	}
	slices.Sort(took)
	made := int(now.Version) - 2 // without the first and the witness
	if made < len(took) || made > len(took)+unknown {
		t.Errorf("%d changes were won, of %d it is not known, and the ring has version %d", len(took), unknown, now.Version)
	}
	t.Logf("%d versions, %d clean losses, %d not known; a change took %v p50, %v p99", len(took), lost, unknown, took[len(took)/2], took[len(took)*99/100])
}

// race makes one change, of what is there when it begins.
func race(ctx context.Context, r *register.Register, addr string) (*shard.Ring, error) {
	now, err := r.Peek(ctx)
	if err != nil {
		return nil, err
	}
	to, err := now.Readdress("a", addr)
	if err != nil {
		return nil, err
	}
	// The address is not the real one, so it is found by its name.
	to.Seats[0].Addr = "@a"
	to.Seats[1].Standby = addr
	return to, r.Change(ctx, now, to)
}

func TestTwoShardsNeedBothOrAWitness(t *testing.T) {
	s := newSystem(t, 2)
	if ring := read(t, s.open(t)); ring.Spare() != 0 {
		t.Errorf("of two acceptors %d may be missing", ring.Spare())
	}
	var none *reshard.NoMajorityError
	if _, err := s.open(t, "b").Read(t.Context()); !errors.As(err, &none) || !strings.Contains(err.Error(), "witness") || none.Down["b"] == nil {
		t.Errorf("with one of two shards: %v", err)
	}
	ring := update(t, s.open(t), func(r *shard.Ring) (*shard.Ring, error) { return r.AddAcceptor("witness:w") })
	ring = update(t, s.open(t), func(*shard.Ring) (*shard.Ring, error) { return ring.Settle() })
	if ring.Spare() != 1 {
		t.Errorf("with a witness %d may be missing", ring.Spare())
	}
	for _, cut := range []shard.ID{"a", "b"} {
		n := update(t, s.open(t, cut), func(r *shard.Ring) (*shard.Ring, error) { return r.Standby("a", "host="+string(cut), false) })
		if n.Version != ring.Version+1 {
			t.Errorf("without %s version %d after %d", cut, n.Version, ring.Version)
		}
		ring = n
	}
	if got := read(t, s.open(t)); got.Hash() != ring.Hash() {
		t.Errorf("all together read version %d, not %d", got.Version, ring.Version)
	}
}

func TestAShardThatJoinsKeepsTheDocument(t *testing.T) {
	s := newSystem(t, 3)
	s.dsns["d"] = storetest.DSN(t)
	before := read(t, s.open(t))
	s.migrate(t, "d", before.Map)
	ring := update(t, s.open(t), func(r *shard.Ring) (*shard.Ring, error) {
		return r.Add("d", "@d", shard.Plan{ID: "r", Slowdown: 2})
	})
	if ring, err := reshard.Settle(t.Context(), s.open(t)); err != nil || ring.Version != 3 {
		t.Fatalf("%+v, %v", ring, err)
	}
	// Three of four answer, d among them; so it has the document.
	if got := read(t, s.open(t, "a")); got.Prev != ring.Hash() {
		t.Errorf("read version %d", got.Version)
	}
	if _, err := s.open(t, "a", "b").Read(t.Context()); err == nil {
		t.Error("two of four were enough")
	}
}

func TestAnAcceptorThatWentBackJoinsAnew(t *testing.T) {
	s := newSystem(t, 3)
	r := s.open(t)
	old := read(t, r)
	for i := range 3 {
		update(t, r, func(now *shard.Ring) (*shard.Ring, error) { return now.Standby("a", fmt.Sprintf("host=%d", i), false) })
	}
	// c comes back from a backup.
	if err := register.Restore(t.Context(), s.dsns["c"], "c", reshard.Ballot{}, old); err != nil {
		t.Fatal(err)
	}
	if err := r.RejoinShard(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	want := read(t, r)
	if !slices.Equal(want.Acceptors, []string{"a", "b", "c"}) || want.OldAcceptors != nil || want.Seats[0].Standby != "host=2" {
		t.Errorf("after joining anew: %+v", want)
	}
	if got := read(t, s.open(t, "a")); got.Hash() != want.Hash() {
		t.Errorf("b and c read version %d, not %d", got.Version, want.Version)
	}
	// It may be told to again, which changes only the version.
	if err := r.RejoinShard(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
}

func TestAnotherShardsDatabaseIsRefused(t *testing.T) {
	s := newSystem(t, 2)
	s.dsns["a"], s.dsns["b"] = s.dsns["b"], s.dsns["a"]
	if _, err := s.open(t).Read(t.Context()); err == nil || !strings.Contains(err.Error(), "that of shard") {
		t.Errorf("read from the wrong databases: %v", err)
	}
}
