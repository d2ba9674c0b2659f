package command

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"gori/api"
	"gori/chat"
	"gori/shard"
)

const (
	showEvery  = time.Second     // on a terminal
	lineEvery  = 5 * time.Second // elsewhere
	shownLines = 12              // moves under way
	// quietTime is after how long without any step a reshard is said to be carried
	// out by nobody.
	quietTime = 15 * time.Second
)

// reshardReport is what gori reshard status --json prints.
type reshardReport struct {
	// State is idle, running, paused, or stalled: nobody seems to carry it out.
	State string `json:"state"`
	By    string `json:"by,omitempty"` // who began it
	Total int    `json:"total"`        // partitions that it moves
	Moved int    `json:"moved"`        // of them; their receipts may come a little later
	api.ReshardStatus
	Last *api.ReceiptSummary `json:"last,omitempty"` // the last reshard that has receipts
}

// report looks at the reshard. newest is when it was last seen to go on.
func (s *ringSystem) report(ctx context.Context) (*reshardReport, error) {
	st, err := s.status(ctx)
	if err != nil {
		return nil, err
	}
	r := &reshardReport{State: "idle", ReshardStatus: st}
	p := s.state().Plan
	if p == nil {
		list, err := s.reshards.Receipts(ctx, 1)
		if err == nil && len(list) > 0 {
			r.Last = &list[0]
		}
		return r, err
	}
	r.State, r.By = "running", p.By
	if ring := s.state(); ring.Before != nil {
		r.Total = max(len(shard.Moves(ring.Before, ring.Map)), st.Left)
		r.Moved = r.Total - st.Left
	}
	newest := p.BegunMS
	for _, m := range st.Moves {
		newest = max(newest, int64(m.UpdatedAt))
	}
	for _, m := range st.Pauses {
		newest = max(newest, int64(m.At))
	}
	switch {
	case p.Paused:
		r.State = "paused"
	case time.Since(time.UnixMilli(newest)) > quietTime:
		r.State = "stalled"
	}
	return r, nil
}

// print writes the report as a table.
func (r *reshardReport) print(w io.Writer) {
	p := r.Plan
	if p == nil {
		fmt.Fprintf(w, "No reshard is under way (ring version %d).\n", r.Version)
		if r.Last != nil {
			fmt.Fprintf(w, "The last one: %s\n", summaryLine(*r.Last))
		}
		return
	}
	fmt.Fprintf(w, "%s %s (%s), begun %s%s, %s%s\n", p.Kind, p.Shard, p.ID, p.BegunAt.Time().Local().Format("2006-01-02 15:04:05"), byText(r.By),
		r.stateText(), whyText(p.Why))
	fmt.Fprintf(w, "%s\n", r.line())
	if len(r.Moves) == 0 {
		return
	}
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "partition\tfrom\tto\tstep\trows\tMB\tto follow\tlast pause\tattempt\t")
	for _, m := range r.Moves[:min(len(r.Moves), shownLines)] {
		fmt.Fprintf(t, "%d\t%s\t%s\t%s\t%d of %d\t%.1f\t%d\t%s\t%d\t\n", m.Partition, m.From, m.To, m.State, m.Rows, max(m.Rows, m.TotalRows),
			float64(m.Bytes)/1e6, m.Dirty, pauseText(m.PauseUS), m.Attempt)
	}
	_ = t.Flush()
	if more := len(r.Moves) - shownLines; more > 0 {
		fmt.Fprintf(w, "… and %d more\n", more)
	}
	for _, m := range r.Moves {
		if m.Error != "" {
			fmt.Fprintf(w, "partition %d, last attempt: %s\n", m.Partition, m.Error)
			return // one is enough to know where to look
		}
	}
}

func (r *reshardReport) stateText() string {
	who := "carried out by a command"
	if r.Plan.Detached {
		who = "carried out by the nodes"
	}
	switch r.State {
	case "paused":
		return "PAUSED"
	case "stalled":
		return "STALLED: nobody has carried it out for a while (gori reshard resume goes on)"
	}
	return who
}

// line is the report in one line.
func (r *reshardReport) line() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d partitions, %d of %d rows, %.1f MB, %.0f rows/s, %.1f MB/s, %d keys to follow", r.Moved, r.Total, r.Rows, r.TotalRows,
		float64(r.Bytes)/1e6, r.RowsS, r.BytesS/1e6, r.Dirty)
	if n := len(r.Pauses); n > 0 {
		fmt.Fprintf(&b, ", last pause %s", pauseText(r.Pauses[n-1].US))
	}
	if r.LeftMS > 0 {
		fmt.Fprintf(&b, ", about %s left", (time.Duration(r.LeftMS) * time.Millisecond).Round(time.Second))
	}
	return b.String()
}

func pauseText(us int64) string {
	if us == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f ms", float64(us)/1000)
}

func byText(by string) string {
	if by == "" {
		return ""
	}
	return " by " + by
}

func whyText(why string) string {
	if why == "" {
		return ""
	}
	return ": " + why
}

// reshardShow shows how a reshard goes: a table that renews itself on a terminal,
// a line now and then elsewhere, nothing with --json. Its goroutine ends with close.
type reshardShow struct {
	w     io.Writer
	tty   bool
	lines int // on the terminal
	stop  context.CancelFunc
	wg    sync.WaitGroup
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

func (s *ringSystem) startShow(ctx context.Context, o *reshardOptions, plan shard.Plan) *reshardShow {
	show := &reshardShow{w: o.out, tty: isTerminal(o.out)}
	ctx, show.stop = context.WithCancel(ctx)
	every := 1
	switch {
	case o.json:
	case show.tty:
	default:
		every = int(lineEvery / showEvery)
		fmt.Fprintf(o.out, "%s %s (%s): moving\n", plan.Kind, plan.Shard, plan.ID)
	}
	show.wg.Go(func() {
		tick := time.NewTicker(showEvery)
		defer tick.Stop()
		for n := 1; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			// Where the shards are may change on the way.
			if _, err := s.read(ctx); err != nil || o.json || n%every != 0 {
				continue
			}
			if r, err := s.report(ctx); err == nil && r.Plan != nil {
				show.draw(r)
			}
		}
	})
	return show
}

func (h *reshardShow) draw(r *reshardReport) {
	if !h.tty {
		fmt.Fprintln(h.w, r.line())
		return
	}
	var b bytes.Buffer
	r.print(&b)
	text := b.String()
	if h.lines > 0 {
		fmt.Fprintf(h.w, "\x1b[%dA", h.lines)
	}
	fmt.Fprint(h.w, "\x1b[J", text)
	h.lines = strings.Count(text, "\n")
}

// close ends the goroutine and takes the table away.
func (h *reshardShow) close() {
	h.stop()
	h.wg.Wait()
	if h.tty && h.lines > 0 {
		fmt.Fprintf(h.w, "\x1b[%dA\x1b[J", h.lines)
		h.lines = 0
	}
}

// showStatus is gori reshard status.
func (s *ringSystem) showStatus(ctx context.Context, o *reshardOptions) error {
	r, err := s.report(ctx)
	if err != nil {
		return s.plain(err)
	}
	if !o.watch || r.Plan == nil {
		if o.json {
			return printJSON(o.out, r)
		}
		r.print(o.out)
		return nil
	}
	show := &reshardShow{w: o.out, tty: isTerminal(o.out)}
	every := showEvery
	if !show.tty && !o.json {
		every = lineEvery
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for begun := r.Plan.ID; r.Plan != nil && r.Plan.ID == begun; {
		if o.json {
			err = printJSON(o.out, r)
		} else {
			show.draw(r)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		next, rerr := s.report(ctx)
		if err = errors.Join(err, ctx.Err()); err != nil {
			return nil
		}
		if rerr == nil {
			r = next
		}
	}
	if o.json {
		return printJSON(o.out, r)
	}
	r.print(o.out)
	return nil
}

// plain takes the code from an error that is for people.
func (s *ringSystem) plain(err error) error {
	var coded *chat.Error
	if !errors.As(err, &coded) {
		return err
	}
	if coded.Code == chat.CodeConflict || coded.Code == chat.CodeBadRequest {
		return refused(errors.New(coded.Message))
	}
	return errors.New(coded.Message)
}

func sortedIDs[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
