package store

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// What was taken away from someone is a row of data.revocations, written in the
// transaction that takes it away. All its times are of the shard's own clock.
const (
	revokedOverlap = 10 * time.Second // a row's time may be this much older than its commit
	revokedKept    = 10 * time.Minute // older rows are deleted
	revokedSweep   = time.Minute      // how often
	maxRevoked     = 20_000           // rows of one read
	revokedSilent  = 250 * time.Millisecond
)

// drawRevocation draws an id in SQL, of the shard's time and 20 random bits.
const drawRevocation = `(extract(epoch FROM clock_timestamp()) * 1000)::bigint << 20 | (random() * 1048575)::bigint`

// loginsEnded does what belongs to the end of logins, in their transaction: the
// other nodes will learn of it, and the devices go.
func loginsEnded(ctx context.Context, tx pgx.Tx, user chat.UserID, ended []chat.LoginID) error {
	if len(ended) == 0 {
		return nil
	}
	_, err := tx.Exec(ctx, `INSERT INTO data.revocations (partition, revocation_id, kind, user_id, login_id)
		SELECT $1, `+drawRevocation+`, CASE WHEN u.disabled THEN $4::smallint ELSE $5::smallint END, $2, w.login
		FROM data.users u CROSS JOIN unnest($3::bigint[]) AS w (login) WHERE u.partition = $1 AND u.user_id = $2`,
		shard.Of(user), user, int64s(ended), chat.RevokedAccount, chat.RevokedLogin)
	if err != nil {
		return err
	}
	return endLoginDevices(ctx, tx, user, ended)
}

// membersEnded notes that users are out of a channel as of its member version.
func (c *lockedChannel) membersEnded(ctx context.Context, tx pgx.Tx, users []chat.UserID) error {
	_, err := tx.Exec(ctx, `INSERT INTO data.revocations (partition, revocation_id, kind, user_id, channel_id, member_version)
		SELECT $1, `+drawRevocation+`, $5, w.usr, $2, $4 FROM unnest($3::bigint[]) AS w (usr)`,
		shard.Of(c.ID), c.ID, int64s(users), c.MemberVersion, chat.RevokedMember)
	return err
}

// revokedWatch is the connection by which a shard is asked, several times a
// second, what was taken away: it must not wait for one of the pool.
type revokedWatch struct {
	turn   chan struct{} // capacity 1: held by whoever uses hot
	hot    hotConn
	behind atomic.Bool // the last look at this shard failed
}

func newRevokedWatch(sh *shardConn) *revokedWatch {
	return &revokedWatch{turn: make(chan struct{}, 1), hot: hotConn{sh: sh}}
}

func (w *revokedWatch) close() {
	w.turn <- struct{}{}
	w.hot.disconnect()
}

// sqlRevoked always returns a row, for its time. A clock that was set back does
// not hide what is written now.
const sqlRevoked = `SELECT clock_timestamp(), $1::timestamptz IS NOT NULL AND $1 < now() - $3::interval, r.revocation_id, r.kind,
		r.user_id, r.login_id, r.channel_id, r.member_version
	FROM (SELECT least($1, now()) - $2::interval AS since) s LEFT JOIN LATERAL
		(SELECT * FROM data.revocations WHERE at > s.since ORDER BY at LIMIT $4) r ON true`

// Revoked reads what was taken away, from all shards at once; see
// chat.Revocations.
func (s *Store) Revoked(ctx context.Context, since chat.RevokedSince, away time.Duration) (chat.RevokedPage, error) {
	shards := s.shards()
	page := chat.RevokedPage{Since: make(chat.RevokedSince, len(shards)), Lost: s.revokedLost.Swap(false)}
	var mu sync.Mutex
	var wg sync.WaitGroup
	var failed error
	seen := make(map[shard.ID]*surroundings, len(shards))
	for _, sh := range shards {
		wg.Go(func() {
			id := string(sh.id)
			at, known := since[id]
			ask, cancel := sh.revoked.patience(ctx, away)
			defer cancel()
			part, around, err := s.revokedOn(ask, sh, at, known, away)
			missed := sh.revoked.behind.Swap(err != nil)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				failed = errors.Join(failed, err)
				page.Missed = append(page.Missed, id)
				if known {
					page.Since[id] = at
				}
			default:
				seen[sh.id] = around
				page.Since[id] = part.Since[id]
				page.List = append(page.List, part.List...)
				// Of a shard that came meanwhile and could not be asked at once, or not
				// while this node was away, more may have been taken away than a first
				// look tells.
				page.Lost = page.Lost || part.Lost || !known && sh.late && (missed || away > revokedOverlap/2)
			}
		})
	}
	wg.Wait()
	if away > 0 && failed == nil && !s.sawAll(seen, away) {
		s.RingChanged()
		failed = errNotAll
	}
	return page, failed
}

// patience bounds for how long a shard is waited for. One that was silent before
// is likely to be so still; to wait for it as long as for one that has to find its
// feet would take the whole of the time for which a look is good, each time.
func (w *revokedWatch) patience(ctx context.Context, away time.Duration) (context.Context, context.CancelFunc) {
	if away == 0 || !w.behind.Load() {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, revokedSilent)
}

// revokedOn asks one shard, also one that is thought to be down: it may be back
// already. A connection that has died meanwhile says nothing about the shard.
func (s *Store) revokedOn(ctx context.Context, sh *shardConn, since time.Time, known bool, away time.Duration) (page chat.RevokedPage, around *surroundings, err error) {
	w := sh.revoked
	select {
	case w.turn <- struct{}{}:
		defer func() { <-w.turn }()
	case <-ctx.Done():
		return page, nil, ctx.Err()
	}
	var from *time.Time
	if known {
		from = &since
	}
	for again := w.hot.conn != nil; ; again = false {
		page, around, err = w.ask(ctx, from, away)
		if err == nil || !again || kindOf(err) != failLost || ctx.Err() != nil {
			return page, around, sh.settle(ctx, err)
		}
		w.hot.disconnect()
	}
}

func (w *revokedWatch) ask(ctx context.Context, from *time.Time, away time.Duration) (page chat.RevokedPage, around *surroundings, err error) {
	if !w.hot.sh.isUp() {
		w.hot.disconnect() // what it leads to need not be the primary any more
	}
	conn, err := w.hot.get(ctx)
	if err != nil {
		return page, nil, err
	}
	if away > 0 {
		// First: what comes to the shard after this has left one that did not have it.
		if around, err = lookAround(ctx, conn, away); err != nil {
			return page, nil, err
		}
	}
	rows, err := conn.Query(ctx, sqlRevoked, from, revokedOverlap, revokedKept-revokedSweep, maxRevoked+1)
	if err != nil {
		return page, nil, err
	}
	page, err = scanRevoked(rows, string(w.hot.sh.id))
	return page, around, err
}

func scanRevoked(rows pgx.Rows, id string) (chat.RevokedPage, error) {
	var page chat.RevokedPage
	var now time.Time
	var lost bool
	var row struct {
		id, user, login, channel, version *int64
		kind                              *int16
	}
	_, err := pgx.ForEachRow(rows, []any{&now, &lost, &row.id, &row.kind, &row.user, &row.login, &row.channel, &row.version}, func() error {
		if row.id != nil {
			page.List = append(page.List, chat.Revocation{ID: *row.id, Kind: chat.RevocationKind(*row.kind), User: chat.UserID(*row.user),
				Login: chat.LoginID(*row.login), Channel: chat.ChannelID(*row.channel), Version: *row.version})
		}
		return nil
	})
	page.Since = chat.RevokedSince{id: now}
	page.Lost = lost || len(page.List) > maxRevoked
	return page, err
}

// sweepRevocations deletes old rows, now and then, on all shards. It returns
// when ctx ends. Any node may do it, and several at once do no harm.
func (s *Store) sweepRevocations(ctx context.Context) {
	for nap(ctx, revokedSweep) == nil {
		for _, sh := range s.shards() {
			if err := s.forgetRevocations(ctx, sh); err != nil && ctx.Err() == nil {
				s.log.Debug("sweep of revocations", "shard", sh.id, "error", err)
			}
		}
	}
}

func (s *Store) forgetRevocations(ctx context.Context, sh *shardConn) error {
	if !sh.isUp() {
		return nil
	}
	during, done, err := sh.during(ctx)
	if err != nil {
		return err
	}
	defer done()
	rows, err := sh.pool().Query(during, `SELECT DISTINCT partition FROM (SELECT partition FROM data.revocations
		WHERE at < now() - $1::interval AND `+servedHere+` ORDER BY at LIMIT $2) r`, revokedKept, maxRevoked)
	if err != nil {
		return sh.settle(during, err)
	}
	parts, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil || len(parts) == 0 {
		return sh.settle(during, err)
	}
	ps := make([]shard.Partition, len(parts))
	for i, p := range parts {
		ps[i] = shard.Partition(p)
	}
	return s.writeEach(ctx, ps, func(ctx context.Context, tx pgx.Tx, ps []shard.Partition) error {
		_, err := tx.Exec(ctx, `DELETE FROM data.revocations WHERE at < now() - $1::interval AND partition = ANY($2)`,
			revokedKept, partitionArgs(ps))
		return err
	})
}
