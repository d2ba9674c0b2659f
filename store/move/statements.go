package move

import (
	"fmt"
	"strings"
)

// hasher writes the expressions for the two halves of a row's digest.
type hasher struct{ a, b string }

var (
	// fast is PostgreSQL's own hash of rows with two seeds: equal between servers
	// of one major version and architecture, which is probed.
	fast = hasher{"hash_record_extended(t, 1)", "hash_record_extended(t, 2)"}
	// canonical is of the row's text, for all other pairs.
	canonical = hasher{"('x' || left(md5(t::text), 16))::bit(64)::bigint", "('x' || right(md5(t::text), 16))::bit(64)::bigint"}
	// probing makes a row of most types.
	probing = "SELECT hash_record_extended(t, 1), hash_record_extended(t, 2) FROM (SELECT 1::int, 2::bigint, 3::smallint, 'text 대화'::text, true, " +
		`'2001-02-03 04:05:06.789+00'::timestamptz, '\x0102'::bytea, '{"a": [1, null]}'::jsonb, ARRAY[1, 2]::bigint[], NULL::int, 1.5::numeric, ` +
		"'00000000-0000-0000-0000-000000000001'::uuid) t"
)

// statements are a table's, all by text so that they are prepared once a
// connection.
type statements struct {
	*table
	digests  string // ($1 partitions): of every bucket
	totals   string // ($1 partitions): of every partition
	touched  string // ($1 keys): of the rows of keys, by bucket
	images   string // ($1 keys): the rows that there are
	hashes   string // ($1 keys): their digests
	remove   string // ($1 keys): digests of what was removed, by partition
	insert   string // ($1 rows): digests of what was inserted, by partition
	present  string // ($1 partitions)
	clean    string // ($1 partitions, $2 rows at most): how many rows and bytes were deleted
	out, in  string // COPY
	seqNamed bool
}

// seqShift makes buckets of 1024 seqs.
const seqShift = 10

func newStatements(t *table, h hasher) *statements {
	s := &statements{table: t}
	full := t.full()
	scope, group, bucket := "''", "t.partition", "0::bigint"
	if len(t.key) > 2 {
		k := "t." + ident(t.key[1].Name)
		scope, group = k+"::text", group+", "+k
		if c := t.key[2]; c.Type == "bigint" && strings.HasSuffix(c.Name, "seq") {
			s.seqNamed = true
			bucket = fmt.Sprintf("t.%s >> %d", ident(c.Name), seqShift)
			group += ", " + bucket
		}
	}
	sums := "count(*), coalesce(bit_xor(" + h.a + "), 0), coalesce(bit_xor(" + h.b + "), 0)"
	var on []string
	for _, k := range t.key {
		on = append(on, fmt.Sprintf("t.%s = (k.k ->> '%s')::%s", ident(k.Name), strings.ReplaceAll(k.Name, "'", "''"), k.Type))
	}
	keys := "jsonb_array_elements($1::jsonb) WITH ORDINALITY k(k, i)"
	join := keys + " JOIN " + full + " t ON " + strings.Join(on, " AND ")
	s.digests = fmt.Sprintf("SELECT t.partition, %s, %s, %s FROM %s t WHERE t.partition = ANY($1) GROUP BY %s", scope, bucket, sums, full, group)
	s.totals = fmt.Sprintf("SELECT t.partition, %s FROM %s t WHERE t.partition = ANY($1) GROUP BY t.partition", sums, full)
	s.touched = fmt.Sprintf("SELECT t.partition, %s, %s, %s FROM %s GROUP BY %s", scope, bucket, sums, join, group)
	s.images = "SELECT k.i::int, t FROM " + join
	s.hashes = fmt.Sprintf("SELECT k.i::int, %s, %s FROM %s", h.a, h.b, join)
	back := fmt.Sprintf("RETURNING t.partition AS p, %s AS a, %s AS b) SELECT p, count(*), bit_xor(a), bit_xor(b) FROM done GROUP BY p", h.a, h.b)
	s.remove = fmt.Sprintf("WITH done AS (DELETE FROM %s t USING %s WHERE %s %s", full, keys, strings.Join(on, " AND "), back)
	s.insert = fmt.Sprintf("WITH done AS (INSERT INTO %s AS t (%s) SELECT %s FROM unnest($1::%s[]) r %s", full, t.columnList(), t.columnList(), full, back)
	s.present = "EXISTS (SELECT FROM " + full + " WHERE partition = ANY($1))"
	s.clean = fmt.Sprintf(`WITH gone AS (DELETE FROM %[1]s t
			WHERE ctid = ANY (ARRAY(SELECT ctid FROM %[1]s WHERE partition = ANY($1) LIMIT $2)) RETURNING pg_column_size(t.*) AS size)
		SELECT count(*), coalesce(sum(size), 0)::bigint FROM gone`, full)
	s.out = "COPY (SELECT " + t.columnList() + " FROM " + full + " WHERE partition = ANY('{%s}'::int[])) TO STDOUT (FORMAT binary)"
	s.in = "COPY " + full + " (" + t.columnList() + ") FROM STDIN (FORMAT binary)"
	return s
}
