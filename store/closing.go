package store

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gori/shard"
)

const sqlOwner = `SELECT state, epoch, peer FROM control.partition_owner WHERE partition = $1`

// scanOwner reads what sqlOwner finds; a partition unknown there has no state.
func scanOwner(row pgx.Row, p shard.Partition) (*ownerRow, error) {
	says := &ownerRow{Partition: int32(p)}
	err := row.Scan(&says.State, &says.Epoch, &says.Peer)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, err
	}
	return says, nil
}

// closing is the querier of a read. Who serves the partition has to be asked
// after everything else; with a batch the question goes along as its last
// statement, which has a snapshot of its own as all have, and costs no round
// trip. What is asked after that batch makes its answer void.
type closing struct {
	q    querier
	p    shard.Partition
	says *ownerRow // what the last batch was told; nil: ask
}

func (c *closing) Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error) {
	c.says = nil
	return c.q.Query(ctx, sql, args...)
}

func (c *closing) QueryRow(ctx context.Context, sql string, args ...any) pgx.Row {
	c.says = nil
	return c.q.QueryRow(ctx, sql, args...)
}

func (c *closing) SendBatch(ctx context.Context, b *pgx.Batch) pgx.BatchResults {
	c.says = nil
	left := b.Len()
	b.Queue(sqlOwner, int32(c.p))
	return &closingResults{BatchResults: c.q.SendBatch(ctx, b), c: c, left: left}
}

// closingResults reads the answer when the others have been read. Errors it
// leaves to those who read on.
type closingResults struct {
	pgx.BatchResults
	c      *closing
	left   int // results before the answer
	closed bool
}

func (r *closingResults) Exec() (pgconn.CommandTag, error) {
	r.left--
	return r.BatchResults.Exec()
}

func (r *closingResults) Query() (pgx.Rows, error) {
	r.left--
	return r.BatchResults.Query()
}

func (r *closingResults) QueryRow() pgx.Row {
	r.left--
	return r.BatchResults.QueryRow()
}

func (r *closingResults) Close() error {
	if r.closed {
		return r.BatchResults.Close()
	}
	r.closed = true
	for ; r.left > 0; r.left-- {
		if _, err := r.BatchResults.Exec(); err != nil {
			return r.BatchResults.Close()
		}
	}
	if says, err := scanOwner(r.BatchResults.QueryRow(), r.c.p); err == nil {
		r.c.says = says
	}
	return r.BatchResults.Close()
}
