package backup

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
	"gori/store"
	"gori/store/storetest"
)

// world is a system whose every table has rows.
type world struct {
	*store.Store
	shards   []store.ShardConfig
	people   []chat.UserID
	channels []chat.ChannelID
}

// shardsOf names new empty databases a, b, c …
func shardsOf(t testing.TB, n int) []store.ShardConfig {
	t.Helper()
	var list []store.ShardConfig
	for i, dsn := range storetest.DSNs(t, n) {
		list = append(list, store.ShardConfig{ID: shard.ID(rune('a' + i)), DSN: dsn})
	}
	return list
}

func newWorld(t testing.TB, n int) *world {
	t.Helper()
	w := &world{shards: shardsOf(t, n)}
	var ids []shard.ID
	for _, sc := range w.shards {
		ids = append(ids, sc.ID)
	}
	m, err := shard.First(ids)
	ok(t, err)
	ok(t, store.MigrateAll(t.Context(), w.shards, nil, m))
	w.Store = open(t, w.shards)
	w.fill(t)
	return w
}

func open(t testing.TB, shards []store.ShardConfig) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Shards: shards, PingTimeout: 2 * time.Minute}) // a busy host may be slow
	ok(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		s.Close()
	})
	return s
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func token(name string) [32]byte { return sha256.Sum256([]byte("token of " + name)) }

func draft(id chat.ChannelID, from chat.UserID, body string) chat.Draft {
	msg, _ := uuid.NewV7()
	return chat.Draft{Channel: id, Sender: from, ClientMsgID: chat.ClientMsgID(msg), Body: body}
}

// fill makes people, channels and messages by the store, and a row in every
// table that is still empty then.
func (w *world) fill(t testing.TB) {
	t.Helper()
	ctx := t.Context()
	for i := range 8 {
		name := fmt.Sprintf("user%d", i)
		self, _, err := w.SignUp(ctx, chat.NewAccount{LoginName: name, DisplayName: name + "\t\\ 한글\n", PasswordHash: "hash", TokenHash: token(name), DeviceName: "test"})
		ok(t, err)
		w.people = append(w.people, self.ID)
	}
	for i := range 12 {
		key, _ := uuid.NewV7()
		c, err := w.CreateGroup(ctx, chat.GroupDraft{Owner: w.people[0], Key: chat.ClientMsgID(key), Name: fmt.Sprintf("모임 %d", i), Members: w.people[1:]})
		ok(t, err)
		w.channels = append(w.channels, c.ID)
		for j := range 10 {
			_, err := w.Append(ctx, draft(c.ID, w.people[j%8], fmt.Sprintf("line %d\nwith\ttabs and \\N and \\. ✓", j)))
			ok(t, err)
		}
		_, err = w.Alter(ctx, chat.Alteration{Kind: chat.AlterReact, Channel: c.ID, Seq: 3, Actor: w.people[1], Emoji: "👍"})
		ok(t, err)
	}
	_, err := w.SetAvatar(ctx, w.people[2], []byte{0, 1, 2, '\n', '\t', '\\'})
	ok(t, err)
	_, err = w.Befriend(ctx, w.people[0], w.people[1])
	ok(t, err)
	_, err = w.Append(ctx, draft(w.channels[0], w.people[3], string(make([]rune, 0))+bigBody))
	ok(t, err)
	for _, sc := range w.shards {
		fillRest(t, sc)
	}
}

var bigBody = func() string {
	b := make([]rune, 100_000)
	for i := range b {
		b[i] = rune('가' + i%1000)
	}
	return string(b)
}()

// fillRest puts one row into each empty table of a shard.
func fillRest(t testing.TB, sc store.ShardConfig) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), sc.DSN)
	ok(t, err)
	defer conn.Close(t.Context())
	_, err = conn.Exec(t.Context(), `DO $$
	DECLARE t text; cols text; vals text; filled bool;
	BEGIN
		PERFORM control.gate(ARRAY(SELECT partition FROM control.partition_owner WHERE state = 'active' ORDER BY 1));
		FOR t IN SELECT relname FROM pg_class WHERE relnamespace = 'data'::regnamespace AND relkind = 'r' LOOP
			EXECUTE format('SELECT EXISTS (SELECT FROM data.%I)', t) INTO filled;
			CONTINUE WHEN filled;
			SELECT string_agg(quote_ident(a.attname), ','), string_agg(CASE
					WHEN a.attname = 'partition' THEN '(SELECT min(partition) FROM control.partition_owner WHERE state = ''active'')'
					WHEN y.typname = 'jsonb' THEN '''{"a": "b\\tc"}''' WHEN y.typname = 'bytea' THEN '''\x00090a5c''' WHEN y.typname = 'timestamptz' THEN 'now() + interval ''1 day'''
					WHEN y.typname = 'bool' THEN 'true' WHEN y.typname = 'uuid' THEN 'gen_random_uuid()' WHEN y.typname = 'text' THEN '''x'''
					ELSE '7' END, ',') INTO cols, vals
				FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
				WHERE a.attrelid = ('data.' || quote_ident(t))::regclass AND a.attnum > 0 AND NOT a.attisdropped AND a.attnotnull;
			EXECUTE format('INSERT INTO data.%I (%s) VALUES (%s)', t, cols, vals);
		END LOOP;
		-- Rows of a partition that has gone are in no set.
		INSERT INTO control.receipts (reshard, partition, at, doc) VALUES ('r1', 5, now(), '{"to": "a"}') ON CONFLICT DO NOTHING;
	END $$`)
	ok(t, err)
}

// post sends as a device does: what is refused for now is sent again.
func (w *world) post(d chat.Draft) error {
	for {
		_, err := w.Append(context.Background(), d)
		if err == nil || !chat.ErrorOf(err).Retry {
			return err
		}
	}
}

// chatter is people who write until stop is called; it returns how many
// messages were acknowledged to them, by channel.
func (w *world) chatter(t testing.TB) (stop func() map[chat.ChannelID]int) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	last := make([]atomic.Int64, len(w.channels))
	for i, id := range w.channels {
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := w.post(draft(id, w.people[rand.N(len(w.people))], "live")); err != nil {
					t.Error(err)
					return
				}
				last[i].Add(1)
				select {
				case <-ctx.Done():
				case <-time.After(time.Millisecond):
				}
			}
		})
	}
	return func() map[chat.ChannelID]int {
		cancel()
		wg.Wait()
		got := map[chat.ChannelID]int{}
		for i, id := range w.channels {
			got[id] = int(last[i].Load())
		}
		return got
	}
}
