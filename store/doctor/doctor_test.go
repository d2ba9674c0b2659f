package doctor

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
	"gori/store"
	"gori/store/storetest"
)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// system is two shards with people, groups and a direct channel.
type system struct {
	*store.Store
	opt    Options
	conns  []*pgx.Conn
	group  chat.ChannelID
	direct chat.ChannelID
}

func newSystem(t testing.TB) *system {
	t.Helper()
	s := &system{}
	var ids []shard.ID
	for i, dsn := range storetest.DSNs(t, 2) {
		ids = append(ids, shard.ID(rune('a'+i)))
		s.opt.Shards = append(s.opt.Shards, store.ShardConfig{ID: ids[i], DSN: dsn})
	}
	m, err := shard.First(ids)
	ok(t, err)
	ok(t, store.MigrateAll(t.Context(), s.opt.Shards, nil, m))
	s.opt.Ring, s.opt.Settle = shard.FirstRing(m), 10*time.Millisecond
	s.Store, err = store.Open(t.Context(), store.Config{Shards: s.opt.Shards, SweepEvery: 50 * time.Millisecond, PingTimeout: 2 * time.Minute})
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
	for _, sc := range s.opt.Shards {
		conn, err := pgx.Connect(t.Context(), sc.DSN)
		ok(t, err)
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		s.conns = append(s.conns, conn)
	}
	s.fill(t)
	return s
}

func key() chat.ClientMsgID {
	id, _ := uuid.NewV7()
	return chat.ClientMsgID(id)
}

func (s *system) fill(t testing.TB) {
	t.Helper()
	ctx := t.Context()
	var people []chat.UserID
	for i := range 6 {
		self, _, err := s.SignUp(ctx, chat.NewAccount{LoginName: fmt.Sprint("user", i), DisplayName: "u", PasswordHash: "x", TokenHash: [32]byte{byte(i)}})
		ok(t, err)
		people = append(people, self.ID)
	}
	g, err := s.CreateGroup(ctx, chat.GroupDraft{Owner: people[0], Key: key(), Name: "모임", Members: people[1:]})
	ok(t, err)
	d, err := s.OpenDirect(ctx, people[0], people[1])
	ok(t, err)
	_, err = s.OpenDirect(ctx, people[2], people[3]) // without a message
	ok(t, err)
	s.group, s.direct = g.ID, d.ID
	for i := range 20 {
		for _, id := range []chat.ChannelID{g.ID, d.ID} {
			_, err := s.Append(ctx, chat.Draft{Channel: id, Sender: people[i%2], ClientMsgID: key(), Body: "hello"})
			ok(t, err)
		}
	}
	_, err = s.Govern(ctx, chat.Governance{Kind: chat.GovernLeave, Channel: g.ID, Actor: people[5]})
	ok(t, err)
}

// at is the shard that serves a channel.
func (s *system) at(id chat.ChannelID) int {
	if s.opt.Ring.Map.Owner(shard.Of(id)) == "a" {
		return 0
	}
	return 1
}

func (s *system) exec(t testing.TB, at int, sql string, args ...any) {
	t.Helper()
	ok(t, pgx.BeginFunc(t.Context(), s.conns[at], func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), "SELECT set_config('gori.gate', '/test/', true)"); err != nil {
			return err
		}
		_, err := tx.Exec(t.Context(), sql, args...)
		return err
	}))
}

// bad are the findings that are not ok, without those that the test server's
// own settings cause.
func bad(r *Report) []string {
	var list []string
	for _, f := range r.Findings {
		if f.Level != OK && f.Check != "settings" {
			list = append(list, fmt.Sprintf("%s %s %s: %s", f.Level, f.Check, f.Shard, f.What))
		}
	}
	return list
}

// settled examines until nothing is wrong: what is owed just now is carried out.
func (s *system) settled(t testing.TB) *Report {
	t.Helper()
	var r *Report
	for deadline := time.Now().Add(2 * time.Minute); time.Now().Before(deadline); {
		if r = Examine(t.Context(), s.opt); len(bad(r)) == 0 {
			return r
		}
	}
	t.Fatalf("it is never well: %q", bad(r))
	return nil
}

func TestASystemThatIsWell(t *testing.T) {
	s := newSystem(t)
	r := s.settled(t)
	checks := map[string]bool{}
	for _, f := range r.Findings {
		checks[f.Check] = true
	}
	for _, name := range []string{"shards", "owners", "ring", "guards", "rights", "server", "owed", "strays", "messages", "inboxes"} {
		if !checks[name] {
			t.Errorf("%s was not looked at", name)
		}
	}
	// The tests' server promises nothing.
	if r.Problems != 3*2 || r.Findings[0].Check != "settings" {
		t.Errorf("%d problems, the first one %+v", r.Problems, r.Findings[0])
	}
}

func TestWhatIsWrongIsFound(t *testing.T) {
	s := newSystem(t)
	s.settled(t)
	g, at := int64(s.group), s.at(s.group)
	other := 1 - at
	part := int32(shard.Of(s.group))
	name := []string{"a", "b"}
	for _, c := range []struct {
		what     string
		at       int
		hurt     string
		args     []any
		want     string
		heal     string
		healArgs []any
	}{
		{"nothing, but room for what is taken away", at, "CREATE TABLE public.kept AS SELECT * FROM data.messages WHERE channel_id = 0", nil, "", "SELECT 1", nil},
		{"a message that is gone", at, "WITH gone AS (DELETE FROM data.messages WHERE channel_id = $1 AND seq = 7 RETURNING *) INSERT INTO public.kept SELECT * FROM gone", []any{g},
			fmt.Sprintf("problem messages %s: channel %d has 21 messages from 1 to 22, and its row says 22", name[at], g), "INSERT INTO data.messages SELECT * FROM public.kept", nil},
		{"a guard that is off", 0, "ALTER TABLE data.logins DISABLE TRIGGER guard_update", nil, "problem guards a: are missing or off on data.logins", "ALTER TABLE data.logins ENABLE TRIGGER guard_update", nil},
		{"rights that are missing", 1, "REVOKE INSERT ON data.messages FROM " + store.AppRole, nil, "may not read and write data.messages", "GRANT INSERT ON data.messages TO " + store.AppRole, nil},
		{"rights that are too many", 1, "GRANT UPDATE ON control.partition_owner TO " + store.AppRole, nil, "may change who owns what", "REVOKE UPDATE ON control.partition_owner FROM " + store.AppRole, nil},
		{"two owners", other, "INSERT INTO control.partition_owner (partition, state) VALUES ($1, 'active')", []any{part}, "1 partitions have several owners", "DELETE FROM control.partition_owner WHERE partition = $1", []any{part}},
		{"rows of nobody", other, "INSERT INTO data.singletons VALUES ($1, 'stray', '1')", []any{part}, fmt.Sprintf("problem strays %s: rows of partition %d in singletons", name[other], part), "DELETE FROM data.singletons WHERE key = 'stray'", nil},
		{"no owner", at, "UPDATE control.partition_owner SET state = 'gone' WHERE partition = $1", []any{part}, "1 partitions have no owner", "UPDATE control.partition_owner SET state = 'active' WHERE partition = $1", []any{part}},
		{"a fence that stays", at, "UPDATE control.partition_owner SET state = 'fenced', fenced_at = now() - interval '1 hour' WHERE partition = $1", []any{part}, "is fenced for 3600 s", "UPDATE control.partition_owner SET state = 'active', fenced_at = NULL WHERE partition = $1", []any{part}},
		{"an effect that stays", at, "INSERT INTO data.effects (partition, effect_id, kind, payload, made_at, attempts) VALUES ($1, 1, 'x', '{}', now() - interval '1 hour', 50)", []any{part}, "1 effects are older than a minute (x), 1 of them", "DELETE FROM data.effects", nil},
		{"an older schema", at, "UPDATE public.gori_schema_version SET version = version - 1", nil, "the shards have different schemas", "UPDATE public.gori_schema_version SET version = version + 1", nil},
		{"a shard by another's name", at, "UPDATE control.shard_self SET shard_id = 'z'", nil, "is the shard z", "UPDATE control.shard_self SET shard_id = $1", []any{name[at]}},
	} {
		s.exec(t, c.at, c.hurt, c.args...)
		r := Examine(t.Context(), s.opt)
		if found := strings.Join(bad(r), "\n"); !strings.Contains(found, c.want) {
			t.Errorf("%s: not found among:\n%s", c.what, found)
		}
		s.exec(t, c.at, c.heal, c.healArgs...)
	}
	s.settled(t)
}

func TestInboxesThatAreBehindAreBroughtUpToDate(t *testing.T) {
	s := newSystem(t)
	s.settled(t)
	for i := range s.conns {
		s.exec(t, i, "UPDATE data.inbox SET last_seq = last_seq - 3, read_seq = 0 WHERE channel_id = $1", int64(s.group))
	}
	s.opt.Fix = true
	r := Examine(t.Context(), s.opt)
	if found := strings.Join(bad(r), "\n"); r.Fixed != 1 || !strings.Contains(found, "behind 1 channels") {
		t.Errorf("fixed %d, found:\n%s", r.Fixed, found)
	}
	s.opt.Fix = false
	s.settled(t)
	for i := range s.conns {
		s.exec(t, i, "UPDATE data.inbox SET last_seq = last_seq + 3 WHERE channel_id = $1", int64(s.group))
	}
	if found := strings.Join(bad(Examine(t.Context(), s.opt)), "\n"); !strings.Contains(found, "know more of 1 channels than there is") {
		t.Errorf("ahead: found\n%s", found)
	}
}
