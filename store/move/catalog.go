package move

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// column of a moved table.
type column struct {
	Name string
	Type string // as PostgreSQL writes it
	OID  uint32
}

// table is one that moves, as one shard's catalog has it.
type table struct {
	name      string
	columns   []column // in order
	key       []column // of the primary key, in order
	row       uint32   // OID of its row type
	array     uint32   // and of an array of those
	trouble   []string // why it cannot be moved
	reltuples float32
}

const catalogSQL = `SELECT c.relname, c.relkind::text, c.reltype, coalesce(rt.typarray, 0), c.reltuples,
	(SELECT coalesce(array_agg(a.attname::text ORDER BY a.attnum), '{}') FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
	(SELECT coalesce(array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum), '{}') FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
	(SELECT coalesce(array_agg(a.atttypid ORDER BY a.attnum), '{}') FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
	(SELECT coalesce(array_agg(a.attname::text ORDER BY k.ord), '{}') FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k(num, ord)
		JOIN pg_attribute a ON a.attnum = k.num WHERE i.indrelid = c.oid AND i.indisprimary AND a.attrelid = c.oid),
	(SELECT coalesce(string_agg(a.attname, ', '), '') FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
		AND (a.attgenerated <> '' OR a.attidentity <> '')),
	(SELECT coalesce(string_agg(f.conname, ', '), '') FROM pg_constraint f WHERE f.contype = 'f' AND (f.conrelid = c.oid OR f.confrelid = c.oid)),
	EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgname = 'guard_insert' AND g.tgenabled <> 'D'),
	c.relrowsecurity
	FROM pg_class c LEFT JOIN pg_type rt ON rt.oid = c.reltype
	WHERE c.relnamespace = 'data'::regnamespace AND c.relkind NOT IN ('i', 'I', 't', 'c') ORDER BY c.relname`

// firstOwnOID is where the OIDs of types that a database has made itself begin:
// they differ from shard to shard.
const firstOwnOID = 16384

// catalog reads the tables that move. What cannot be moved is said in each
// table's trouble.
func catalog(ctx context.Context, conn *pgx.Conn) ([]*table, error) {
	rows, err := conn.Query(ctx, catalogSQL)
	if err != nil {
		return nil, err
	}
	var list []*table
	var name, kind, made, foreign string
	var row, array uint32
	var tuples float32
	var names, types, key []string
	var oids []uint32
	var guarded, rowSecurity bool
	_, err = pgx.ForEachRow(rows, []any{&name, &kind, &row, &array, &tuples, &names, &types, &oids, &key, &made, &foreign, &guarded, &rowSecurity}, func() error {
		t := &table{name: name, row: row, array: array, reltuples: tuples}
		for i := range names {
			c := column{Name: names[i], Type: types[i], OID: oids[i]}
			t.columns = append(t.columns, c)
			if c.OID >= firstOwnOID {
				t.refuse("column %s has the type %s, which is not one of PostgreSQL's own", c.Name, c.Type)
			}
		}
		for _, k := range key {
			i := slices.IndexFunc(t.columns, func(c column) bool { return c.Name == k })
			t.key = append(t.key, t.columns[i])
		}
		t.judge(kind, made, foreign, guarded, rowSecurity)
		list = append(list, t)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return list, probe(ctx, conn, list)
}

func (t *table) refuse(format string, args ...any) {
	t.trouble = append(t.trouble, "data."+t.name+": "+fmt.Sprintf(format, args...))
}

func (t *table) judge(kind, made, foreign string, guarded, rowSecurity bool) {
	if kind != "r" {
		t.refuse("it is not an ordinary table (kind %s)", kind)
		return
	}
	switch {
	case len(t.key) == 0:
		t.refuse("it has no primary key")
	case t.key[0].Name != "partition" || t.key[0].Type != "integer":
		t.refuse("its primary key does not begin with an integer column named partition")
	case len(t.key) == 1:
		t.refuse("its primary key has nothing but the partition")
	}
	if made != "" {
		t.refuse("its values of %s are made by PostgreSQL", made)
	}
	if foreign != "" {
		t.refuse("it has foreign keys (%s)", foreign)
	}
	if !guarded {
		t.refuse("it lacks the guard of the gate: end the migration that made it with SELECT control.guard_tables()")
	}
	if rowSecurity {
		t.refuse("row security hides rows")
	}
}

// probe asks whether rows of the tables have a digest: of all types together, and
// of each where that is not so.
func probe(ctx context.Context, conn *pgx.Conn, list []*table) error {
	asked := map[string]bool{}
	var nulls []string
	for _, t := range list {
		for _, c := range t.columns {
			if _, known := asked[c.Type]; !known && c.OID < firstOwnOID {
				asked[c.Type] = true
				nulls = append(nulls, "NULL::"+c.Type)
			}
		}
	}
	all, err := hashed(ctx, conn, nulls...)
	if all || err != nil {
		return err
	}
	for _, t := range list {
		for _, c := range t.columns {
			if c.OID >= firstOwnOID {
				continue
			}
			if has, err := hashed(ctx, conn, "NULL::"+c.Type); err != nil {
				return err
			} else if !has {
				t.refuse("column %s has the type %s, which has no hash", c.Name, c.Type)
			}
		}
	}
	return nil
}

// hashed says whether a row of these values has a hash.
func hashed(ctx context.Context, conn *pgx.Conn, values ...string) (bool, error) {
	var h int64
	err := conn.QueryRow(ctx, "SELECT hash_record_extended(ROW("+strings.Join(values, ", ")+"), 1)", pgx.QueryExecModeExec).Scan(&h)
	if sqlState(err) == "42883" {
		return false, nil
	}
	return err == nil, err
}

// learn tells a connection how this shard names the row types of the tables, so
// that rows travel as they are.
func learn(conn *pgx.Conn, list []*table) {
	for _, t := range list {
		for _, oid := range []uint32{t.row, t.array} {
			conn.TypeMap().RegisterType(&pgtype.Type{Name: fmt.Sprint("row", oid), OID: oid, Codec: pgtype.ByteaCodec{}})
		}
	}
}

func ident(name string) string { return pgx.Identifier{name}.Sanitize() }

func (t *table) full() string { return "data." + ident(t.name) }

// columnList names the columns, the partition first.
func (t *table) columnList() string {
	names := []string{"partition"}
	for _, c := range t.columns {
		if c.Name != "partition" {
			names = append(names, ident(c.Name))
		}
	}
	return strings.Join(names, ", ")
}

// sameAs says how t differs from the other shard's table of the same name.
func (t *table) sameAs(o *table) string {
	same := func(a, b column) bool { return a == b }
	switch {
	case !slices.EqualFunc(t.columns, o.columns, same):
		return fmt.Sprintf("data.%s has other columns there%s", t.name, differing(t.columns, o.columns))
	case !slices.EqualFunc(t.key, o.key, same):
		return fmt.Sprintf("data.%s has another primary key there", t.name)
	}
	return ""
}

// differing names the columns that only one side has.
func differing(a, b []column) string {
	var names []string
	for _, list := range [][2][]column{{a, b}, {b, a}} {
		for _, c := range list[0] {
			if !slices.Contains(list[1], c) {
				names = append(names, c.Name+" "+c.Type)
			}
		}
	}
	if len(names) == 0 {
		return ", in another order"
	}
	return " (" + strings.Join(names, ", ") + ")"
}
