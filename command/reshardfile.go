package command

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"gori/api"
	"gori/shard"
	"gori/shard/reshard"
)

// reshardSummary is the head of a receipt's file.
type reshardSummary struct {
	api.ReceiptSummary
	Kind    shard.PlanKind   `json:"kind,omitempty"`
	Shard   shard.ID         `json:"shard,omitempty"`
	By      string           `json:"by,omitempty"`
	Tables  map[string]int64 `json:"tables"`  // rows of each
	Digests int              `json:"digests"` // compared tables of partitions, all equal on both sides
	Seconds float64          `json:"seconds"` // from the beginning to the last move
	RowsS   float64          `json:"rows_s"`
	Shares  map[shard.ID]int `json:"shares"` // partitions of each shard now
	Spread  float64          `json:"spread"` // largest share / average
	Version int64            `json:"version"`
	File    string           `json:"file,omitempty"` // where the receipt is
}

// conclude writes the receipt and prints what it comes to.
func (s *ringSystem) conclude(ctx context.Context, o *reshardOptions, plan shard.Plan) error {
	sum, err := s.writeReceipt(ctx, o, plan)
	if err != nil {
		return fmt.Errorf("every partition has moved, and its receipt is kept on its shards; only the file could not be written: %w", err)
	}
	if o.json {
		return printJSON(o.out, sum)
	}
	sum.print(o.out)
	return nil
}

// rewriteReceipt is gori reshard receipt.
func (s *ringSystem) rewriteReceipt(ctx context.Context, o *reshardOptions, id string) error {
	if id == "" {
		list, err := s.reshards.Receipts(ctx, 1)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return refused(errors.New("there has been no reshard yet"))
		}
		id = list[0].Reshard
	}
	sum, err := s.writeReceipt(ctx, o, shard.Plan{ID: id})
	if err != nil {
		return s.plain(err)
	}
	if o.json {
		return printJSON(o.out, sum)
	}
	sum.print(o.out)
	return nil
}

// receiptPath is where the receipt of a reshard is written.
func (s *ringSystem) receiptPath(o *reshardOptions, id string) string {
	if o.receipt != "" {
		return o.receipt
	}
	name := "reshard-" + id + ".json"
	if s.up == nil {
		return name
	}
	return filepath.Join(s.t.data, name)
}

// writeReceipt writes all receipts of a reshard, as its shards keep them, into one
// file.
func (s *ringSystem) writeReceipt(ctx context.Context, o *reshardOptions, plan shard.Plan) (*reshardSummary, error) {
	ring := s.state()
	sum := &reshardSummary{Kind: plan.Kind, Shard: plan.Shard, By: plan.By, Tables: map[string]int64{}, Shares: ring.Map.Counts(),
		Spread: ring.Map.Spread(), Version: ring.Version}
	sum.ReceiptSummary = s.reshards.Sum(ctx, plan.ID)
	path := s.receiptPath(o, plan.ID)
	out, err := os.Create(path + ".new")
	if err != nil {
		return nil, err
	}
	w := bufio.NewWriter(out)
	err = s.writeMoves(ctx, w, sum)
	if err == nil {
		sum.measure(plan)
		// The head comes last: it is what the moves add up to.
		var head []byte
		head, err = json.MarshalIndent(sum, "", " ")
		_, _ = fmt.Fprintf(w, "],\n\"summary\": %s\n}\n", head)
	}
	err = errors.Join(err, w.Flush(), out.Close())
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		_ = os.Remove(path + ".new")
		return nil, err
	}
	sum.File = path
	return sum, nil
}

func (s *ringSystem) writeMoves(ctx context.Context, w io.Writer, sum *reshardSummary) error {
	if _, err := io.WriteString(w, "{\"moves\": ["); err != nil {
		return err
	}
	if sum.Partitions == 0 {
		return nil
	}
	before := "\n"
	return s.reshards.EachReceipt(ctx, sum.Reshard, func(doc json.RawMessage) error {
		var r reshard.Receipt
		if err := json.Unmarshal(doc, &r); err != nil {
			return err
		}
		for _, t := range r.Tables {
			sum.Tables[t.Table] += t.Rows
			sum.Digests++
		}
		_, err := fmt.Fprintf(w, "%s%s", before, doc)
		before = ",\n"
		return err
	})
}

func (m *reshardSummary) measure(plan shard.Plan) {
	begun := time.UnixMilli(plan.BegunMS)
	if plan.BegunMS == 0 {
		begun = m.BegunAt.Time()
	}
	if m.Partitions > 0 {
		m.Seconds = m.EndedAt.Time().Sub(begun).Seconds()
	}
	if m.Seconds > 0 {
		m.RowsS = float64(m.Rows) / m.Seconds
	}
}

func (m *reshardSummary) print(w io.Writer) {
	fmt.Fprintf(w, "Done: %s\n", m.Reshard)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %-22s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("partitions moved", "%d", m.Partitions)
	line("channels, rows, MB", "%d, %d, %.1f", m.Channels, m.Rows, float64(m.Bytes)/1e6)
	line("copied again (changed)", "%d rows", m.Followed)
	line("time", "%.1f s, %.0f rows/s", m.Seconds, m.RowsS)
	line("digests", "%d compared, all equal", m.Digests)
	line("gaps", "%d", m.Gaps)
	line("pause p50, p99, max", "%.1f, %.1f, %.1f ms", float64(m.PauseP50)/1000, float64(m.PauseP99)/1000, float64(m.PauseMax)/1000)
	line("largest / average", "%.3f  (%s)", m.Spread, sharesText(m.Shares))
	line("receipt", "%s", m.File)
}

// summaryLine is a reshard in one line.
func summaryLine(m api.ReceiptSummary) string {
	return fmt.Sprintf("%s, ended %s: %d partitions, %d rows, %.1f MB, gaps %d, pause p50 %.1f, p99 %.1f, max %.1f ms", m.Reshard,
		m.EndedAt.Time().Local().Format("2006-01-02 15:04:05"), m.Partitions, m.Rows, float64(m.Bytes)/1e6, m.Gaps,
		float64(m.PauseP50)/1000, float64(m.PauseP99)/1000, float64(m.PauseMax)/1000)
}
