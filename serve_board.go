package main

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"gori/api"
	"gori/chat"
	"gori/shard"
	"gori/store"
)

// adminDesk is what a node has for the admin page.
type adminDesk struct {
	board    *adminBoard
	reshards *adminReshards
	closed   sync.Once
}

// openDesk makes it. Nothing is connected until somebody looks.
func openDesk(m *movers, audit chat.Auditor, logger *slog.Logger) *adminDesk {
	d := &adminDesk{board: newAdminBoard(m.instances, logger)}
	desk := &ringDesk{ring: m, welcome: welcomeShard, owners: d.board.servedBy, now: time.Now}
	if path := os.Getenv(envControl); path != "" {
		desk.make = func(ctx context.Context, id shard.ID) error {
			_, err := upAt(path).Add(ctx, id)
			return err
		}
	}
	d.reshards = &adminReshards{adminBoard: d.board, desk: desk, audit: audit}
	return d
}

func (d *adminDesk) close() {
	d.closed.Do(func() { d.board.board.Close() })
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
