package survey

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// HasAccounts tells whether a shard keeps any account.
func HasAccounts(ctx context.Context, dsn string) (bool, error) {
	var some bool
	err := with(ctx, dsn, func(conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM data.users)`).Scan(&some)
	})
	return some, err
}
