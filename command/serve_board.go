package command

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"gori/admin"
	"gori/chat"
	"gori/config"
	"gori/host"
	"gori/shard"
	"gori/shard/reshard"
	"gori/store"
)

// adminDesk is what a node has for the admin page.
type adminDesk struct {
	board    *admin.Board
	reshards *admin.Reshards
	checks   *admin.Checker
	closed   sync.Once
}

// openDesk makes it. Nothing is connected until somebody looks.
func openDesk(m *movers, audit chat.Auditor, logger *slog.Logger) *adminDesk {
	d := &adminDesk{board: admin.NewBoard(m.instances, logger)}
	desk := &admin.Desk{Ring: m, Welcome: welcomeShard, Abort: m.abort, By: "the admin page", Now: time.Now}
	if path := os.Getenv(config.EnvControl); path != "" {
		desk.Make = func(ctx context.Context, id shard.ID) error {
			_, err := host.ClientAt(path).Add(ctx, id)
			return err
		}
	}
	d.checks = admin.NewChecker(m.engine, logger)
	d.reshards = admin.NewReshards(d.board, desk, audit, d.checks)
	return d
}

func (d *adminDesk) close() {
	d.closed.Do(func() {
		d.checks.Close()
		d.board.Close()
	})
}

// welcomeShard makes sure that a shard to come can be reached and is empty, and
// gives it the schema.
func welcomeShard(ctx context.Context, id shard.ID, addr string) error {
	if err := tryNew(ctx, id, addr); err != nil {
		reason := admin.ReasonAway
		var unfit *unfitError
		switch {
		case errors.Is(err, errNotEmpty):
			reason = admin.ReasonNotEmpty
		case errors.As(err, &unfit):
			reason = admin.ReasonSchema
		}
		return admin.Coded(chat.CodeConflict, reason, err, "shard", string(id))
	}
	if err := store.Migrate(ctx, addr, id, nil); err != nil {
		return admin.Coded(chat.CodeConflict, admin.ReasonSchema, fmt.Errorf("the new shard %s cannot be given the schema: %w", id, err), "shard", string(id))
	}
	return nil
}

// abort takes back what is half moved and ends the plan under way.
func (m *movers) abort(ctx context.Context) error {
	_, err := reshard.NewRunner(m.conductor.Config).Abort(ctx, nil)
	m.store.RingChanged()
	return err
}
