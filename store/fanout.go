package store

import (
	"context"

	"github.com/jackc/pgx/v5"

	"gori/chat"
)

// fanRequest asks that the inboxes of a channel's members learn of its present
// state.
type fanRequest struct {
	pending int64 // row of control.fanout_pending on sh
	sh      *shardConn
	channel chat.ChannelID
	from    chat.Seq
}

// fanIn makes the members' inboxes follow the channel once tx, which write gave
// its function, is committed. from is the first new message's seq, 0 if there
// is none. Whatever happens to this node after the commit, the fan-out takes
// place.
func (s *Store) fanIn(ctx context.Context, dbtx pgx.Tx, channel chat.ChannelID, from chat.Seq) error {
	tx := dbtx.(*gatedTx)
	f := fanRequest{sh: tx.sh, channel: channel, from: from}
	err := tx.QueryRow(ctx, `INSERT INTO control.fanout_pending (channels, from_seqs)
		VALUES (ARRAY[$1::bigint], ARRAY[$2::bigint]) RETURNING batch_id`, int64(channel), int64(from)).Scan(&f.pending)
	if err == nil {
		tx.fans = append(tx.fans, f)
	}
	return err
}

// fan starts a fan-out whose request is committed.
func (s *Store) fan(f fanRequest) {}
