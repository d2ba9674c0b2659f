package move

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"gori/shard"
	"gori/shard/reshard"
)

// touch changes rows of part in every way there is: by each step other ones.
func (p *pair) touch(part shard.Partition, n int) {
	p.t.Helper()
	for _, sql := range []string{
		"UPDATE data.messages SET body = 'edited %[2]d', change = %[2]d, edited_at = now() WHERE partition = %[1]d AND seq = %[2]d",
		"UPDATE data.messages SET body = '', deleted_at = now(), deleted_by = 1 WHERE partition = %[1]d AND seq = %[2]d + 1",
		"DELETE FROM data.messages WHERE partition = %[1]d AND seq = 40 - %[2]d",
		"INSERT INTO data.messages (partition, channel_id, seq, count, sender_id, client_msg_id, digest, body) VALUES (%[1]d, %[1]d * 1000 + 1, 100 + %[2]d, 1, 1, gen_random_uuid(), 1, repeat('긴', 100000))",
		"UPDATE data.channels SET last_seq = 100 + %[2]d WHERE partition = %[1]d AND channel_id = %[1]d * 1000 + 1",
		"INSERT INTO data.reactions (partition, channel_id, seq, emoji, user_id) VALUES (%[1]d, %[1]d * 1000 + 1, %[2]d, '👍', %[2]d)",
		"DELETE FROM data.reactions WHERE partition = %[1]d AND seq = %[1]d * 1000 + %[2]d",
		"UPDATE data.members SET read_seq = read_seq + 1 WHERE partition = %[1]d",
		"UPDATE data.inbox SET read_seq = read_seq + %[2]d, pos = pos + 1 WHERE partition = %[1]d",
		"UPDATE data.avatars SET png = decode(repeat('ab', 5000 + %[2]d), 'hex'), version = version + 1 WHERE partition = %[1]d",
		"INSERT INTO data.audit VALUES (%[1]d, 900000 + %[2]d, now(), 1, 'look', 'it', '')",
		"DELETE FROM data.logins WHERE partition = %[1]d AND login_id %% 7 = %[2]d",
		"UPDATE data.push_devices SET endpoint_hash = sha256(endpoint_hash) WHERE partition = %[1]d",
		"DELETE FROM data.singletons WHERE partition = %[1]d AND key > '대화'",
		"INSERT INTO data.singletons VALUES (%[1]d, 'Key \"%[2]d\" \\ ''x''', '[1, {\"b\": null}]')",
		"DELETE FROM data.signup_invites WHERE ctid IN (SELECT ctid FROM data.signup_invites WHERE partition = %[1]d LIMIT 2)",
	} {
		p.mustWrite(src, part, fmt.Sprintf(sql, part, n))
	}
}

func TestWritesDuringAMoveArrive(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	ps := []shard.Partition{6, 7}
	p.fill(ps, 40)
	n := 0
	var before map[string]digest
	e := p.another(func(c *Config) {
		c.At = func(step string) {
			if slices.Contains([]string{"claimed", "captured", "copying", "copied", "followed", "verified"}, step) {
				n++
				p.touch(6, n)
				before = p.digests(src, ps)
			}
			if step == "fenced" {
				if err := p.write(src, 6, "UPDATE data.users SET lang = 'ko' WHERE partition = 6"); sqlState(err) != "GR001" {
					t.Errorf("a write behind the fence: %v", err)
				}
			}
		}
	})
	receipts, err, _ := run(t, e, ps...)
	if err != nil {
		t.Fatal(err)
	}
	if !equalDigests(before, p.digests(dst, ps)) {
		t.Fatal("rows differ")
	}
	if n != 6 || receipts[0].Followed == 0 || receipts[0].Channels[0].Last != 106 {
		t.Errorf("%d steps, receipt %+v", n, receipts[0])
	}
	var body int
	if err := p.conn[dst].QueryRow(t.Context(), "SELECT length(body) FROM data.messages WHERE partition = 6 AND seq = 106").Scan(&body); err != nil || body != 100_000 {
		t.Errorf("a long message has %d characters, %v", body, err)
	}
	var dirty int
	if err := p.conn[src].QueryRow(t.Context(), "SELECT count(*) FROM control.partition_dirty").Scan(&dirty); err != nil || dirty != 0 {
		t.Errorf("%d keys are still noted, %v", dirty, err)
	}
}

func TestLongRowsAreFollowedInBoundedTransactions(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.talk(1, 100)
	e := p.another(atStep("copied", func() {
		p.mustWrite(src, 1, "UPDATE data.messages SET body = (SELECT string_agg(md5(random()::text), '') FROM generate_series(1, 9000) WHERE seq > 0), change = 1 WHERE partition = 1")
	}))
	if _, err, _ := run(t, e, 1); err != nil {
		t.Fatal(err)
	}
	if !equalSome(p.digests(src, []shard.Partition{1}), p.digests(dst, []shard.Partition{1})) {
		t.Error("rows differ")
	}
}

func equalSome(a, b map[string]digest) bool {
	for k, d := range a {
		if b[k] != d {
			return false
		}
	}
	return len(a) == len(b)
}

func TestWhatIsNotUnderstoodIsRefused(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	moves := []shard.Move{{Partition: 1, From: src, To: dst}, {Partition: 2, From: src, To: dst}}
	for _, sql := range []string{
		"CREATE TABLE data.x_nokey (partition int)",
		"CREATE TABLE data.x_other (id int, partition int, PRIMARY KEY (id, partition))",
		"CREATE TABLE data.x_single (partition int PRIMARY KEY)",
		"CREATE TABLE data.x_json (partition int, id int, j json, PRIMARY KEY (partition, id))",
		"CREATE TABLE data.x_made (partition int, id int GENERATED ALWAYS AS IDENTITY, PRIMARY KEY (partition, id))",
		"CREATE TABLE data.x_computed (partition int, id int, k int GENERATED ALWAYS AS (id + 1) STORED, PRIMARY KEY (partition, id))",
		"CREATE TABLE data.x_foreign (partition int, id bigint, PRIMARY KEY (partition, id), FOREIGN KEY (partition, id) REFERENCES data.channels)",
		"CREATE TYPE public.mood AS ENUM ('ok')",
		"CREATE TABLE data.x_type (partition int, id int, m public.mood, PRIMARY KEY (partition, id))",
		"CREATE TABLE data.x_leaves (partition int, id int, PRIMARY KEY (partition, id)) PARTITION BY HASH (partition)",
		"CREATE VIEW data.x_view AS SELECT 1 AS one",
	} {
		p.exec(src, sql)
	}
	p.exec(src, "SELECT control.guard_tables()")
	p.exec(src, "GRANT SELECT ON ALL TABLES IN SCHEMA data TO gori_mover")
	p.exec(src, "CREATE TABLE data.x_unguarded (partition int, id int, PRIMARY KEY (partition, id))")
	p.exec(src, "UPDATE control.partition_owner SET state = 'gone' WHERE partition = 2")
	p.exec(dst, "ALTER TABLE data.users ADD COLUMN more int")
	p.exec(dst, "UPDATE public.gori_schema_version SET version = version + 1")
	f, err := p.another(func(c *Config) { c.Free = func(string) (uint64, bool) { return 0, true } }).Preflight(t.Context(), moves)
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(f.Refusals, "\n")
	for _, want := range []string{"x_nokey: it has no primary key", "x_other: its primary key does not begin", "x_single: its primary key has nothing", "x_json: column j has the type json",
		"x_made: its values of id are made", "x_computed: its values of k are made", "x_foreign: it has foreign keys", "x_type: column m has the type mood", "x_leaves: it is not an ordinary table",
		"x_view: it is not an ordinary table", "x_unguarded: it lacks the guard", "different schemas", "it has no table data.x_json",
		"partition 2 is gone at shard a", "users has other columns there (more integer)"} {
		if !strings.Contains(all, want) {
			t.Errorf("not refused: %s", want)
		}
	}
	if t.Failed() {
		t.Log(all)
	}
	_, err = p.Begin(t.Context(), reshard.Group{Reshard: "r", From: src, To: dst, Partitions: []shard.Partition{1}})
	var refused *RefusedError
	if !errors.As(err, &refused) {
		t.Errorf("it was begun: %v", err)
	}
	p.wantStates("active unknown", 1)
}

func TestPreflightOfSoundShards(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.talk(1, 2000)
	moves := []shard.Move{{Partition: 1, From: src, To: dst}}
	// Only the owner of a server sees where its data folder is.
	asOwner := func(c *Config) { c.DSN = func(id shard.ID) (string, error) { return p.dsns[id], nil } }
	f, err := p.another(asOwner, func(c *Config) { c.Free = func(dir string) (uint64, bool) { return 1 << 40, dir != "" } }).Preflight(t.Context(), moves)
	if err != nil || len(f.Refusals) > 0 || len(f.Lanes) != 1 || f.Rows < 2000 || f.Bytes < 100_000 || f.Estimate <= 0 || !strings.HasPrefix(f.Lanes[0].Digests, "hash of") {
		t.Fatalf("%+v, %v", f, err)
	}
	f, err = p.another(asOwner, func(c *Config) { c.Free = func(string) (uint64, bool) { return 1000, true } }).Preflight(t.Context(), moves)
	if err != nil || len(f.Refusals) != 1 || len(f.Free) != 2 {
		t.Fatalf("%+v, %v", f, err)
	}
	p.dsns[dst] += " host=/nowhere"
	f, err = p.Preflight(t.Context(), moves)
	if err != nil || len(f.Down) != 1 || len(f.Refusals) != 1 {
		t.Fatalf("%+v, %v", f, err)
	}
}

// Servers of other versions compare rows by their text.
func TestTheTextOfRowsServesAsWell(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	p.fill([]shard.Partition{1}, 20)
	w := p.begin(1).(*work)
	for i, s := range w.tables {
		w.tables[i] = newStatements(s.table, canonical)
		w.byName[s.name] = w.tables[i]
	}
	if err := w.Fill(t.Context(), free{}); err != nil {
		t.Fatal(err)
	}
	p.mustWrite(src, 1, "UPDATE data.users SET lang = 'ko' WHERE partition = 1")
	receipts, err := w.Cut(t.Context())
	if err != nil || len(receipts) != 1 {
		t.Fatal(receipts, err)
	}
	if !equalDigests(p.digests(src, []shard.Partition{1}), p.digests(dst, []shard.Partition{1})) {
		t.Error("rows differ")
	}
}
