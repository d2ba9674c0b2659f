package store

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
)

// replanEvery is how long plans are kept. The planner looks at the size of a
// table when it plans, so one that has grown meanwhile is soon seen as it is.
const replanEvery = 5 * time.Second

// hotConn is the connection of one goroutine that runs a few statements all
// day. They are prepared once, and their plans are generic: made of look-ups in
// indexes, in the order of the arguments, which is also the order of locks.
type hotConn struct {
	sh      *shardConn
	conn    *pgx.Conn
	up      *upState  // the shard's life in which conn was made
	planned time.Time // when plans were last thrown away
}

var hotParams = map[string]string{
	"plan_cache_mode":      "force_generic_plan",
	"enable_seqscan":       "off",
	"enable_hashjoin":      "off",
	"enable_mergejoin":     "off",
	"enable_bitmapscan":    "off",
	"enable_material":      "off",
	"enable_memoize":       "off",
	"cpu_tuple_cost":       "1",
	"cpu_index_tuple_cost": "1",
	"lock_timeout":         "300ms",
}

// get returns the connection, made anew if the shard has been away since.
func (h *hotConn) get(ctx context.Context) (*pgx.Conn, error) {
	up := h.sh.up.Load()
	now := time.Now()
	if h.conn != nil && h.up == up && !h.conn.IsClosed() {
		if now.Sub(h.planned) < replanEvery {
			return h.conn, nil
		}
		if _, err := h.conn.Exec(ctx, "DISCARD PLANS"); err != nil {
			return nil, err
		}
		h.planned = now
		return h.conn, nil
	}
	h.disconnect()
	cfg := h.sh.link.Load().cfg.Copy()
	for k, v := range hotParams {
		cfg.RuntimeParams[k] = v
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	h.conn, h.up, h.planned = conn, up, now
	return conn, nil
}

func (h *hotConn) disconnect() {
	if h.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = h.conn.Close(ctx)
	h.conn = nil
}
