package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"gori/api"
	"gori/chat"
	"gori/shard"
	"gori/shard/reshard"
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
	desk := &ringDesk{ring: m, welcome: welcomeShard, abort: m.abort, by: "the admin page", now: time.Now}
	if path := os.Getenv(envControl); path != "" {
		desk.make = func(ctx context.Context, id shard.ID) error {
			_, err := upAt(path).Add(ctx, id)
			return err
		}
	}
	d.reshards = &adminReshards{adminBoard: d.board, desk: desk, audit: audit, checks: newChecker(m.engine, logger)}
	return d
}

func (d *adminDesk) close() {
	d.closed.Do(func() {
		d.reshards.checks.close()
		d.board.board.Close()
	})
}

// welcomeShard makes sure that a shard to come can be reached and is empty, and
// gives it the schema.
func welcomeShard(ctx context.Context, id shard.ID, addr string) error {
	if err := tryNew(ctx, id, addr); err != nil {
		reason := reasonAway
		var unfit *unfitError
		switch {
		case errors.Is(err, errNotEmpty):
			reason = reasonNotEmpty
		case errors.As(err, &unfit):
			reason = reasonSchema
		}
		return coded(chat.CodeConflict, reason, err, "shard", string(id))
	}
	if err := store.Migrate(ctx, addr, id, nil); err != nil {
		return coded(chat.CodeConflict, reasonSchema, fmt.Errorf("the new shard %s cannot be given the schema: %w", id, err), "shard", string(id))
	}
	return nil
}

// abort takes back what is half moved and ends the plan under way.
func (m *movers) abort(ctx context.Context) error {
	_, err := reshard.NewRunner(m.conductor.Config).Abort(ctx, nil)
	m.store.RingChanged()
	return err
}

var (
	_ api.Board    = (*adminBoard)(nil)
	_ api.Reshards = (*adminReshards)(nil)
)
