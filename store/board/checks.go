package board

import (
	"context"
	"encoding/json"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Check is what is kept of a receipt that was computed again: a move.Check.
type Check struct {
	Reshard string
	Doc     json.RawMessage
	At      time.Time
	Silent  time.Duration // since it was last written
}

// Checks returns the newest check of each reshard that some shard keeps; of one
// reshard, or of all if it is "".
func (b *Board) Checks(ctx context.Context, reshard string) map[string]Check {
	found := map[string]Check{}
	for _, a := range each(ctx, b, func(ctx context.Context, p *pgxpool.Pool) ([]Check, error) {
		rows, err := p.Query(ctx, `SELECT reshard, doc, at, extract(epoch FROM clock_timestamp() - at)::float8 FROM control.checks
			WHERE $1 = '' OR reshard = $1 ORDER BY at DESC LIMIT 1000`, reshard)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, func(row pgx.CollectableRow) (c Check, err error) {
			var silent float64
			err = row.Scan(&c.Reshard, (*[]byte)(&c.Doc), &c.At, &silent)
			c.Silent = time.Duration(silent * float64(time.Second))
			return c, err
		})
	}) {
		for _, c := range a.Value {
			if was, ok := found[c.Reshard]; !ok || c.At.After(was.At) {
				found[c.Reshard] = c
			}
		}
	}
	return found
}
