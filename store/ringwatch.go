package store

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
)

// The ring document is agreed by a majority of its acceptors, one on each
// shard. A node learns it from them: each shard's prober asks for its acceptor's
// ballot, and for the document when that has changed. Since the document is a
// plan and no message depends on it, to follow one that was not agreed on in the
// end costs a detour and nothing else.

const (
	ringEvery = time.Second           // how often the keeper looks by itself
	lookPause = 20 * time.Millisecond // between two looks that routes ask for
)

// ballot orders what an acceptor accepts.
type ballot struct {
	counter int64
	by      string
}

func (b ballot) before(o ballot) bool {
	return b.counter < o.counter || b.counter == o.counter && b.by < o.by
}

const (
	sqlBallot = `SELECT accepted_counter, accepted_by FROM control.ring_acceptor`
	sqlReport = `SELECT accepted_counter, accepted_by, doc FROM control.ring_acceptor`
)

// report is what an acceptor has accepted.
type report struct {
	ballot ballot
	ring   *shard.Ring // of one that is taken never nil
	hash   string
}

// reports are the newest of all acceptors that were ever asked.
type reports struct {
	mu   sync.Mutex
	by   map[string]report
	news chan struct{} // asks the keeper to look; capacity 1
}

func newReports() *reports {
	return &reports{by: map[string]report{}, news: make(chan struct{}, 1)}
}

// take notes a report, unless there is a newer one.
func (rs *reports) take(acceptor string, r report) {
	rs.mu.Lock()
	if old, ok := rs.by[acceptor]; !ok || !r.ballot.before(old.ballot) {
		rs.by[acceptor] = r
	}
	rs.mu.Unlock()
	rs.poke()
}

func (rs *reports) poke() {
	select {
	case rs.news <- struct{}{}:
	default:
	}
}

// judge returns the newest document that a majority of its acceptors holds, and
// the newest of all; nil if there is none.
func (rs *reports) judge() (agreed, newest *shard.Ring) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	for _, r := range rs.by {
		if newest == nil || newest.Version < r.ring.Version {
			newest = r.ring
		}
		if (agreed == nil || agreed.Version < r.ring.Version) && rs.agreed(r) {
			agreed = r.ring
		}
	}
	return agreed, newest
}

// agreed counts whoever holds what was made of this document, too, and the
// witnesses, which only this guess can do without.
func (rs *reports) agreed(r report) bool {
	for _, set := range r.ring.Quorums() {
		n := 0
		for _, a := range set {
			held, ok := rs.by[a]
			if strings.HasPrefix(a, shard.WitnessPrefix) || ok && (held.hash == r.hash || held.ring.Prev == r.hash) {
				n++
			}
		}
		if 2*n <= len(set) {
			return false
		}
	}
	return true
}

// missing returns the acceptors of a document that were not asked since they
// hold an older one.
func (rs *reports) missing(ring *shard.Ring) []string {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	var list []string
	for _, a := range ring.Acceptors {
		if r, ok := rs.by[a]; !ok || r.ring.Version < ring.Version {
			list = append(list, a)
		}
	}
	return list
}

// readReport asks an acceptor.
func readReport(ctx context.Context, conn *pgx.Conn) (report, error) {
	var r report
	var doc []byte
	err := conn.QueryRow(ctx, sqlReport).Scan(&r.ballot.counter, &r.ballot.by, &doc)
	if errors.Is(err, pgx.ErrNoRows) || err == nil && doc == nil {
		return report{}, nil
	}
	if err != nil {
		return report{}, err
	}
	r.ring = new(shard.Ring)
	if err := json.Unmarshal(doc, r.ring); err != nil {
		return report{}, err
	}
	r.hash = r.ring.Hash()
	return r, nil
}

// RingChanged says that the ring document may have changed: the shards are asked
// now instead of in a moment. It never waits.
func (s *Store) RingChanged() {
	for _, sh := range s.shards() {
		sh.suspect()
	}
	s.reports.poke()
}

// lookSoon is RingChanged for whoever asks again and again.
func (s *Store) lookSoon() {
	now, last := time.Now().UnixNano(), s.looked.Load()
	if now-last > int64(lookPause) && s.looked.CompareAndSwap(last, now) {
		s.RingChanged()
	}
}

// RingDocument returns the ring document this node follows, nil if it knows
// none. It must not be changed.
func (s *Store) RingDocument() *shard.Ring { return s.topo.Load().ring }

// Address returns how this node connects to a shard's primary, false if it knows
// no such shard.
func (s *Store) Address(id shard.ID) (dsn string, ok bool) {
	sh := s.topo.Load().find(id)
	if sh == nil {
		return "", false
	}
	return sh.link.Load().dsn, true
}

// keepRing follows the ring document until ctx ends.
func (s *Store) keepRing(ctx context.Context) {
	ticker := time.NewTicker(ringEvery)
	defer ticker.Stop()
	for {
		s.follow(ctx, s.bestRing(ctx))
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-s.reports.news:
		}
	}
}

// bestRing decides which document to follow: the newest one agreed on, and as
// long as there was none the newest of all. Shards that only a document names
// are asked, too.
func (s *Store) bestRing(ctx context.Context) *shard.Ring {
	agreed, newest := s.reports.judge()
	if newest != nil && (agreed == nil || agreed.Version < newest.Version) {
		s.askAll(ctx, newest)
		agreed, newest = s.reports.judge()
	}
	if now := s.topo.Load().ring; now != nil {
		s.askStandbys(ctx, now)
		if agreed, _ = s.reports.judge(); agreed == nil || agreed.Version < now.Version && s.agreedRing {
			return now
		}
	}
	if agreed == nil {
		return newest
	}
	s.agreedRing = true
	return agreed
}

// askAll asks the acceptors that a document names and that nothing newer is
// known of, where the document says they are.
func (s *Store) askAll(ctx context.Context, ring *shard.Ring) {
	var wg sync.WaitGroup
	for _, a := range s.reports.missing(ring) {
		seat, ok := ring.Seat(shard.ID(a))
		if !ok {
			continue
		}
		// Who answers there already is asked by its prober.
		dsn, err := s.cfg.Resolve(seat.Addr)
		if sh := s.topo.Load().find(seat.ID); err == nil && sh != nil && sh.isUp() && sh.link.Load().dsn == dsn {
			continue
		}
		wg.Go(func() { s.askAt(ctx, seat.ID, seat.Addr) })
	}
	wg.Wait()
}

// askStandbys asks the standbys of shards that are down: one of them may be the
// primary now, and the only one who knows.
func (s *Store) askStandbys(ctx context.Context, ring *shard.Ring) {
	var wg sync.WaitGroup
	for _, seat := range ring.Seats {
		if sh := s.topo.Load().find(seat.ID); seat.Standby != "" && sh != nil && !sh.isUp() {
			wg.Go(func() { s.askAt(ctx, seat.ID, seat.Standby) })
		}
	}
	wg.Wait()
}

// askAt asks a shard's acceptor at an address of the ring.
func (s *Store) askAt(ctx context.Context, id shard.ID, addr string) {
	dsn, err := s.cfg.Resolve(addr)
	if err == nil {
		err = s.ask(ctx, id, dsn)
	}
	if err != nil {
		s.log.Debug("a shard did not tell its ring document", "shard", id, "error", err)
	}
}

// ask asks a shard's acceptor, on a connection of its own: what is at dsn need
// not be the shard's primary.
func (s *Store) ask(ctx context.Context, id shard.ID, dsn string) error {
	pc, err := s.connConfig(dsn)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.PingTimeout)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, pc.ConnConfig)
	if err != nil {
		return err
	}
	defer dropConn(&conn)
	var found string
	if err := conn.QueryRow(ctx, "SELECT shard_id FROM control.shard_self").Scan(&found); err != nil {
		return err
	}
	if shard.ID(found) != id {
		return &WrongShardError{Want: id, Found: shard.ID(found)}
	}
	r, err := readReport(ctx, conn)
	if err == nil && r.ring != nil {
		s.reports.take(string(id), r)
	}
	return err
}

// follow makes the topology that of a document.
func (s *Store) follow(ctx context.Context, ring *shard.Ring) {
	if ring == nil || ctx.Err() != nil {
		return
	}
	before := s.topo.Load()
	t := before
	if t.ring == nil || t.ring.Hash() != ring.Hash() {
		t = newTopology(t.slots, t.ids, ring)
	}
	for _, seat := range ring.Seats {
		t = s.seat(ctx, t, seat)
	}
	var gone []*shardConn
	for _, sh := range t.live {
		if _, ok := ring.Seat(sh.id); !ok {
			gone = append(gone, sh)
		}
	}
	for _, sh := range gone {
		t = t.without(sh)
	}
	if t == before {
		return
	}
	if len(gone) > 0 {
		s.refresh(ctx) // so that no route leads where nobody is any more
	}
	s.replace(t)
	for _, sh := range gone {
		s.log.Info("shard has left the ring", "shard", sh.id)
		s.wg.Go(func() { s.retire(sh) })
	}
	if !slices.Equal(t.live, before.live) {
		s.requestRefresh()
	}
}

// seat makes a seat's shard part of t, and its connections lead to the seat's
// address.
func (s *Store) seat(ctx context.Context, t *topology, seat shard.Seat) *topology {
	dsn, err := s.cfg.Resolve(seat.Addr)
	if err != nil {
		s.complain(seat, err)
		return t
	}
	if sh := t.find(seat.ID); sh != nil {
		if err := s.relink(ctx, sh, dsn, seat.Term); err != nil {
			s.complain(seat, err)
		}
		return t
	}
	sh, err := s.newShard(ctx, t.slotOf(seat.ID), seat.ID, dsn, seat.Term)
	if err != nil {
		s.complain(seat, err)
		return t
	}
	sh.late = t.ring != nil && s.topo.Load() != nil && s.topo.Load().ring != nil
	s.log.Info("shard is in the ring", "shard", seat.ID, "term", seat.Term)
	return t.with(sh)
}

// complain tells once that a seat cannot be used as it is.
func (s *Store) complain(seat shard.Seat, err error) {
	if s.complaints[seat.ID] != seat.Addr {
		s.complaints[seat.ID] = seat.Addr
		s.log.Warn("a shard of the ring has no usable address", "shard", seat.ID, "address", seat.Addr, "error", err)
	}
}
