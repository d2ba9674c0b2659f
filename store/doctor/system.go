package doctor

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/store/schema"
)

// together compares what the shards say.
func (x *exam) together(list []*patient) {
	versions := map[shard.ID]int32{}
	for _, p := range list {
		versions[p.ID] = p.schema
	}
	if err := schema.Same(versions); err != nil {
		x.add(Finding{Check: "schema", Level: Problem, What: err.Error(), Meaning: "a change of the schema did not come to its end; no reshard begins", Do: "start a node"})
	}
	x.ownership(list)
	x.documents(list)
}

// ownership looks whether each partition has one owner, and whether that is the
// one the ring decided.
func (x *exam) ownership(list []*patient) {
	var none, several, elsewhere, moving []shard.Partition
	for part := range shard.Partition(shard.Partitions) {
		var at []shard.ID
		coming := false
		for _, p := range list {
			switch p.owners[part].state {
			case "active", "fenced":
				at = append(at, p.ID)
			case "incoming":
				coming = true
			}
		}
		switch {
		case len(at) == 0:
			none = append(none, part)
		case len(at) > 1:
			several = append(several, part)
		case x.Ring != nil && x.Ring.Map.Owner(part) != at[0]:
			elsewhere = append(elsewhere, part)
		}
		if coming {
			moving = append(moving, part)
		}
	}
	complain := func(ps []shard.Partition, level Level, what, meaning, do string) {
		if len(ps) > 0 {
			x.add(Finding{Check: "owners", Level: level, What: fmt.Sprintf("%d partitions %s: %v", len(ps), what, few(ps)), Meaning: meaning, Do: do})
		}
	}
	complain(none, Problem, "have no owner", "nobody can read or write there", "is a shard down or missing from the configuration?")
	complain(several, Problem, "have several owners", "people may see different things: this must never be", "stop writing, and compare both sides before anything else")
	if x.Ring != nil && x.Ring.Plan == nil {
		complain(elsewhere, Warning, "are not where the ring decided", "a reshard ended without them", "gori reshard resume")
		complain(moving, Note, "were to be moved and are not", "they take room at the target", "gori reshard clean")
	}
	if x.Ring != nil && x.Ring.Plan != nil {
		x.add(Finding{Check: "owners", Level: Note, What: fmt.Sprintf("a reshard is under way (%s %s): %d partitions are still to move", x.Ring.Plan.Kind, x.Ring.Plan.Shard, len(elsewhere)),
			Do: "gori reshard status"})
	}
	if len(none)+len(several) == 0 {
		x.add(Finding{Check: "owners", Level: OK, What: "each partition has one"})
	}
}

func few(ps []shard.Partition) string {
	if len(ps) > 8 {
		return fmt.Sprint(ps[:8]) + " …"
	}
	return fmt.Sprint(ps)
}

// documents looks whether a majority of the acceptors has the newest ring
// document.
func (x *exam) documents(list []*patient) {
	if x.Ring == nil {
		x.add(Finding{Check: "ring", Level: Problem, What: "no shard holds a ring document", Meaning: "the system was never started, or not wholly restored"})
		return
	}
	have := 0
	for _, a := range x.Ring.Acceptors {
		if slices.ContainsFunc(list, func(p *patient) bool { return string(p.ID) == a && p.ring != nil && p.ring.Version == x.Ring.Version }) {
			have++
		}
	}
	f := Finding{Check: "ring", Level: OK, What: fmt.Sprintf("version %d, map %d: %d of %d acceptors have it", x.Ring.Version, x.Ring.Map.Epoch(), have, len(x.Ring.Acceptors))}
	if 2*have <= len(x.Ring.Acceptors) {
		f.Level, f.Meaning, f.Do = Warning, "the ring cannot be changed by those; messages do not depend on it", "a witness on a node counts too and is not asked here; else bring the missing shards back"
	}
	x.add(f)
}

// channel is the state of a channel at its shard.
type channel struct{ seq, members int64 }

// inboxes is what all homes together know of a channel.
type inboxes struct{ rows, low, high, beyond int64 }

// inboxes compares channels with the inboxes of their members, which are at the
// members' homes. What a channel had before the look must be known there after
// a while.
func (x *exam) inboxes(ctx context.Context, list []*patient) {
	if x.Ring != nil && x.Ring.Plan != nil {
		x.add(Finding{Check: "inboxes", Level: Note, What: "were not looked at: a reshard is under way", Do: "look again when it is done"})
		return
	}
	each(list, func(p *patient) { p.try("inboxes", p.readChannels(ctx)) })
	select {
	case <-ctx.Done():
		return
	case <-time.After(x.Settle):
	}
	each(list, func(p *patient) { p.try("inboxes", p.readInboxes(ctx)) })
	known := map[int64]inboxes{}
	for _, p := range list {
		if p.homes == nil || p.tally == nil {
			return // it could not be looked at
		}
		for id, h := range p.homes {
			k, seen := known[id]
			if !seen {
				k = h
			} else {
				k = inboxes{k.rows + h.rows, min(k.low, h.low), max(k.high, h.high), k.beyond + h.beyond}
			}
			known[id] = k
		}
	}
	wrong := 0
	for _, p := range list {
		behind, ahead, err := p.judge(ctx, known)
		if err != nil {
			p.try("inboxes", err)
			return
		}
		wrong += len(behind) + len(ahead)
		p.tellBehind(ctx, behind)
		if len(ahead) > 0 {
			p.say("inboxes", Problem, fmt.Sprintf("know more of %d channels than there is (%v)", len(ahead), ahead[:min(len(ahead), 8)]), "messages are missing, or unread counts are wrong",
				"was one shard restored without the others?")
		}
	}
	if wrong == 0 {
		x.add(Finding{Check: "inboxes", Level: OK, What: fmt.Sprintf("of all members know what %d channels had", len(known))})
	}
}

// judge returns the channels of this shard that some inboxes are behind of, and
// those that inboxes are ahead of. What looks wrong is read again first: people
// leave and write meanwhile.
func (p *patient) judge(ctx context.Context, known map[int64]inboxes) (behind, ahead []int64, err error) {
	var ids []int64
	for id, c := range p.tally {
		if k := known[id]; c.seq > 0 && (k.rows < c.members || k.low < c.seq || k.high > c.seq || k.beyond > 0) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	now, err := p.channels(ctx, "partition = ANY ($1) AND channel_id = ANY ($2)", p.served, ids)
	for _, id := range ids {
		c, is := now[id]
		switch k := known[id]; {
		case !is:
		case k.high > c.seq || k.beyond > 0:
			ahead = append(ahead, id)
		case k.rows < min(c.members, p.tally[id].members) || k.low < p.tally[id].seq:
			behind = append(behind, id)
		}
	}
	return behind, ahead, err
}

// tellBehind tells of channels that not all members' inboxes follow, and has
// them followed if that is wished: the same row as any write leaves, which the
// nodes work off.
func (p *patient) tellBehind(ctx context.Context, ids []int64) {
	if len(ids) == 0 {
		return
	}
	what := fmt.Sprintf("of some members are behind %d channels (%v)", len(ids), ids[:min(len(ids), 8)])
	const meaning = "their lists do not show the newest messages, until somebody writes there"
	if !p.Fix {
		p.say("inboxes", Problem, what, meaning, "gori doctor --fix has them brought up to date")
		return
	}
	if _, err := p.conn.Exec(ctx, `INSERT INTO control.fanout_pending (channels, from_seqs, to_seqs, made_at)
		SELECT ARRAY[c], ARRAY[0::bigint], ARRAY[0::bigint], now() - interval '1 minute' FROM unnest($1::bigint[]) c`, ids); err != nil {
		p.try("inboxes", err)
		return
	}
	p.mu.Lock()
	p.fixed += len(ids)
	p.mu.Unlock()
	p.say("inboxes", Warning, what+": the nodes will bring them up to date", meaning, "look again in a minute")
}

func (p *patient) readChannels(ctx context.Context) error {
	all, err := p.channels(ctx, "partition = ANY ($1)", p.served)
	if err == nil {
		p.tally = all
	}
	return err
}

func (p *patient) channels(ctx context.Context, which string, args ...any) (map[int64]channel, error) {
	rows, err := p.conn.Query(ctx, "SELECT channel_id, last_seq, member_count FROM data.channels WHERE "+which, args...)
	if err != nil {
		return nil, err
	}
	all := map[int64]channel{}
	var id int64
	var c channel
	_, err = pgx.ForEachRow(rows, []any{&id, &c.seq, &c.members}, func() error {
		all[id] = c
		return nil
	})
	return all, err
}

func (p *patient) readInboxes(ctx context.Context) error {
	rows, err := p.conn.Query(ctx, `SELECT channel_id, count(*), min(last_seq), max(last_seq), count(*) FILTER (WHERE read_seq > last_seq OR read_count > last_count)
		FROM data.inbox WHERE partition = ANY ($1) AND member GROUP BY channel_id`, p.served)
	if err != nil {
		return err
	}
	all := map[int64]inboxes{}
	var id int64
	var h inboxes
	_, err = pgx.ForEachRow(rows, []any{&id, &h.rows, &h.low, &h.high, &h.beyond}, func() error {
		all[id] = h
		return nil
	})
	if err == nil {
		p.homes = all
	}
	return err
}
