package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"gori/api"
	"gori/config"
	"gori/shard"
)

const (
	// roomFactor is how many times the bytes that come should be free.
	roomFactor = 2
	// What a plan is estimated by, as long as the shard to come is not there: rows a
	// second, and seconds for a partition by itself.
	guessedRows = 40_000
	guessedMove = 0.01
)

// flight is a plan and what stands against it.
type flight struct {
	api.ReshardPreview
	Seconds  float64             `json:"seconds"`              // estimated
	Needed   int64               `json:"needed_bytes"`         // free space that the shards to be filled should have together
	Free     int64               `json:"free_bytes,omitempty"` // on the disk of the data folder, if known
	Versions map[shard.ID]string `json:"versions"`             // PostgreSQL of the shards that answer
	Schemas  map[shard.ID]int32  `json:"schemas"`
	Refusals []string            `json:"refusals"` // empty: it can begin
}

// preflight looks at everything that could stop a reshard before anything is
// made or changed. A shard that is to come has nothing to look at yet.
func (s *ringSystem) preflight(ctx context.Context, o *reshardOptions, order api.ReshardOrder) (*flight, error) {
	f := &flight{Refusals: []string{}}
	id := shard.ID(order.Shard)
	var moves []shard.Move
	var err error
	if order.Action == "add" {
		_, err = s.state().Map.Add(id)
	} else if next, rerr := s.state().Map.Remove(id); rerr == nil {
		moves = shard.Moves(s.state().Map, next)
	} else {
		err = rerr
	}
	if err != nil {
		return nil, config.Usage(err)
	}
	if err := s.inspect(ctx, f, moves); err != nil {
		return nil, err
	}
	preview, err := s.reshards.Preview(ctx, api.ReshardChange{Change: order.Action, Shard: order.Shard, Addr: order.Addr})
	switch {
	case err == nil:
		f.ReshardPreview = preview
	case len(f.Refusals) == 0:
		return nil, s.plain(err)
	default:
		f.Change, f.Shard = order.Action, order.Shard
		return f, nil
	}
	if f.Seconds == 0 {
		f.Seconds = float64(f.Rows)/guessedRows + guessedMove*float64(f.Partitions)
	}
	if o.mbps > 0 {
		f.Seconds = max(f.Seconds, float64(f.Bytes)/1e6/o.mbps)
	}
	f.Needed = roomFactor * f.Bytes
	if free, known := freeAt(s.t.data); s.up != nil && known {
		f.Free = int64(free)
		if f.Free < f.Needed {
			f.refuse("%s has %d MB free and %d MB are needed: until cleaning, what moves is there twice", s.t.data, f.Free/1e6, f.Needed/1e6)
		}
	}
	if order.Action == "add" && order.Addr != "" {
		if err := tryNew(ctx, id, order.Addr); err != nil {
			f.refuse("%v", err)
		}
	}
	return f, nil
}

// inspect looks at the shards that are there.
func (s *ringSystem) inspect(ctx context.Context, f *flight, moves []shard.Move) error {
	found, err := s.engine.Preflight(ctx, moves)
	if err != nil {
		return err
	}
	f.Versions, f.Schemas, f.Refusals = found.Versions, found.Schemas, append(f.Refusals, found.Refusals...)
	if len(moves) > 0 {
		f.Seconds = found.Estimate.Seconds()
	}
	return nil
}

// ready makes a shard that is to come, and looks at it: it must take what the
// others give. One that cannot goes again.
func (s *ringSystem) ready(ctx context.Context, o *reshardOptions, order api.ReshardOrder) error {
	id := shard.ID(order.Shard)
	_, before := s.addresses()[id]
	if order.Addr == "" {
		o.tell("Making a PostgreSQL instance for shard %s …", id)
	}
	if err := s.desk.Ready(ctx, order); err != nil {
		return s.plain(err)
	}
	s.comes(id, order.Addr)
	next, err := s.state().Map.Add(id)
	if err != nil {
		return err
	}
	found, err := s.engine.Preflight(ctx, shard.Moves(s.state().Map, next))
	if err == nil {
		err = (&flight{Refusals: found.Refusals}).refusal()
	}
	if err != nil && order.Addr == "" && !before {
		if _, gone := s.up.Remove(context.WithoutCancel(ctx), id, true); gone != nil {
			err = errors.Join(err, gone)
		}
	}
	return err
}

func (f *flight) refuse(format string, args ...any) {
	f.Refusals = append(f.Refusals, fmt.Sprintf(format, args...))
}

// refusal is nil if the reshard may begin.
func (f *flight) refusal() error {
	if len(f.Refusals) == 0 {
		return nil
	}
	return refused(fmt.Errorf("this cannot begin, and nothing was changed: %s", strings.Join(f.Refusals, "; ")))
}

func (f *flight) print(w io.Writer) {
	fmt.Fprintf(w, "Plan: %s shard %s. Nothing has been changed.\n\n", f.Change, f.Shard)
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "from\tto\tpartitions\trows\tMB\t")
	for _, m := range f.Moves {
		fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%.1f\t\n", m.From, m.To, m.Partitions, m.Rows, float64(m.Bytes)/1e6)
	}
	fmt.Fprintf(t, "all\t\t%d\t%d\t%.1f\t\n", f.Partitions, f.Rows, float64(f.Bytes)/1e6)
	_ = t.Flush()
	fmt.Fprintf(w, "\nlargest share / average after it  %.3f; nothing moves between other shards\n", f.Spread)
	fmt.Fprintf(w, "estimated time                    %s\n", (time.Duration(f.Seconds * float64(time.Second))).Round(time.Second))
	fmt.Fprintf(w, "space needed                      %.0f MB", float64(f.Needed)/1e6)
	if f.Free > 0 {
		fmt.Fprintf(w, " of %.0f MB free", float64(f.Free)/1e6)
	}
	fmt.Fprintln(w)
	var versions []string
	for _, id := range sortedIDs(f.Versions) {
		versions = append(versions, fmt.Sprintf("%s %s schema %d", id, firstWord(f.Versions[id]), f.Schemas[id]))
	}
	fmt.Fprintf(w, "PostgreSQL                        %s\n", strings.Join(versions, ", "))
	if f.Makes {
		fmt.Fprintf(w, "shard %s                           a new instance of gori up\n", f.Shard)
	}
	for _, r := range f.Refusals {
		fmt.Fprintf(w, "REFUSED                           %s\n", r)
	}
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(s, " ")
	return word
}
