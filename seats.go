package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"gori/shard"
)

// seats returns the shards of the ring with their addresses, and the newest
// document that any of them holds. Instances without a seat are left out. What
// has no document yet is as it was named.
func (t *target) seats(ctx context.Context) ([]ShardConfig, *shard.Ring, error) {
	named, err := t.shards()
	if err != nil {
		return nil, nil, err
	}
	ring, err := readDocument(ctx, named)
	if errors.Is(err, errNoDocument) {
		return named, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	known := map[string]string{}
	for _, s := range named {
		known["@"+s.ID] = s.DSN
	}
	var list []ShardConfig
	for _, seat := range ring.Seats {
		dsn := seat.Addr
		if strings.HasPrefix(dsn, "@") {
			if dsn = known[dsn]; dsn == "" {
				return nil, nil, fmt.Errorf("the ring has the shard %s at %s, which is not among the shards that are named", seat.ID, seat.Addr)
			}
		}
		list = append(list, ShardConfig{ID: string(seat.ID), DSN: dsn})
	}
	return list, ring, nil
}
