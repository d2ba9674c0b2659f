package proof

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
	"gori/store"
	"gori/store/local"
	"gori/store/storetest"
)

// soaking says that the whole is wanted, not a sample.
var soaking = os.Getenv("GORI_TEST_LONG") == "1"

// seedOf draws a test's seed, or takes the one given, and prints it.
func seedOf(t testing.TB) uint64 {
	t.Helper()
	seed := rand.Uint64() >> 32
	if given, err := strconv.ParseUint(os.Getenv("GORI_SEED"), 10, 64); err == nil {
		seed = given
	}
	t.Logf("GORI_SEED=%d", seed)
	return seed
}

// post is one shard of a town.
type post struct {
	id  shard.ID
	dsn string
	in  *local.Instance // nil: one of many databases of a shared server
}

// town is a system of a few shards with people and rooms.
type town struct {
	t      testing.TB
	seed   uint64
	posts  []post
	node   *store.Store
	people []*person
	rooms  []*room
	ids    atomic.Int64 // given to what is sent, and to logins

	patience time.Duration // for a call to be answered, however often it is repeated
	grace    time.Duration // for what follows by itself to be right
}

type townOptions struct {
	shards  int // that own something at first
	spare   int // that own nothing
	people  int
	rooms   int // groups; a direct channel comes with each two people
	durable bool
	disk    *storetest.SmallDisk // of the last shard; nil: it has none of its own
	seed    uint64
	edit    func(*store.Config)
}

func newTown(t testing.TB, o townOptions) *town {
	t.Helper()
	w := &town{t: t, seed: o.seed, patience: 2 * time.Minute, grace: 2 * time.Minute}
	n := o.shards + o.spare
	var dsns []string
	ins := make([]*local.Instance, n)
	if o.durable {
		for i := range n {
			if o.disk != nil && i == n-1 {
				ins[i] = o.disk.StartInstance()
			} else {
				ins[i] = storetest.StartInstance(t)
			}
			dsns = append(dsns, ins[i].DSN("gori"))
		}
	} else {
		dsns = storetest.DSNs(t, n)
	}
	var ids []shard.ID
	for i := range n {
		id := shard.ID("abcdefgh"[i : i+1])
		w.posts = append(w.posts, post{id, dsns[i], ins[i]})
		if i < o.shards {
			ids = append(ids, id)
		}
	}
	m, err := shard.First(ids)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range w.posts {
		layout := m
		if i >= o.shards {
			layout = nil
		}
		if err := store.Migrate(t.Context(), p.dsn, p.id, layout); err != nil {
			t.Fatal(err)
		}
	}
	w.node = w.open(o.edit)
	w.settle(o)
	return w
}

// open starts a node.
func (w *town) open(edit func(*store.Config)) *store.Store {
	w.t.Helper()
	cfg := store.Config{WritePace: -1, InboxPace: 20 * time.Millisecond, SweepEvery: 200 * time.Millisecond, SweepAge: time.Second, StrictGate: true,
		PingTimeout: 2 * time.Minute} // a busy host may be slow; who is killed is found dead all the same
	for _, p := range w.posts {
		cfg.Shards = append(cfg.Shards, store.ShardConfig{ID: p.id, DSN: p.dsn})
	}
	cfg.Resolve = w.resolve
	if edit != nil {
		edit(&cfg)
	}
	s, err := store.Open(context.Background(), cfg)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) })
	w.t.Cleanup(func() {
		cancel()
		wg.Wait()
		s.Close()
	})
	return s
}

// settle makes people, friends and rooms.
func (w *town) settle(o townOptions) {
	w.t.Helper()
	for i := range o.people {
		p := &person{i: i, logins: map[[32]byte]bool{}, friends: map[chat.UserID]bool{}}
		token := tokenOf(w.seed, i, 0)
		self, _, err := w.node.SignUp(w.t.Context(), chat.NewAccount{LoginName: fmt.Sprintf("person%d", i), DisplayName: "Person",
			PasswordHash: "$argon2id$none", TokenHash: token, DeviceName: "first"})
		if err != nil {
			w.t.Fatal(err)
		}
		p.id, p.logins[token], p.name = self.ID, true, "Person"
		w.people = append(w.people, p)
	}
	for i := range o.rooms {
		r := &room{words: map[chat.ClientMsgID]*word{}, read: map[*person]chat.Seq{}}
		var ids []chat.UserID
		for k := range min(4, o.people) {
			p := w.people[(i+k)%o.people]
			r.members, ids = append(r.members, p), append(ids, p.id)
		}
		c, err := w.node.CreateGroup(w.t.Context(), chat.GroupDraft{Owner: ids[0], Key: idOf(w.seed, 1<<40+i), Name: fmt.Sprint("room ", i), Members: ids[1:]})
		if err != nil {
			w.t.Fatal(err)
		}
		r.id = c.ID
		w.rooms = append(w.rooms, r)
	}
	for i := 0; i+1 < o.people; i += 2 {
		a, b := w.people[i], w.people[i+1]
		for _, pair := range [][2]*person{{a, b}, {b, a}} {
			if _, err := w.node.Befriend(w.t.Context(), pair[0].id, pair[1].id); err != nil {
				w.t.Fatal(err)
			}
		}
		c, err := w.node.OpenDirect(w.t.Context(), a.id, b.id)
		if err != nil {
			w.t.Fatal(err)
		}
		w.rooms = append(w.rooms, &room{id: c.ID, members: []*person{a, b}, words: map[chat.ClientMsgID]*word{}, read: map[*person]chat.Seq{}})
	}
}

// tokenOf and idOf make what never comes twice.
func tokenOf(seed uint64, person, n int) [32]byte {
	return sha256.Sum256(fmt.Appendf(nil, "%d/%d/%d", seed, person, n))
}

func idOf(seed uint64, n int) chat.ClientMsgID {
	var id chat.ClientMsgID
	binary.BigEndian.PutUint64(id[:], seed<<16|1)
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

// places are the partitions in which something of the town lies, those that a
// shard serves.
func (w *town) places(on shard.ID) []shard.Partition {
	w.t.Helper()
	used := map[shard.Partition]bool{}
	for _, p := range w.people {
		used[shard.Of(p.id)] = true
	}
	for _, r := range w.rooms {
		used[shard.Of(r.id)] = true
	}
	var list []shard.Partition
	for p, owners := range w.owners() {
		if used[p] && owners[on] == "active" {
			list = append(list, p)
		}
	}
	slices.Sort(list)
	return list
}

// owners are the states of all partitions by shard.
func (w *town) owners() map[shard.Partition]map[shard.ID]string {
	w.t.Helper()
	all := map[shard.Partition]map[shard.ID]string{}
	for _, at := range w.posts {
		w.with(at, func(ctx context.Context, conn *pgx.Conn) error {
			rows, err := conn.Query(ctx, "SELECT partition, state FROM control.partition_owner")
			if err != nil {
				return err
			}
			var p int32
			var state string
			_, err = pgx.ForEachRow(rows, []any{&p, &state}, func() error {
				if all[shard.Partition(p)] == nil {
					all[shard.Partition(p)] = map[shard.ID]string{}
				}
				all[shard.Partition(p)][at.id] = state
				return nil
			})
			return err
		})
	}
	return all
}

// with does something on a shard itself.
func (w *town) with(at post, do func(ctx context.Context, conn *pgx.Conn) error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, at.dsn)
	if err == nil {
		err = do(ctx, conn)
		_ = conn.Close(ctx)
	}
	if err != nil {
		w.t.Fatalf("shard %s: %v", at.id, err)
	}
}

// resolve finds the post that an address in the ring names.
func (w *town) resolve(addr string) (string, error) {
	return w.post(shard.ID(strings.TrimPrefix(addr, "@"))).dsn, nil
}

func (w *town) post(id shard.ID) post {
	i := slices.IndexFunc(w.posts, func(p post) bool { return p.id == id })
	return w.posts[i]
}
