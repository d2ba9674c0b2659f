package doctor

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"gori/store"
)

// guards looks for the triggers without which a write could get around the gate.
func (p *patient) guards(ctx context.Context) error {
	rows, err := p.conn.Query(ctx, `SELECT c.relname FROM pg_class c
		WHERE c.relnamespace = 'data'::regnamespace AND c.relkind = 'r' AND 4 > (SELECT count(*) FROM pg_trigger g JOIN pg_proc f ON f.oid = g.tgfoid
			WHERE g.tgrelid = c.oid AND g.tgenabled IN ('O', 'A') AND f.pronamespace = 'control'::regnamespace
				AND (g.tgname, f.proname) IN (('guard_insert', 'guard'), ('guard_update', 'guard'), ('guard_delete', 'guard'), ('guard_truncate', 'refuse_truncate')))
		ORDER BY 1`)
	if err != nil {
		return err
	}
	bare, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err
	}
	if len(bare) > 0 {
		p.say("guards", Problem, "are missing or off on data."+strings.Join(bare, ", data."), "a write that does not pass the gate may be lost in a reshard",
			"as the schema's owner: SELECT control.guard_tables(); and ALTER TABLE … ENABLE TRIGGER ALL")
		return nil
	}
	p.fine("guards", "are on every table")
	return nil
}

// rights looks what the roles of nodes and movers may do: enough, and not more.
func (p *patient) rights(ctx context.Context) error {
	const sql = `SELECT r.rolname, r.rolsuper OR r.rolcreaterole OR r.rolcreatedb OR r.rolbypassrls,
			has_schema_privilege(r.oid, 'data', 'CREATE') OR has_schema_privilege(r.oid, 'control', 'CREATE')
				OR EXISTS (SELECT FROM pg_class c WHERE c.relnamespace IN ('data'::regnamespace, 'control'::regnamespace) AND pg_has_role(r.oid, c.relowner, 'USAGE')),
			coalesce((SELECT string_agg(c.oid::regclass::text, ', ') FROM pg_class c WHERE c.relnamespace = 'data'::regnamespace AND c.relkind = 'r'
				AND NOT (has_table_privilege(r.oid, c.oid, 'SELECT') AND has_table_privilege(r.oid, c.oid, 'INSERT')
					AND (c.relname = 'audit' OR has_table_privilege(r.oid, c.oid, 'UPDATE') AND has_table_privilege(r.oid, c.oid, 'DELETE')))), ''),
			has_table_privilege(r.oid, 'control.partition_owner', 'UPDATE') OR has_table_privilege(r.oid, 'data.audit', 'DELETE')
		FROM pg_roles r WHERE r.rolname = ANY ($1)`
	roles := []string{store.AppRole, store.MoverRole}
	rows, err := p.conn.Query(ctx, sql, roles)
	if err != nil {
		return err
	}
	var name, lacks string
	var mighty, owner, owns bool
	bad := map[string]string{store.AppRole: "does not exist", store.MoverRole: "does not exist"}
	_, err = pgx.ForEachRow(rows, []any{&name, &mighty, &owner, &lacks, &owns}, func() error {
		delete(bad, name)
		switch {
		case mighty || owner:
			bad[name] = "may do more than it should: it is a superuser, makes roles, or may change tables"
		case lacks != "":
			bad[name] = "may not read and write " + lacks
		case name == store.AppRole && owns:
			bad[name] = "may change who owns what, or the audit log"
		}
		return nil
	})
	for name, what := range bad {
		p.say("rights", Warning, "the role "+name+" "+what, "nodes should be able to write rows and nothing else",
			"start a node as the schema's owner, who may make roles: it gives the rights anew (first: COMMENT ON SCHEMA control IS NULL)")
	}
	if err == nil && len(bad) == 0 {
		p.fine("rights", "of the nodes' roles are as they should be")
	}
	return err
}

// wish is a setting that something depends on.
type wish struct {
	level       Level
	meaning, do string
	good        func(value string) bool
}

func oneOf(values ...string) func(string) bool {
	return func(v string) bool {
		for _, good := range values {
			if v == good {
				return true
			}
		}
		return false
	}
}

var wishes = map[string]wish{
	"fsync":                         {Problem, "an acknowledged message may be lost when the host loses power", "set it on", oneOf("on")},
	"full_page_writes":              {Problem, "pages may be torn when the host loses power", "set it on", oneOf("on")},
	"synchronous_commit":            {Problem, "an acknowledged message may be lost when the server dies", "set it on", oneOf("on", "remote_apply")},
	"data_checksums":                {Warning, "damage by the disk stays unnoticed", "pg_checksums --enable, with the server stopped", oneOf("on")},
	"default_transaction_isolation": {Problem, "the gate needs read committed", "set it to read committed", oneOf("read committed")},
	"autovacuum":                    {Problem, "tables bloat, and the server stops in the end", "set it on", oneOf("on")},
}

// settings looks at those that promises depend on.
func (p *patient) settings(ctx context.Context) error {
	rows, err := p.conn.Query(ctx, `SELECT name, setting FROM pg_settings WHERE name = ANY ($1)`,
		[]string{"fsync", "full_page_writes", "synchronous_commit", "data_checksums", "default_transaction_isolation", "autovacuum"})
	if err != nil {
		return err
	}
	bad := 0
	var name, value string
	if _, err = pgx.ForEachRow(rows, []any{&name, &value}, func() error {
		if w := wishes[name]; !w.good(value) {
			bad++
			p.say("settings", w.level, name+" is "+value, w.meaning, w.do)
		}
		return nil
	}); err != nil {
		return err
	}
	var walMB, version, conns int
	if err := p.conn.QueryRow(ctx, `SELECT (SELECT setting::int FROM pg_settings WHERE name = 'max_wal_size'),
		current_setting('server_version_num')::int / 10000, current_setting('max_connections')::int`).Scan(&walMB, &version, &conns); err != nil {
		return err
	}
	if walMB > 1024 {
		bad++
		p.say("settings", Warning, fmt.Sprintf("max_wal_size is %d MB", walMB), "after a crash the server may take many seconds to come back", "512 MB to 1 GB")
	}
	if version < 15 || version > 17 {
		bad++
		p.say("settings", Warning, fmt.Sprintf("PostgreSQL is %d", version), "Gori is tested with 15 to 17", "")
	}
	if bad == 0 {
		p.fine("settings", fmt.Sprintf("PostgreSQL %d keeps its promises: fsync, synchronous_commit, checksums; max_wal_size %d MB, %d connections", version, walMB, conns))
	}
	return nil
}

// server looks for what fills a server or holds it up.
func (p *patient) server(ctx context.Context) error {
	var bytes, age, oldest, prepared, slots, connected, most int64
	err := p.conn.QueryRow(ctx, `SELECT pg_database_size(current_database()), age(d.datfrozenxid),
			coalesce((SELECT extract(epoch FROM clock_timestamp() - min(xact_start))::bigint FROM pg_stat_activity
				WHERE xact_start IS NOT NULL AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND application_name <> 'gori backup'), 0),
			(SELECT count(*) FROM pg_prepared_xacts), (SELECT count(*) FROM pg_replication_slots WHERE NOT active),
			(SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), current_setting('max_connections')::int
		FROM pg_database d WHERE d.datname = current_database()`).Scan(&bytes, &age, &oldest, &prepared, &slots, &connected, &most)
	if err != nil {
		return err
	}
	for _, c := range []struct {
		bad               bool
		what, meaning, do string
	}{
		{age > 1_000_000_000, fmt.Sprintf("its oldest transaction number is %d old", age), "the server refuses writes at 2,000,000,000", "VACUUM FREEZE, and find out what keeps autovacuum from it"},
		{oldest > 600, fmt.Sprintf("a transaction is open for %d s", oldest), "nothing that was deleted meanwhile can be cleaned up", "see pg_stat_activity"},
		{prepared > 0, fmt.Sprintf("%d prepared transactions wait", prepared), "they hold locks and keep the server from cleaning up; Gori makes none", "ROLLBACK PREPARED"},
		{slots > 0, fmt.Sprintf("%d replication slots have nobody who reads", slots), "the log is kept for them until the disk is full", "bring the standby back, or pg_drop_replication_slot"},
		{connected > most*9/10, fmt.Sprintf("%d of %d connections are taken", connected, most), "nodes and commands may be refused", "raise max_connections, or lower store.conns_per_shard"},
	} {
		if c.bad {
			p.say("server", Warning, c.what, c.meaning, c.do)
		}
	}
	p.fine("server", fmt.Sprintf("%.1f MB, %d connections of %d", float64(bytes)/1e6, connected, most))
	return nil
}
