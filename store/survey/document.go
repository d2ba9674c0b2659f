package survey

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/jackc/pgx/v5"

	"gori/shard"
)

// Document returns the ring document a shard has last accepted, nil if none. It
// need not be the agreed one: what a majority has accepted is.
func Document(ctx context.Context, dsn string) (*shard.Ring, error) {
	var r *shard.Ring
	err := with(ctx, dsn, func(conn *pgx.Conn) error {
		// Before there were several versions of it there was only the map.
		var some, before bool
		err := conn.QueryRow(ctx, `SELECT to_regclass('control.ring_acceptor') IS NOT NULL, to_regclass('control.ring_document') IS NOT NULL`).
			Scan(&some, &before)
		if err != nil || !some && !before {
			return err
		}
		var doc []byte
		if before {
			if err := conn.QueryRow(ctx, "SELECT doc FROM control.ring_document").Scan(&doc); err != nil {
				return err
			}
			m := new(shard.Map)
			if err := json.Unmarshal(doc, m); err != nil {
				return err
			}
			r = shard.FirstRing(m)
			return nil
		}
		err = conn.QueryRow(ctx, "SELECT doc FROM control.ring_acceptor WHERE doc IS NOT NULL").Scan(&doc)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		r = new(shard.Ring)
		return json.Unmarshal(doc, r)
	})
	if err != nil {
		return nil, err
	}
	return r, nil
}
