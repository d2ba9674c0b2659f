// Package survey looks at shards for the administrator: who owns what, how much
// lies where, who has a name. It reads only, and starts no goroutines; each
// call makes and ends a connection of its own.
package survey

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"gori/shard"
)

// Owner is what a shard says about one partition.
type Owner struct {
	Partition shard.Partition `json:"partition"`
	State     string          `json:"state"` // active, fenced, incoming, gone
	Epoch     shard.Epoch     `json:"epoch"`
	Peer      shard.ID        `json:"peer,omitempty"` // the other side of a move, or where it has gone
}

// ByPartition is a list of owners by their partitions.
func ByPartition(list []Owner) map[shard.Partition]Owner {
	m := make(map[shard.Partition]Owner, len(list))
	for _, o := range list {
		m[o.Partition] = o
	}
	return m
}

// Owners returns what a shard says about partitions, in their order. These rows
// are the authority.
func Owners(ctx context.Context, dsn string) ([]Owner, error) {
	var list []Owner
	err := with(ctx, dsn, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT partition, state, epoch, peer FROM control.partition_owner ORDER BY partition`)
		if err != nil {
			return err
		}
		list, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Owner, error) {
			var o Owner
			var p int32
			err := row.Scan(&p, &o.State, &o.Epoch, &o.Peer)
			o.Partition = shard.Partition(p)
			return o, err
		})
		return err
	})
	return list, err
}

// Size is how much lies in a partition.
type Size struct {
	Rows     int64 `json:"rows"`
	Messages int64 `json:"messages"` // of them
	Bytes    int64 `json:"bytes"`    // its share of the tables and indexes, by rows
}

// Sizes counts every partition of a shard in every table that moves with
// partitions: those of the schema data. It reads all their keys: seconds per
// ten million rows.
func Sizes(ctx context.Context, dsn string) (map[shard.Partition]Size, error) {
	sizes := make(map[shard.Partition]Size)
	err := with(ctx, dsn, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `
			SELECT c.relname, pg_total_relation_size(c.oid)
			FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'partition' AND NOT a.attisdropped
			WHERE n.nspname = 'data' AND c.relkind = 'r' ORDER BY 1`)
		if err != nil {
			return err
		}
		type table struct {
			name  string
			bytes int64
		}
		tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (table, error) {
			var t table
			err := row.Scan(&t.name, &t.bytes)
			return t, err
		})
		if err != nil {
			return err
		}
		for _, t := range tables {
			if err := addTable(ctx, conn, sizes, t.name, t.bytes); err != nil {
				return fmt.Errorf("count %s: %w", t.name, err)
			}
		}
		return nil
	})
	return sizes, err
}

func addTable(ctx context.Context, conn *pgx.Conn, sizes map[shard.Partition]Size, name string, bytes int64) error {
	rows, err := conn.Query(ctx, `SELECT partition, count(*) FROM `+pgx.Identifier{"data", name}.Sanitize()+` GROUP BY partition`)
	if err != nil {
		return err
	}
	counts := make(map[shard.Partition]int64)
	total := int64(0)
	var p int32
	var n int64
	if _, err := pgx.ForEachRow(rows, []any{&p, &n}, func() error {
		counts[shard.Partition(p)] = n
		total += n
		return nil
	}); err != nil {
		return err
	}
	for p, n := range counts {
		s := sizes[p]
		s.Rows += n
		s.Bytes += int64(float64(bytes) * float64(n) / float64(total))
		if name == "messages" {
			s.Messages += n
		}
		sizes[p] = s
	}
	return nil
}

// Thing is a user or a channel found on a shard.
type Thing struct {
	Kind      string          `json:"kind"` // user, name, direct, group
	ID        int64           `json:"id,string"`
	Name      string          `json:"name"`
	Partition shard.Partition `json:"partition"`
	Messages  int64           `json:"messages,omitempty"`
}

// maxThings bounds what one name finds on one shard.
const maxThings = 20

// Query says what Find looks for; zero values look for nothing.
type Query struct {
	ID        int64  // of a user or a channel
	LoginName string // in canonical form
	Group     string // the exact name of groups
}

// Find looks on one shard for users and channels.
func Find(ctx context.Context, dsn string, q Query) ([]Thing, error) {
	var found []Thing
	err := with(ctx, dsn, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `
			SELECT * FROM (
				SELECT 'user' AS kind, user_id, login_name, partition, 0::bigint FROM data.users
					WHERE partition = $1 AND user_id = $2
				UNION ALL
				SELECT CASE kind WHEN 1 THEN 'direct' ELSE 'group' END, channel_id, name, partition, last_seq FROM data.channels
					WHERE partition = $1 AND channel_id = $2
				UNION ALL
				SELECT 'name', user_id, name, partition, 0 FROM data.login_names
					WHERE partition = $3 AND name = $4
				UNION ALL
				SELECT 'group', channel_id, name, partition, last_seq FROM data.channels
					WHERE $5 <> '' AND kind = 2 AND name = $5
			) x LIMIT $6`, int32(shard.Of(q.ID)), q.ID, int32(shard.OfName(q.LoginName)), q.LoginName, q.Group, maxThings)
		if err != nil {
			return err
		}
		found, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Thing, error) {
			var t Thing
			var p int32
			err := row.Scan(&t.Kind, &t.ID, &t.Name, &p, &t.Messages)
			t.Partition = shard.Partition(p)
			return t, err
		})
		return err
	})
	return found, err
}

func with(ctx context.Context, dsn string, do func(*pgx.Conn) error) error {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return do(conn)
}
