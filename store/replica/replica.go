package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// StandbyName is the application_name by which a standby connects to its
// primary, in primary_conninfo.
const StandbyName = "gori_standby"

// syncNames is what makes a primary wait for its standby.
const syncNames = "FIRST 1 (" + StandbyName + ")"

// State is how one server is.
type State struct {
	// Recovering says that it is a standby: it takes no writes.
	Recovering bool
	// Term is that of the data; 0: Gori has not been there yet.
	Term int64

	// Of a primary.

	Waits     bool // it acknowledges nothing that its standby has not written
	Connected bool // a standby is connected
	Streaming bool // and it has closed the gap that it had
	Sync      bool // it counts: what is acknowledged from here on, it has
	// Behind is how many bytes the standby has not written yet.
	Behind int64
	// Stuck is for how long the oldest commit has been waiting for the standby.
	Stuck time.Duration
}

const sqlLook = `SELECT pg_is_in_recovery(), current_setting('synchronous_standby_names') <> '',
	coalesce(r.state IN ('streaming', 'catchup'), false), coalesce(r.state = 'streaming', false), coalesce(r.sync_state = 'sync', false),
	CASE WHEN pg_is_in_recovery() OR r.flush_lsn IS NULL THEN 0 ELSE pg_wal_lsn_diff(pg_current_wal_flush_lsn(), r.flush_lsn) END::bigint,
	coalesce((SELECT extract(epoch FROM clock_timestamp() - min(a.query_start)) FROM pg_stat_activity a WHERE a.wait_event = 'SyncRep'), 0)::float8,
	to_regclass('control.shard_self') IS NOT NULL
	FROM (SELECT 1) one LEFT JOIN pg_stat_replication r ON r.application_name = '` + StandbyName + `' LIMIT 1`

// Server is a connection to one server, made when it is needed and kept. It is
// for one goroutine.
type Server struct {
	dsn  string
	conn *pgx.Conn
}

// NewServer prepares a Server without connecting.
func NewServer(dsn string) *Server { return &Server{dsn: dsn} }

// Close ends the connection, if there is one. The Server may be used again.
func (s *Server) Close() {
	if s.conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	_ = s.conn.Close(ctx)
	s.conn = nil
}

func (s *Server) with(ctx context.Context, do func(*pgx.Conn) error) error {
	if s.conn == nil {
		cfg, err := pgx.ParseConfig(s.dsn)
		if err != nil {
			return err
		}
		cfg.RuntimeParams["application_name"] = "gori_replica"
		// What is done here must not wait for a standby that may be dead, and is
		// never a person's write.
		cfg.RuntimeParams["synchronous_commit"] = "local"
		if s.conn, err = pgx.ConnectConfig(ctx, cfg); err != nil {
			return err
		}
	}
	err := do(s.conn)
	if err != nil {
		s.Close()
	}
	return err
}

// tlsRequest is the question whether a server speaks TLS.
var tlsRequest = []byte{0, 0, 0, 8, 4, 210, 22, 47}

// Knock asks whether a server takes new connections, which one whose postmaster
// hangs does not, although those that there are go on.
func (s *Server) Knock(ctx context.Context) error {
	cfg, err := pgx.ParseConfig(s.dsn)
	if err != nil {
		return err
	}
	network, addr := pgconn.NetworkAddress(cfg.Host, cfg.Port)
	conn, err := cfg.DialFunc(ctx, network, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if at, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(at)
	}
	// It is answered by a process that the postmaster makes, with one byte, and
	// costs neither side a session.
	if _, err := conn.Write(tlsRequest); err != nil {
		return err
	}
	_, err = conn.Read(make([]byte, 1))
	return err
}

// Look asks a server how it is.
func (s *Server) Look(ctx context.Context) (State, error) {
	var st State
	err := s.with(ctx, func(c *pgx.Conn) error {
		var stuck float64
		var ours bool
		if err := c.QueryRow(ctx, sqlLook).Scan(&st.Recovering, &st.Waits, &st.Connected, &st.Streaming, &st.Sync, &st.Behind, &stuck, &ours); err != nil {
			return err
		}
		st.Stuck = time.Duration(stuck * float64(time.Second))
		if !ours {
			return nil
		}
		err := c.QueryRow(ctx, "SELECT term FROM control.shard_self").Scan(&st.Term)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		return err
	})
	return st, err
}

// Wait makes a primary acknowledge nothing from now on that its standby has
// not written. With no standby connected nothing is acknowledged at all.
func (s *Server) Wait(ctx context.Context) error { return s.setNames(ctx, syncNames) }

// Alone makes a primary acknowledge without its standby, also what waits for
// it now. Before that the ring must say that the standby is not to be promoted.
func (s *Server) Alone(ctx context.Context) error { return s.setNames(ctx, "") }

func (s *Server) setNames(ctx context.Context, names string) error {
	return s.with(ctx, func(c *pgx.Conn) error {
		// Not in a transaction: it writes a file. The value is a constant.
		if _, err := c.Exec(ctx, "ALTER SYSTEM SET synchronous_standby_names = '"+names+"'"); err != nil {
			return err
		}
		_, err := c.Exec(ctx, "SELECT pg_reload_conf()")
		return err
	})
}

// acceptorLeap is what a promotion adds to the ballot that the shard has
// promised as an acceptor of the ring register. Acceptors do not wait for the
// standby, so the promoted one may not know their last promises; it keeps all
// of them by promising more than anybody has asked for.
const acceptorLeap = 1 << 20

// ErrRefused says that a standby did not become a primary in time.
var ErrRefused = errors.New("the standby was asked to become the primary and is not")

// Promote makes a standby the primary with a new term, which the ring has
// agreed on before. prepare runs on the promoted server while nodes still
// refuse it, since its term is the old one. It returns the ballot that the server
// has promised as a keeper of the ring. It may be repeated.
func (s *Server) Promote(ctx context.Context, term int64, prepare func(context.Context) error) (promised int64, err error) {
	// Its own setting is that of the primary it was copied from.
	if err := s.Alone(ctx); err != nil {
		return 0, fmt.Errorf("promote: %w", err)
	}
	err = s.with(ctx, func(c *pgx.Conn) error {
		var recovering bool
		if err := c.QueryRow(ctx, "SELECT pg_is_in_recovery()").Scan(&recovering); err != nil || !recovering {
			return err
		}
		var done bool
		if err := c.QueryRow(ctx, "SELECT pg_promote(true, 60)").Scan(&done); err != nil {
			return err
		}
		if !done {
			return ErrRefused
		}
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("promote: %w", err)
	}
	if prepare != nil {
		if err := prepare(ctx); err != nil {
			return 0, fmt.Errorf("prepare the promoted server: %w", err)
		}
	}
	err = s.with(ctx, func(c *pgx.Conn) error {
		_, err := c.Exec(ctx, `WITH t AS (UPDATE control.shard_self SET term = $1 WHERE term < $1 RETURNING 1)
			UPDATE control.ring_acceptor SET promised_counter = promised_counter + $2 WHERE EXISTS (SELECT FROM t)`, term, acceptorLeap)
		if err != nil {
			return err
		}
		return c.QueryRow(ctx, "SELECT promised_counter FROM control.ring_acceptor").Scan(&promised)
	})
	return promised, err
}

// RingVersion is that of the ring document that the server keeps, 0 for none.
func (s *Server) RingVersion(ctx context.Context) (version int64, err error) {
	err = s.with(ctx, func(c *pgx.Conn) error {
		return c.QueryRow(ctx, "SELECT coalesce((doc ->> 'version')::bigint, 0) FROM control.ring_acceptor").Scan(&version)
	})
	return version, err
}

// Checkpoint writes everything out. The former primary of a promoted server can
// be wound back only after it.
func (s *Server) Checkpoint(ctx context.Context) error {
	return s.with(ctx, func(c *pgx.Conn) error {
		_, err := c.Exec(ctx, "CHECKPOINT")
		return err
	})
}
