package move

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
	"gori/shard/reshard"
)

// Receipts returns the receipts of a reshard, or of all if it is "", in the
// order of time, and which shards did not answer.
func (e *Engine) Receipts(ctx context.Context, reshardID string) ([]reshard.Receipt, []shard.ID, error) {
	type key struct {
		id string
		p  shard.Partition
	}
	found := map[key]reshard.Receipt{}
	down, err := e.each(ctx, func(_ shard.ID, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "SELECT doc FROM control.receipts WHERE $1 = '' OR reshard = $1", reshardID)
		if err != nil {
			return err
		}
		var doc []byte
		_, err = pgx.ForEachRow(rows, []any{&doc}, func() error {
			var r reshard.Receipt
			if err := json.Unmarshal(doc, &r); err != nil {
				return err
			}
			found[key{r.Reshard, r.Partition}] = r
			return nil
		})
		return err
	})
	if len(down) < len(e.cfg.Shards()) {
		err = ctx.Err()
	}
	list := slices.SortedFunc(maps.Values(found), func(a, b reshard.Receipt) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return int(a.Partition) - int(b.Partition)
	})
	return list, down, err
}

// Proof is what Verify has found, or has found so far.
type Proof struct {
	Partitions int   `json:"partitions"` // that have a receipt
	Receipts   int   `json:"receipts"`   // checked
	Channels   int   `json:"channels"`
	Messages   int64 `json:"messages"` // digested again
	// Problems are the first ones, Found counts all; none: all holds.
	Problems []Fault    `json:"problems"`
	Found    int        `json:"found"`
	Down     []shard.ID `json:"down,omitempty"` // did not answer: what they have was not checked
}

// Fault is one thing that is not as it should be.
type Fault struct {
	Code      FaultCode       `json:"code"`
	Partition shard.Partition `json:"partition"`
	Shards    []shard.ID      `json:"shards,omitempty"`
	Channel   int64           `json:"channel,string,omitempty"`
	Upto      int64           `json:"upto,omitempty"`   // the seq to which the channel was compared
	Rows      int64           `json:"rows,omitempty"`   // there are now, to Upto
	Wanted    int64           `json:"wanted,omitempty"` // rows that the receipt says
	Table     string          `json:"table,omitempty"`
	Text      string          `json:"text"` // all of it in words
}

// FaultCode says what is wrong.
type FaultCode string

// The kinds of faults.
const (
	FaultGaps     FaultCode = "gaps"            // the receipt itself counts gaps
	FaultChannel  FaultCode = "channel_missing" // the channel is not there any more
	FaultMessages FaultCode = "channel_differs" // messages are missing or were altered
	FaultNoOwner  FaultCode = "no_owner"
	FaultOwners   FaultCode = "several_owners"
	FaultUnserved FaultCode = "not_served" // by a shard that was asked
	FaultRows     FaultCode = "rows_left"  // where they were deleted
)

// FaultCodes are all kinds.
var FaultCodes = []FaultCode{FaultGaps, FaultChannel, FaultMessages, FaultNoOwner, FaultOwners, FaultUnserved, FaultRows}

// maxFaults bounds those that are told one by one.
const maxFaults = 200

func (p *Proof) problem(f Fault, format string, args ...any) {
	f.Text = fmt.Sprintf(format, args...)
	p.Found++
	if len(p.Problems) < maxFaults {
		p.Problems = append(p.Problems, f)
	}
}

const (
	verifyAtOnce = 32 // partitions
	// settling is how long a partition may be between two owners.
	settling = 3 * time.Second
)

// Verify computes again, from the rows that are served now, what receipts say:
// the newest receipt of each partition, of a reshard or of all if it is "". It
// also checks that each partition is served by exactly one shard and that
// nothing is left where it was cleaned. Receipts are read some at a time.
// told, if not nil, hears what was found so far after each of these; it must not
// keep the Proof.
func (e *Engine) Verify(ctx context.Context, reshardID string, told func(*Proof)) (*Proof, error) {
	kept, err := e.keptReceipts(ctx, reshardID)
	if err != nil {
		return nil, err
	}
	v := &verifier{Engine: e, kept: kept, checked: map[shard.Partition]bool{}, told: told,
		proof: &Proof{Partitions: len(kept), Problems: []Fault{}}}
	if err := e.oneOwner(ctx, v.proof); err != nil {
		return nil, err
	}
	down, err := e.each(ctx, func(id shard.ID, conn *pgx.Conn) error { return v.shard(ctx, id, conn) })
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if len(down) == len(e.cfg.Shards()) {
		return nil, err
	}
	v.proof.Down = down
	for p := range kept {
		if !v.checked[p] && len(down) == 0 {
			v.proof.problem(Fault{Code: FaultUnserved, Partition: p}, "partition %s has a receipt and no shard serves it", p)
		}
	}
	slices.SortStableFunc(v.proof.Problems, func(a, b Fault) int { return strings.Compare(a.Text, b.Text) })
	return v.proof, nil
}

// keptReceipt says which receipt of a partition is the newest, and who keeps it.
type keptReceipt struct {
	reshard string
	at      time.Time
	on      []shard.ID
}

// keptReceipts finds the newest receipt of each partition, without reading them.
func (e *Engine) keptReceipts(ctx context.Context, reshardID string) (map[shard.Partition]keptReceipt, error) {
	kept := map[shard.Partition]keptReceipt{}
	down, err := e.each(ctx, func(id shard.ID, conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, `SELECT DISTINCT ON (partition) partition, reshard, at FROM control.receipts
			WHERE $1 = '' OR reshard = $1 ORDER BY partition, at DESC`, reshardID)
		if err != nil {
			return err
		}
		var p int32
		var name string
		var at time.Time
		_, err = pgx.ForEachRow(rows, []any{&p, &name, &at}, func() error {
			k := kept[shard.Partition(p)]
			if at.After(k.at) {
				k = keptReceipt{reshard: name, at: at}
			}
			if k.reshard == name {
				k.on = append(k.on, id)
			}
			kept[shard.Partition(p)] = k
			return nil
		})
		return err
	})
	if len(down) < len(e.cfg.Shards()) {
		err = ctx.Err()
	}
	return kept, err
}

// verifier is one Verify.
type verifier struct {
	*Engine
	kept    map[shard.Partition]keptReceipt
	checked map[shard.Partition]bool
	proof   *Proof
	told    func(*Proof)
}

// shard checks what one shard serves, and that it has nothing of what was cleaned.
func (v *verifier) shard(ctx context.Context, id shard.ID, conn *pgx.Conn) error {
	owners, err := ownersOf(ctx, conn, nil)
	if err != nil {
		return err
	}
	if err := leftovers(ctx, conn, id, owners, v.proof); err != nil {
		return err
	}
	var here []int32
	for p := range v.kept {
		if o := owners[p]; o.state == reshard.Active || o.state == reshard.Fencing {
			here = append(here, int32(p))
			v.checked[p] = true
		}
	}
	slices.Sort(here)
	for part := range slices.Chunk(here, verifyAtOnce) {
		receipts, err := v.read(ctx, id, conn, part)
		if err != nil {
			return err
		}
		if err := recount(ctx, conn, id, part, receipts, v.proof); err != nil {
			return err
		}
		if v.told != nil {
			v.told(v.proof)
		}
	}
	return nil
}

// read reads the newest receipts of partitions that a shard serves: its own, or
// those of one that keeps them.
func (v *verifier) read(ctx context.Context, id shard.ID, conn *pgx.Conn, ps []int32) (map[shard.Partition]reshard.Receipt, error) {
	on := map[shard.ID][]int32{}
	for _, p := range ps {
		at := v.kept[shard.Partition(p)].on
		if slices.Contains(at, id) {
			at = []shard.ID{id}
		}
		on[at[0]] = append(on[at[0]], p)
	}
	found := map[shard.Partition]reshard.Receipt{}
	for at, some := range on {
		from := conn
		if at != id {
			var err error
			if from, err = v.dial(ctx, at, "verify"); err != nil {
				return nil, err
			}
			defer hangUp(from)
		}
		if err := v.readFrom(ctx, from, some, found); err != nil {
			return nil, err
		}
	}
	return found, nil
}

func (v *verifier) readFrom(ctx context.Context, conn *pgx.Conn, ps []int32, into map[shard.Partition]reshard.Receipt) error {
	names := make([]string, len(ps))
	for i, p := range ps {
		names[i] = v.kept[shard.Partition(p)].reshard
	}
	rows, err := conn.Query(ctx, "SELECT doc FROM control.receipts JOIN unnest($1::int[], $2::text[]) u(partition, reshard) USING (partition, reshard)", ps, names)
	if err != nil {
		return err
	}
	var doc []byte
	_, err = pgx.ForEachRow(rows, []any{&doc}, func() error {
		var r reshard.Receipt
		if err := json.Unmarshal(doc, &r); err != nil {
			return err
		}
		into[r.Partition] = r
		return nil
	})
	return err
}

// recount computes the receipts of partitions again.
func recount(ctx context.Context, conn *pgx.Conn, id shard.ID, ps []int32, newest map[shard.Partition]reshard.Receipt, proof *Proof) error {
	upto := map[int64]int64{}
	for _, p := range ps {
		for _, c := range newest[shard.Partition(p)].Channels {
			upto[c.Channel] = c.Last
		}
	}
	got, err := channelReceipts(ctx, conn, ps, upto)
	if err != nil {
		return err
	}
	for _, p := range ps {
		now := map[int64]reshard.ChannelReceipt{}
		for _, c := range got[p] {
			now[c.Channel] = c
		}
		r := newest[shard.Partition(p)]
		f := Fault{Partition: r.Partition, Shards: []shard.ID{id}}
		proof.Receipts++
		if n := gaps(r); n > 0 {
			f.Code, f.Rows = FaultGaps, n
			proof.problem(f, "partition %d: its receipt counts %d gaps", p, n)
		}
		for _, c := range r.Channels {
			proof.Channels++
			proof.Messages += c.Rows
			n, there := now[c.Channel]
			f.Channel, f.Upto, f.Rows, f.Wanted = c.Channel, c.Last, n.Rows, c.Rows
			if !there {
				f.Code = FaultChannel
				proof.problem(f, "partition %d: shard %s has no channel %d any more", p, id, c.Channel)
			} else if n != c {
				f.Code = FaultMessages
				proof.problem(f, "partition %d, channel %d up to seq %d: shard %s has %d rows, digest %s; the receipt says %d rows, digest %s",
					p, c.Channel, c.Last, id, n.Rows, n.Identity, c.Rows, c.Identity)
			}
		}
	}
	return nil
}

// leftovers looks for rows of partitions that were cleaned.
func leftovers(ctx context.Context, conn *pgx.Conn, id shard.ID, owners map[shard.Partition]owner, proof *Proof) error {
	list, err := catalog(ctx, conn)
	if err != nil {
		return err
	}
	var clean []int32
	for p, o := range owners {
		if o.state == reshard.Gone && o.cleaned {
			clean = append(clean, int32(p))
		}
	}
	for _, t := range list {
		rows, err := conn.Query(ctx, "SELECT p FROM unnest($1::int[]) p WHERE EXISTS (SELECT FROM "+t.full()+" t WHERE t.partition = p)", clean)
		if err != nil {
			return err
		}
		left, err := pgx.CollectRows(rows, pgx.RowTo[int32])
		if err != nil {
			return err
		}
		for _, p := range left {
			proof.problem(Fault{Code: FaultRows, Partition: shard.Partition(p), Shards: []shard.ID{id}, Table: t.name},
				"shard %s has rows of partition %d in data.%s, from which it was cleaned", id, p, t.name)
		}
	}
	return nil
}

// oneOwner checks that one shard serves each partition. What is found between
// two owners is looked at again a moment later.
func (e *Engine) oneOwner(ctx context.Context, proof *Proof) error {
	for deadline := e.cfg.Now().Add(settling); ; {
		pic, err := e.Look(ctx)
		if err != nil {
			return err
		}
		wrong := *proof
		for p, owners := range pic.Owners {
			var active []shard.ID
			for _, o := range owners {
				if o.State == reshard.Active {
					active = append(active, o.Shard)
				}
			}
			switch {
			case len(active) > 1:
				wrong.problem(Fault{Code: FaultOwners, Partition: shard.Partition(p), Shards: active}, "partition %d is active at %v", p, active)
			case len(active) == 0 && len(pic.Down) == 0:
				wrong.problem(Fault{Code: FaultNoOwner, Partition: shard.Partition(p)}, "partition %d is active nowhere", p)
			}
		}
		if wrong.Found == proof.Found || !e.cfg.Now().Before(deadline) {
			*proof = wrong
			return nil
		}
		if err := sleep(ctx, 200*time.Millisecond); err != nil {
			return err
		}
	}
}

func gaps(r reshard.Receipt) (n int64) {
	for _, c := range r.Channels {
		n += c.Gaps
	}
	return n
}
