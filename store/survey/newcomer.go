package survey

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"gori/shard"
)

// oldestMajor is the oldest PostgreSQL that shards are made for.
const oldestMajor = 15

// Newcomer is a database that is to become a shard.
type Newcomer struct {
	Major      int // version of the server
	Encoding   string
	Collate    string
	Ctype      string
	Recovering bool     // it is a standby
	User       string   // who is logged in
	MayCreate  bool     // may make schemas in it
	Reads      bool     // may read what a Gori has left there, if one has
	Shard      shard.ID // whose it says it is; "": of none
	Tables     int      // of something else than Gori
}

const sqlNewcomer = `SELECT current_setting('server_version_num')::int / 10000, pg_encoding_to_char(d.encoding), d.datcollate, d.datctype,
	pg_is_in_recovery(), current_user::text, has_database_privilege(d.oid, 'CREATE'),
	to_regnamespace('control') IS NULL OR has_schema_privilege('control', 'USAGE, CREATE'),
	(SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('data', 'control', 'information_schema') AND n.nspname !~ '^pg_'
			AND c.relname <> 'gori_schema_version' AND NOT EXISTS (SELECT FROM pg_depend e WHERE e.objid = c.oid AND e.deptype = 'e'))
	FROM pg_database d WHERE d.datname = current_database()`

// LookAt looks at a database that is to become a shard.
func LookAt(ctx context.Context, dsn string) (Newcomer, error) {
	var n Newcomer
	err := with(ctx, dsn, func(conn *pgx.Conn) error {
		if err := conn.QueryRow(ctx, sqlNewcomer).Scan(&n.Major, &n.Encoding, &n.Collate, &n.Ctype, &n.Recovering, &n.User, &n.MayCreate, &n.Reads, &n.Tables); err != nil {
			return err
		}
		if !n.Reads {
			return nil // it may not even be asked whether there is such a table
		}
		var some bool
		if err := conn.QueryRow(ctx, "SELECT to_regclass('control.shard_self') IS NOT NULL").Scan(&some); err != nil || !some {
			return err
		}
		return conn.QueryRow(ctx, "SELECT coalesce(max(shard_id), '') FROM control.shard_self").Scan(&n.Shard)
	})
	return n, err
}

// Unfit says why it cannot become the shard id, nil if nothing stands against it.
func (n Newcomer) Unfit(id shard.ID) []string {
	var why []string
	say := func(is bool, format string, args ...any) {
		if is {
			why = append(why, fmt.Sprintf(format, args...))
		}
	}
	say(n.Major < oldestMajor, "its server is PostgreSQL %d and has to be %d or newer", n.Major, oldestMajor)
	say(n.Recovering, "its server is a standby, which takes no writes")
	say(n.Encoding != "UTF8", "its encoding is %s and has to be UTF8", n.Encoding)
	say(!isPlain(n.Collate) || !isPlain(n.Ctype), "its locale is %s and has to be C.UTF-8", strings.Join(slices.Compact([]string{n.Collate, n.Ctype}), " and "))
	say(!n.MayCreate || !n.Reads, "%s may not make tables in it and has to own it", n.User)
	say(n.Shard != "" && n.Shard != id, "it is that of shard %s", n.Shard)
	say(n.Tables > 0, "it has %d tables of something else and has to be empty", n.Tables)
	return why
}

// isPlain says that a locale orders by code points, as every shard does.
func isPlain(locale string) bool {
	return strings.EqualFold(strings.ReplaceAll(locale, "-", ""), "C.UTF8")
}
