package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"gori/api"
	"gori/shard"
)

// What a plan is estimated by: measured rates of a small machine.
const (
	guessedRows = 30_000                // rows a second, copied, followed and compared
	guessedMove = 30 * time.Millisecond // for a partition by itself
	roomFactor  = 2                     // times the bytes that come, to be free
)

// flight is a plan and what stands against it.
type flight struct {
	api.ReshardPreview
	Seconds  float64           `json:"seconds"`              // estimated
	Needed   int64             `json:"needed_bytes"`         // free space that the shards to be filled should have
	Free     int64             `json:"free_bytes,omitempty"` // on the disk of the data folder, if known
	Versions map[string]string `json:"versions"`             // PostgreSQL of the shards that answer
	Refusals []string          `json:"refusals"`             // empty: it can begin
}

// preflight looks at everything that could stop a reshard before it begins.
func (s *ringSystem) preflight(ctx context.Context, o *reshardOptions, order api.ReshardOrder) (*flight, error) {
	f := &flight{Versions: map[string]string{}, Refusals: []string{}}
	preview, err := s.reshards.Preview(ctx, api.ReshardChange{Change: order.Action, Shard: order.Shard, Addr: order.Addr})
	if err != nil {
		for _, id := range s.down(ctx, f) {
			f.refuse("shard %s does not answer: start it, or wait until it does", id)
		}
		if len(f.Refusals) == 0 {
			return nil, s.plain(err)
		}
		return f, nil
	}
	f.ReshardPreview = preview
	for _, id := range s.down(ctx, f) {
		f.refuse("shard %s does not answer: start it, or wait until it does", id)
	}
	f.Seconds = float64(f.Rows)/guessedRows + guessedMove.Seconds()*float64(f.Partitions)
	if o.mbps > 0 {
		f.Seconds = max(f.Seconds, float64(f.Bytes)/1e6/o.mbps)
	}
	s.room(f)
	if order.Action == "add" && order.Addr != "" {
		if err := tryNew(ctx, shard.ID(order.Shard), order.Addr); err != nil {
			f.refuse("%v", err)
		}
	}
	return f, nil
}

// down are the shards that do not answer; of the others it notes the versions.
func (s *ringSystem) down(ctx context.Context, f *flight) []shard.ID {
	var ids []shard.ID
	for _, a := range s.reshards.board.Vitals(ctx) {
		if a.Err != nil {
			ids = append(ids, a.Shard)
			continue
		}
		f.Versions[string(a.Shard)] = a.Value.Version
	}
	return ids
}

// room compares what comes with what is free, where that can be known.
func (s *ringSystem) room(f *flight) {
	f.Needed = roomFactor * f.Bytes
	var st syscall.Statfs_t
	if s.up == nil || syscall.Statfs(s.t.data, &st) != nil {
		return
	}
	f.Free = int64(st.Bavail) * st.Bsize
	if f.Free < f.Needed {
		f.refuse("%s has %d MB free and %d MB are needed: until cleaning, what moves is there twice", s.t.data, f.Free/1e6, f.Needed/1e6)
	}
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
		versions = append(versions, id+" "+f.Versions[id])
	}
	fmt.Fprintf(w, "PostgreSQL                        %s\n", strings.Join(versions, ", "))
	if f.Makes {
		fmt.Fprintf(w, "shard %s                           a new instance of gori up\n", f.Shard)
	}
	for _, r := range f.Refusals {
		fmt.Fprintf(w, "REFUSED                           %s\n", r)
	}
}
