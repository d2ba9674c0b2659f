package command

import (
	"context"
	"errors"
	"fmt"

	"gori/config"
	"gori/reach"
	"gori/shard"
)

// seats returns the shards of the ring with their addresses, and the newest
// document that any of them holds. Instances without a seat are left out. What
// has no document yet is as it was named.
func (t *target) seats(ctx context.Context) ([]config.Shard, *shard.Ring, error) {
	named, err := t.shards()
	if err != nil {
		return nil, nil, err
	}
	ring, err := reach.ReadDocument(ctx, named)
	if errors.Is(err, reach.ErrNoDocument) {
		return named, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	resolve, err := t.resolver()
	if err != nil {
		return nil, nil, err
	}
	var list []config.Shard
	for _, seat := range ring.Seats {
		dsn, err := resolve(seat.Addr)
		if err != nil {
			return nil, nil, fmt.Errorf("where the ring has the shard %s: %w", seat.ID, err)
		}
		list = append(list, config.Shard{ID: string(seat.ID), DSN: dsn})
	}
	return list, ring, nil
}
