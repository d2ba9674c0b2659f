package backup

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/store"
	"gori/store/schema"
)

// source is a shard being read. Its reader holds the schema's lock, shared, and
// from the instant on the snapshot; its gatekeeper closes the gates.
type source struct {
	store.ShardConfig
	reader, gatekeeper *pgx.Conn
	limits             map[string]string // of the gatekeeper

	schema   int32
	postgres string
	tables   []table
	// Those of the snapshot.
	owned []int32
	epoch shard.Epoch
	ring  *shard.Ring
}

// table is what a backup keeps of one table.
type table struct {
	name    string // with its schema
	columns []string
	// query selects the rows; $owned stands for the list of partitions owned and
	// $others for that of the other shards.
	query string
}

// quote writes an identifier with its schema.
func (t table) quote() string {
	s, n, _ := strings.Cut(t.name, ".")
	return pgx.Identifier{s, n}.Sanitize()
}

// filled is the query for a shard.
func (t table) filled(owned []int32, others []string) string {
	list := strings.Trim(strings.ReplaceAll(fmt.Sprint(owned), " ", ","), "[]")
	return strings.NewReplacer("$owned", list, "$others", strings.Join(others, ",")).Replace(t.query)
}

// connect opens a session that may stay idle and read for long.
func connect(ctx context.Context, sc store.ShardConfig, extra map[string]string) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(sc.DSN)
	if err != nil {
		return nil, err
	}
	cfg.ConnectTimeout = 10 * time.Second
	// Rows must have one text form, wherever and with whatever settings.
	maps.Copy(cfg.RuntimeParams, map[string]string{
		"application_name": "gori backup", "timezone": "UTC", "datestyle": "ISO, YMD", "intervalstyle": "iso_8601", "extra_float_digits": "3",
		"bytea_output": "hex", "client_encoding": "UTF8", "statement_timeout": "0", "idle_in_transaction_session_timeout": "0", "lock_timeout": "0", "jit": "off",
	})
	maps.Copy(cfg.RuntimeParams, extra)
	return pgx.ConnectConfig(ctx, cfg)
}

// open connects to a shard and makes sure that its schema stays as it is.
func (s *source) open(ctx context.Context, budget time.Duration) (err error) {
	if s.reader, err = connect(ctx, s.ShardConfig, nil); err != nil {
		return err
	}
	// Should this process stand still, the server opens the gates by itself.
	s.limits = map[string]string{"statement_timeout": fmt.Sprint(budget.Milliseconds()),
		"idle_in_transaction_session_timeout": fmt.Sprint(2 * budget.Milliseconds())}
	if s.gatekeeper, err = connect(ctx, s.ShardConfig, s.limits); err != nil {
		return err
	}
	if err := schema.Hold(ctx, s.reader, s.ID); err != nil {
		return err
	}
	if s.schema, err = schema.Version(ctx, s.reader); err != nil {
		return err
	}
	if s.schema == 0 {
		return errors.New("holds no data of Gori")
	}
	var found string
	if err := s.reader.QueryRow(ctx, "SELECT shard_id, current_setting('server_version') FROM control.shard_self").Scan(&found, &s.postgres); err != nil {
		return err
	}
	if shard.ID(found) != s.ID {
		return &store.WrongShardError{Want: s.ID, Found: shard.ID(found)}
	}
	s.tables, err = tablesOf(ctx, s.reader)
	return err
}

func (s *source) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	for _, c := range []*pgx.Conn{s.reader, s.gatekeeper} {
		if c != nil {
			_ = c.Close(ctx)
		}
	}
}

// tablesOf lists what is kept: by the catalog every table of schema data, and
// two of schema control. It refuses a table that it could not divide.
func tablesOf(ctx context.Context, conn *pgx.Conn) ([]table, error) {
	rows, err := conn.Query(ctx, `SELECT c.relname, c.relkind = 'r' AND bool_or(a.attname = 'partition'),
			array_agg(a.attname ORDER BY a.attname <> 'partition', a.attnum)
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		WHERE c.relnamespace = 'data'::regnamespace AND c.relkind IN ('r', 'p', 'f', 'm')
		GROUP BY c.relname, c.relkind ORDER BY c.relname`)
	if err != nil {
		return nil, err
	}
	var list []table
	var name string
	var known bool
	var columns []string
	_, err = pgx.ForEachRow(rows, []any{&name, &known, &columns}, func() error {
		if !known {
			return fmt.Errorf("data.%s is no table with a column partition: a backup would not know what belongs where", name)
		}
		t := table{name: "data." + name, columns: columns}
		t.query = "SELECT " + quoted(columns) + " FROM " + t.quote() + " WHERE partition = ANY ('{$owned}'::int[])"
		list = append(list, t)
		return nil
	})
	if err != nil {
		return nil, err
	}
	receipts, err := hasReceipts(ctx, conn)
	if receipts {
		list = append(list, receiptsTable)
	}
	return append(list, fanoutTable), err
}

func hasReceipts(ctx context.Context, conn *pgx.Conn) (some bool, err error) {
	err = conn.QueryRow(ctx, "SELECT to_regclass('control.receipts') IS NOT NULL").Scan(&some)
	return some, err
}

// fanoutTable is what is still owed to inboxes: a line for each channel.
var fanoutTable = table{name: "control.fanout_pending", columns: []string{"channel", "from_seq", "to_seq", "made_at"},
	query: "SELECT u.c, u.f, u.t, p.made_at FROM control.fanout_pending p, unnest(p.channels, p.from_seqs, p.to_seqs) AS u (c, f, t)"}

// receiptsTable is what proves moves. Both shards of one keep it: the target's
// is taken, or the other one when the target has left.
var receiptsTable = table{name: "control.receipts", columns: []string{"partition", "reshard", "at", "doc"},
	query: "SELECT partition, reshard, at, doc FROM control.receipts WHERE doc ->> 'to' <> ALL ('{$others}'::text[])"}

func quoted(columns []string) string {
	var list []string
	for _, c := range columns {
		list = append(list, pgx.Identifier{c}.Sanitize())
	}
	return strings.Join(list, ", ")
}
