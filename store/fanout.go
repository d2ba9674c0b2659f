package store

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

const (
	fanReaders  = 4                     // goroutines that read channels for fan-outs
	fanReads    = 4096                  // channels waiting to be read; more are left to the sweeper
	fanTries    = 6                     // of a reading, before it is left to the sweeper
	fanPause    = 50 * time.Millisecond // after the first failure; doubles
	fanRows     = 200_000               // inbox rows waiting for one home shard; more are left to the sweeper
	maxSettled  = 512                   // pending rows deleted in one statement
	settleEvery = 100 * time.Millisecond
)

// A fan-out brings the state of a channel to the inbox of every member. It is
// owed from the commit on, by a row in control.fanout_pending, and takes three
// steps: what is new is noted (conclude.go) or read (fanload.go); it is spread
// over the home shards of the members; the home writer of each shard applies
// whatever is waiting for it, merged by channel, in one transaction
// (inboxfan.go). When all home shards have it the row goes. Applying twice or
// in another order changes nothing, so whatever fails may be done again by
// anyone.

// channelNews is a state of a channel, and what led to it from some earlier
// one. States of one channel are ordered: its counters only grow.
type channelNews struct {
	channel       chat.ChannelID
	kind          chat.ChannelKind
	name          string
	pair          [2]chat.UserID
	memberVersion int64
	from          chat.Seq

	lastSeq     chat.Seq
	lastCount   chat.Count
	lastChange  chat.Change
	lastAt      chat.Millis
	lastSender  chat.UserID
	previewSeq  chat.Seq // the last message in the channel itself; the four above are its
	preview     string
	previewKind chat.MessageKind

	own      []ownMark
	mentions []mentionMark
	threads  []threadMark
}

// ownMark is the read mark that writing moved.
type ownMark struct {
	user  chat.UserID
	seq   chat.Seq
	count chat.Count
}

// mentionMark is a mention of a user, or of everyone if user is 0.
type mentionMark struct {
	user, sender chat.UserID
	seq          chat.Seq
	root         chat.Seq   // 0: in the channel itself
	count        chat.Count // in a thread: of the reply
}

// threadMark is what a follower of a thread learns.
type threadMark struct {
	user      chat.UserID
	root      chat.Seq
	lastSeq   chat.Seq
	lastCount chat.Count
	readCount chat.Count // at least: when the user began to follow, or wrote
	ownSeq    chat.Seq   // of his own last reply, 0 if none is new
}

// fanRef counts what is left to do for one row of control.fanout_pending.
type fanRef struct {
	sh      *shardConn
	pending int64
	left    atomic.Int32
	dropped atomic.Bool // some part was given up: the row stays for the sweeper
}

// newFanRef begins with one part, which its maker ends by done.
func newFanRef(sh *shardConn, pending int64) *fanRef {
	r := &fanRef{sh: sh, pending: pending}
	r.left.Store(1)
	return r
}

func (r *fanRef) add() { r.left.Add(1) }

func (r *fanRef) done() {
	if r.left.Add(-1) == 0 && !r.dropped.Load() {
		r.sh.settledMu.Lock()
		defer r.sh.settledMu.Unlock()
		r.sh.settled = append(r.sh.settled, r.pending)
	}
}

func (r *fanRef) drop() {
	r.dropped.Store(true)
	r.done()
}

// takeSettled moves pending rows that are done with to the caller, who deletes
// them; one that is not deleted is only done again.
func (sh *shardConn) takeSettled(into []int64) []int64 {
	sh.settledMu.Lock()
	defer sh.settledMu.Unlock()
	n := min(len(sh.settled), maxSettled-len(into))
	into = append(into, sh.settled[:n]...)
	sh.settled = append(sh.settled[:0], sh.settled[n:]...)
	return into
}

// fanRequest asks for a channel to be read and fanned out.
type fanRequest struct {
	ref      *fanRef
	channel  chat.ChannelID
	from, to chat.Seq // the new messages; 0 and 0: none
}

// fanJob is work for the readers of the fan-out. If it fails for long, refs are
// dropped.
type fanJob struct {
	do   func(ctx context.Context) error
	refs []*fanRef
}

// fanOut is the part of a Store that fans out.
type fanOut struct {
	s    *Store
	jobs chan fanJob
}

func newFanOut(s *Store) *fanOut {
	return &fanOut{s: s, jobs: make(chan fanJob, fanReads)}
}

// run works until ctx ends; what is left then is found by the sweepers.
func (f *fanOut) run(ctx context.Context) {
	var wg sync.WaitGroup
	for range fanReaders {
		wg.Go(func() { f.jobLoop(ctx) })
	}
	wg.Wait()
}

// settleLoop deletes settled rows that no batch has taken along.
func (s *Store) settleLoop(ctx context.Context, sh *shardConn) {
	for nap(ctx, settleEvery) == nil {
		ids := sh.takeSettled(nil)
		if len(ids) == 0 {
			continue
		}
		if ctx, done, err := sh.during(ctx); err == nil {
			_, err = sh.pool().Exec(ctx, sqlSettled, ids)
			_ = sh.settle(ctx, err)
			done()
		}
	}
}

// fanIn makes the members' inboxes follow the channel once dbtx, which write
// gave its function, is committed. seq is that of the new message, 0 if there
// is none. Whatever happens to this node after the commit, the fan-out takes
// place.
func (s *Store) fanIn(ctx context.Context, dbtx pgx.Tx, channel chat.ChannelID, seq chat.Seq) error {
	tx := dbtx.(*gatedTx)
	var pending int64
	err := tx.QueryRow(ctx, `INSERT INTO control.fanout_pending (channels, from_seqs, to_seqs)
		VALUES (ARRAY[$1::bigint], ARRAY[$2::bigint], ARRAY[$2::bigint]) RETURNING batch_id`, int64(channel), int64(seq)).Scan(&pending)
	if err == nil {
		tx.fans = append(tx.fans, fanRequest{ref: newFanRef(tx.sh, pending), channel: channel, from: seq, to: seq})
	}
	return err
}

// queue takes over a job and its parts of refs; without room it is left to the
// sweeper.
func (f *fanOut) queue(j fanJob) {
	select {
	case f.jobs <- j:
	default:
		dropAll(j.refs)
	}
}

func dropAll(refs []*fanRef) {
	for _, r := range refs {
		r.drop()
	}
}

func (f *fanOut) jobLoop(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-f.jobs:
			f.work(ctx, j)
		}
	}
}

// work does a job, with some patience while a shard is away.
func (f *fanOut) work(ctx context.Context, j fanJob) {
	pause := fanPause
	for try := 1; ; try++ {
		err := j.do(ctx)
		if err == nil {
			return
		}
		if try == fanTries || !chat.ErrorOf(err).Retry || nap(ctx, pause) != nil {
			if ctx.Err() == nil {
				f.s.log.Debug("a fan-out is left to the sweeper", "error", err)
			}
			dropAll(j.refs)
			return
		}
		pause *= 2
	}
}

// read queues the reading of a channel.
func (f *fanOut) read(r fanRequest) {
	f.queue(fanJob{refs: []*fanRef{r.ref}, do: func(ctx context.Context) error { return f.load(ctx, r) }})
}

// spread queues news for the home shards of all members. It takes over one
// part of ref.
func (f *fanOut) spread(n *channelNews, ref *fanRef) {
	var r *roster
	if n.kind == chat.KindDirect {
		r = newRoster(n.memberVersion, n.pair[:])
	} else if r = f.s.rosters.get(n.channel, n.memberVersion); r == nil {
		f.read(fanRequest{ref: ref, channel: n.channel, from: n.from, to: n.lastSeq})
		return
	}
	f.spreadTo(n, r, ref)
}

// spreadTo queues news for the home shards of the members in r. It takes over
// one part of each ref.
func (f *fanOut) spreadTo(n *channelNews, r *roster, refs ...*fanRef) {
	f.spreadNews(&homeNews{news: *n, part: homePart{users: r.ids, homes: r.homes, rosterVersion: r.version}, refs: refs})
}

// spreadNews queues news for the home shards of its members. It takes over one
// part of each ref.
func (f *fanOut) spreadNews(n *homeNews) {
	refs := n.refs
	rt := f.s.routes.Load()
	t := f.s.topo.Load() // has every slot of rt
	parts := make([]homePart, len(t.slots))
	for i, u := range n.part.users {
		slot := rt.owner[n.part.homes[i]]
		if slot == unknownOwner || t.slots[slot] == nil {
			f.s.requestRefresh()
			for _, ref := range refs {
				ref.dropped.Store(true)
			}
			continue
		}
		parts[slot].users = append(parts[slot].users, u)
		parts[slot].homes = append(parts[slot].homes, n.part.homes[i])
	}
	for slot, part := range parts {
		if len(part.users) == 0 {
			continue
		}
		part.rosterVersion = n.part.rosterVersion
		for _, ref := range refs {
			ref.add()
		}
		t.slots[slot].home.add(&homeNews{news: n.news, part: part, refs: slices.Clone(refs), adopted: n.adopted})
	}
	for _, ref := range refs {
		ref.done()
	}
}

// homePart are the members of a channel who live on one shard.
type homePart struct {
	users         []chat.UserID
	homes         []shard.Partition // of users, aligned
	rosterVersion int64
}
