package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"gori/chat"
	"gori/shard"
)

// errShardDown is the cause that ends operations on a shard found to be down.
var errShardDown = errors.New("the shard does not answer")

// shardConn is one shard: its connections, and whether it answers. While it
// does not, everything that needs it fails at once, so that its troubles stay
// its own; a prober notices its return.
type shardConn struct {
	// static
	id   shard.ID
	slot int // in topologies and routes
	life *lifetime
	late bool // it came when this node was running

	writers []*writer
	home    *home
	crowd   chan struct{} // capacity maxCrowd; see readCrowd

	link atomic.Pointer[link]
	told *ballot // the last one that its prober, or Open before that, has reported

	revoked *revokedWatch

	settledMu sync.Mutex
	settled   []int64 // rows of control.fanout_pending done with

	// up is cancelled when the shard goes down, and replaced when it is back.
	up   atomic.Pointer[upState]
	mu   sync.Mutex    // held while up changes
	wake chan struct{} // asks the prober to look at once; capacity 1

	relinked chan struct{} // likewise, also while the shard is down; capacity 1

	answered atomic.Int64 // when it last answered anything, in Unix nanoseconds
}

// heard notes a sign of life.
func (sh *shardConn) heard() { sh.answered.Store(time.Now().UnixNano()) }

type upState struct {
	ctx    context.Context
	cancel context.CancelCauseFunc
}

func newUpState() *upState {
	u := &upState{}
	u.ctx, u.cancel = context.WithCancelCause(context.Background())
	return u
}

func (sh *shardConn) isUp() bool { return sh.up.Load().ctx.Err() == nil }

// during returns ctx bounded by the shard's life: it ends when the shard goes
// down. Always call the returned function.
func (sh *shardConn) during(ctx context.Context) (context.Context, func(), error) {
	u := sh.up.Load()
	if u.ctx.Err() != nil {
		return nil, nil, sh.downError(nil)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(u.ctx, func() { cancel(errShardDown) })
	return ctx, func() { stop(); cancel(nil) }, nil
}

func (sh *shardConn) downError(cause error) error {
	return chat.Retryable(chat.CodeShardDown, 300*time.Millisecond, cause, "this part of the data cannot be reached for the moment")
}

// goDown takes the shard out until the prober finds it well.
func (sh *shardConn) goDown(cause error) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	u := sh.up.Load()
	was := u.ctx.Err() == nil
	u.cancel(errShardDown)
	select {
	case sh.wake <- struct{}{}:
	default:
	}
	return was
}

// goUp takes the shard in again that was found well over l.
func (sh *shardConn) goUp(l *link) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.isUp() || sh.link.Load() != l {
		return false
	}
	// Connections that died with the server are of no use to the first callers.
	l.pool.Reset()
	sh.up.Store(newUpState())
	return true
}

// settle turns what a query returned into an error that may leave the package.
// Trouble with the connection takes the shard down if a new connection fails
// too; the prober finds out at once.
func (sh *shardConn) settle(ctx context.Context, err error) error {
	if err == nil {
		sh.heard()
		return nil
	}
	var coded *chat.Error
	if errors.As(err, &coded) {
		return err
	}
	switch kindOf(err) {
	case failLost:
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errShardDown) {
			return err // the caller gave up; that says nothing about the shard
		}
		sh.suspect()
		return sh.downError(err)
	case failBusy:
		return chat.Retryable(chat.CodeOverloaded, 100*time.Millisecond, err, "too much at once here; try again")
	}
	return err
}

// suspect asks the prober to look now.
func (sh *shardConn) suspect() {
	select {
	case sh.wake <- struct{}{}:
	default:
	}
}

type failKind int

const (
	failData failKind = iota // PostgreSQL refused the statement
	failLost                 // the connection or the server; the outcome is unknown
	failBusy                 // a lock or time limit; nothing happened
	failRace                 // lost a race; the same transaction again may succeed
	failGate                 // a partition is not active here
)

// gateClosed is the SQLSTATE that control.gate raises.
const gateClosed = "GR001"

func kindOf(err error) failKind {
	var pe *pgconn.PgError
	if !errors.As(err, &pe) {
		return failLost
	}
	switch pe.Code {
	case gateClosed:
		return failGate
	case "40001", "40P01", "23505":
		return failRace
	case "55P03", "57014":
		return failBusy
	case "25P02", "25006", "53100", "53200", "53300":
		return failLost
	}
	switch pe.Code[:2] {
	case "08", "57", "58", "XX":
		return failLost
	}
	return failData
}

// probe watches one shard until ctx ends.
func (s *Store) probe(ctx context.Context, sh *shardConn) {
	var conn *pgx.Conn
	defer func() { dropConn(&conn) }()
	ticker := time.NewTicker(s.cfg.PingEvery)
	defer ticker.Stop()
	for over := sh.link.Load(); ; {
		if l := sh.link.Load(); l != over {
			dropConn(&conn)
			over = l
		}
		err := s.checkup(ctx, sh, &conn)
		if ctx.Err() != nil {
			return
		}
		if err != nil && sh.goDown(err) {
			s.log.Warn("shard down", "shard", sh.id, "error", err)
		}
		if err == nil && sh.goUp(over) {
			s.log.Info("shard up again", "shard", sh.id)
			s.requestRefresh()
		}
		wake := sh.wake
		if err != nil {
			wake = nil // the news that it is down is no reason to hurry
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-wake:
		case <-sh.relinked:
		}
	}
}

// checkup says what is wrong with a shard. A connection may die for a reason of
// its own: only when a new one fails too is the shard down. And one that is
// silent is not, if others have had answers meanwhile.
func (s *Store) checkup(ctx context.Context, sh *shardConn, conn **pgx.Conn) error {
	began := time.Now()
	err := s.ping(ctx, sh, conn)
	if err == nil {
		sh.heard()
		return nil
	}
	dropConn(conn)
	if time.Since(began) < s.cfg.PingTimeout {
		if err = s.ping(ctx, sh, conn); err == nil {
			sh.heard()
			return nil
		}
		dropConn(conn)
	}
	if sh.isUp() && sh.answered.Load() > began.UnixNano() {
		return nil
	}
	return err
}

func dropConn(conn **pgx.Conn) {
	if *conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_ = (*conn).Close(ctx)
	*conn = nil
}

// ping asks for the ballot of the shard's acceptor of the ring, and for the
// document if that is another than last time.
func (s *Store) ping(ctx context.Context, sh *shardConn, conn **pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.PingTimeout)
	defer cancel()
	if *conn == nil {
		c, err := pgx.ConnectConfig(ctx, sh.link.Load().cfg.Copy())
		if err != nil {
			return err
		}
		*conn = c
	}
	var b ballot
	err := (*conn).QueryRow(ctx, sqlBallot).Scan(&b.counter, &b.by)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("ping: %w", err)
	}
	if sh.told != nil && b == *sh.told {
		return nil
	}
	r, err := readReport(ctx, *conn)
	if err != nil && (*conn).IsClosed() {
		return fmt.Errorf("ping: %w", err)
	}
	sh.told = &b
	switch {
	case err != nil:
		s.log.Warn("a shard's ring document cannot be read", "shard", sh.id, "error", err)
	case r.ring != nil:
		s.reports.take(string(sh.id), r)
	}
	return nil
}

// Health is how one shard is.
type Health struct {
	Shard shard.ID `json:"shard"`
	Up    bool     `json:"up"`
}

// Health tells which shards answer.
func (s *Store) Health() []Health {
	var hs []Health
	for _, sh := range s.shards() {
		hs = append(hs, Health{Shard: sh.id, Up: sh.isUp()})
	}
	return hs
}
