package register

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
	"gori/store/gently"
)

// onShard is the acceptor of one shard, over one connection, which is made anew
// after any error.
type onShard struct {
	id   shard.ID
	dsn  string
	docs *docs
	turn chan struct{} // held by who uses conn
	conn *pgx.Conn
}

func newOnShard(id shard.ID, dsn string) *onShard {
	return &onShard{id: id, dsn: dsn, docs: &docs{}, turn: make(chan struct{}, 1)}
}

// docs remembers the document that was read last: acceptors nearly always hold
// the same, and reading one takes longer than asking for it.
type docs struct {
	mu   sync.Mutex
	text []byte
	ring *shard.Ring
}

func (d *docs) parse(text []byte) (*shard.Ring, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.ring != nil && bytes.Equal(text, d.text) {
		return d.ring, nil
	}
	ring := new(shard.Ring)
	if err := json.Unmarshal(text, ring); err != nil {
		return nil, err
	}
	d.text, d.ring = bytes.Clone(text), ring
	return ring, nil
}

// Each statement is one transaction, so its answer is durable. When nothing is
// updated the second half tells what stood in the way; it may be a little old,
// which only costs the asker another round.
const (
	sqlPrepare = `WITH done AS (
		UPDATE control.ring_acceptor SET promised_counter = $1, promised_by = $2
		WHERE (promised_counter, promised_by) < ($1, $2::text COLLATE "C")
		RETURNING true, promised_counter, promised_by, accepted_counter, accepted_by, doc)
	SELECT * FROM done UNION ALL
	SELECT false, promised_counter, promised_by, accepted_counter, accepted_by, doc FROM control.ring_acceptor WHERE NOT EXISTS (SELECT FROM done)`
	sqlAccept = `WITH done AS (
		UPDATE control.ring_acceptor SET promised_counter = $1, promised_by = $2, accepted_counter = $1, accepted_by = $2, doc = $3
		WHERE (promised_counter, promised_by) <= ($1, $2::text COLLATE "C")
		RETURNING true, promised_counter, promised_by, accepted_counter, accepted_by, NULL::jsonb)
	SELECT * FROM done UNION ALL
	SELECT false, promised_counter, promised_by, accepted_counter, accepted_by, NULL FROM control.ring_acceptor WHERE NOT EXISTS (SELECT FROM done)`
	sqlPeek = `SELECT true, promised_counter, promised_by, accepted_counter, accepted_by, doc FROM control.ring_acceptor`
)

// Prepare implements reshard.Acceptor.
func (a *onShard) Prepare(ctx context.Context, b reshard.Ballot) (reshard.Vote, error) {
	return a.ask(ctx, sqlPrepare, b.Counter, b.By)
}

// Accept implements reshard.Acceptor.
func (a *onShard) Accept(ctx context.Context, b reshard.Ballot, doc *shard.Ring) (reshard.Vote, error) {
	text, err := json.Marshal(doc)
	if err != nil {
		return reshard.Vote{}, err
	}
	return a.ask(ctx, sqlAccept, b.Counter, b.By, string(text))
}

// Peek implements reshard.Acceptor.
func (a *onShard) Peek(ctx context.Context) (reshard.Vote, error) { return a.ask(ctx, sqlPeek) }

func (a *onShard) ask(ctx context.Context, sql string, args ...any) (reshard.Vote, error) {
	var v reshard.Vote
	err := a.with(ctx, func(conn *pgx.Conn) error {
		var doc []byte
		err := conn.QueryRow(ctx, sql, args...).Scan(&v.OK, &v.Promised.Counter, &v.Promised.By, &v.Accepted.Counter, &v.Accepted.By, &doc)
		if err != nil || doc == nil {
			return err
		}
		v.Doc, err = a.docs.parse(doc)
		return err
	})
	return v, err
}

// with runs do on the connection, alone.
func (a *onShard) with(ctx context.Context, do func(*pgx.Conn) error) error {
	select {
	case a.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-a.turn }()
	for try := 1; ; try++ {
		fresh := a.conn == nil
		if fresh {
			conn, err := a.dial(ctx)
			if err != nil {
				return fmt.Errorf("shard %s: %w", a.id, err)
			}
			a.conn = conn
		}
		err := do(a.conn)
		if err == nil {
			return nil
		}
		a.drop()
		// A connection that lay idle may have died with its server long ago. What it
		// was asked is harmless to ask twice.
		if fresh || try > 1 || ctx.Err() != nil {
			return fmt.Errorf("shard %s: %w", a.id, err)
		}
	}
}

func (a *onShard) dial(ctx context.Context) (*pgx.Conn, error) {
	cfg, err := pgx.ParseConfig(a.dsn)
	if err != nil {
		return nil, err
	}
	for k, v := range map[string]string{
		"application_name": "gori ring",
		// A promise that is forgotten breaks the agreement. On the disk here is
		// enough, also for a shard with a standby, whose death the ring must be able
		// to say: a standby that is promoted makes up for promises it may not know
		// (see replica.Server.Promote).
		"synchronous_commit": "local",
		"statement_timeout":  "5s",
		"lock_timeout":       "3s",
	} {
		cfg.RuntimeParams[k] = v
	}
	gently.Connect(&cfg.Config)
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	var found string
	if err := conn.QueryRow(ctx, "SELECT shard_id FROM control.shard_self").Scan(&found); err != nil {
		_ = conn.Close(ctx)
		return nil, err
	}
	if shard.ID(found) != a.id {
		_ = conn.Close(ctx)
		return nil, fmt.Errorf("the database at its address is that of shard %s", found)
	}
	return conn, nil
}

func (a *onShard) drop() {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_ = a.conn.Close(ctx)
	a.conn = nil
}

func (a *onShard) close() {
	a.turn <- struct{}{}
	if a.conn != nil {
		a.drop()
	}
	<-a.turn
}

// Reset makes the acceptor of a shard a new one that holds nothing and promises
// nothing before floor. See reshard.Register.Rejoin for when that is allowed.
func Reset(ctx context.Context, dsn string, id shard.ID, floor reshard.Ballot) error {
	return set(ctx, dsn, id, `UPDATE control.ring_acceptor SET promised_counter = $1, promised_by = $2, accepted_counter = 0, accepted_by = '', doc = NULL`,
		floor.Counter, floor.By)
}

// Restore puts a document on the shard of a system that is put together from a
// backup and of which nothing runs: all its shards get the same document and
// ballot.
func Restore(ctx context.Context, dsn string, id shard.ID, at reshard.Ballot, doc *shard.Ring) error {
	text, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	return set(ctx, dsn, id, `UPDATE control.ring_acceptor SET promised_counter = $1, promised_by = $2, accepted_counter = $1, accepted_by = $2, doc = $3`,
		at.Counter, at.By, string(text))
}

func set(ctx context.Context, dsn string, id shard.ID, sql string, args ...any) error {
	a := newOnShard(id, dsn)
	defer a.close()
	return a.with(ctx, func(conn *pgx.Conn) error {
		tag, err := conn.Exec(ctx, sql, args...)
		if err == nil && tag.RowsAffected() != 1 {
			err = fmt.Errorf("it has no row for the ring document")
		}
		return err
	})
}

// RejoinShard makes the acceptor of a shard that lost its memory a new one; see
// reshard.Register.Rejoin.
func (r *Register) RejoinShard(ctx context.Context, id shard.ID) error {
	ring, err := r.Peek(ctx)
	if err != nil {
		return err
	}
	dsn, err := r.DSN(id, ring)
	if err != nil {
		return err
	}
	return r.Rejoin(ctx, string(id), func(ctx context.Context, floor reshard.Ballot) error { return Reset(ctx, dsn, id, floor) })
}
