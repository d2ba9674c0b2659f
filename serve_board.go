package main

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"gori/api"
	"gori/chat"
	"gori/shard"
	"gori/store"
	"gori/store/board"
	"gori/store/register"
)

// adminDesk is what a node has for the admin page.
type adminDesk struct {
	board    *adminBoard
	reshards *adminReshards
	ring     *register.Register
	closed   sync.Once
}

// openDesk makes it. Nothing is connected until somebody looks.
func openDesk(cfg Config, audit chat.Auditor, logger *slog.Logger) *adminDesk {
	shards := func() []board.Instance {
		var list []board.Instance
		for _, s := range cfg.Shards {
			list = append(list, board.Instance{ID: shard.ID(s.ID), DSN: s.DSN})
		}
		return list
	}
	d := &adminDesk{board: newAdminBoard(shards, logger)}
	d.ring = register.Open(register.Config{Shards: func() map[shard.ID]string {
		known := map[shard.ID]string{}
		for _, s := range cfg.Shards {
			known[shard.ID(s.ID)] = s.DSN
		}
		return known
	}})
	desk := &ringDesk{ring: d.ring, welcome: welcomeShard, owners: d.board.servedBy, now: time.Now}
	d.reshards = &adminReshards{adminBoard: d.board, desk: desk, audit: audit}
	return d
}

func (d *adminDesk) close() {
	d.closed.Do(func() {
		d.ring.Close()
		d.board.board.Close()
	})
}

// welcomeShard makes sure that a shard to come can be reached and is empty, and
// gives it the schema.
func welcomeShard(ctx context.Context, id shard.ID, addr string) error {
	if err := tryNew(ctx, id, addr); err != nil {
		return &chat.Error{Code: chat.CodeConflict, Message: err.Error(), Err: err}
	}
	if err := store.Migrate(ctx, addr, id, nil); err != nil {
		return &chat.Error{Code: chat.CodeConflict, Message: "the new shard " + string(id) + " cannot be given the schema: " + err.Error(), Err: err}
	}
	return nil
}

// servedBy returns which shard serves each partition, asking now.
func (b *adminBoard) servedBy(ctx context.Context) (*shard.Owners, error) {
	l := newRingLook(b.board.Look(ctx))
	var owners shard.Owners
	for p := range shard.Partition(shard.Partitions) {
		n, id := l.owner(p)
		if n != 1 {
			return nil, chat.Retryable(chat.CodeShardDown, time.Second, nil, "partition %d has %d owners that answer", p, n)
		}
		owners[p] = id
	}
	return &owners, nil
}

var (
	_ api.Board    = (*adminBoard)(nil)
	_ api.Reshards = (*adminReshards)(nil)
)
