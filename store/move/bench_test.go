package move

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/shard"
)

// talk puts a channel with n messages, of about 300 bytes each, into part.
func (p *pair) talk(part shard.Partition, n int) {
	p.t.Helper()
	p.mustWrite(src, part, `INSERT INTO data.channels (partition, channel_id, kind, created_by, member_limit, last_seq, last_count) VALUES ($1, $1::int + 1, 1, 1, 10, $2, $2)`, int32(part), n)
	p.mustWrite(src, part, `INSERT INTO data.messages (partition, channel_id, seq, count, sender_id, client_msg_id, digest, body)
		SELECT $1, $1::int + 1, g, g, 1, gen_random_uuid(), g, repeat('말 ', 40 + g % 20) FROM generate_series(1, $2::int) g`, int32(part), n)
}

// writers write into part until stopped: messages, edits and read marks. It
// returns how many writes there were and the longest.
func (p *pair) writers(ctx context.Context, part shard.Partition, last int, every time.Duration) func() (int64, time.Duration) {
	var n atomic.Int64
	var longest time.Duration
	conn := connect(p.t, p.dsns[src])
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for seq := last + 1; ; seq++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			begun := time.Now()
			_, err := conn.Exec(ctx, fmt.Sprintf(`BEGIN; SELECT control.gate(ARRAY[%[1]d]);
				UPDATE data.channels SET last_seq = %[2]d WHERE partition = %[1]d AND channel_id = %[1]d + 1;
				INSERT INTO data.messages (partition, channel_id, seq, count, sender_id, client_msg_id, digest, body)
					VALUES (%[1]d, %[1]d + 1, %[2]d, 1, 1, gen_random_uuid(), 1, 'new');
				UPDATE data.messages SET body = 'edited', change = %[2]d WHERE partition = %[1]d AND channel_id = %[1]d + 1 AND seq = %[2]d / 2;
				COMMIT`, part, seq))
			if err != nil {
				return
			}
			longest = max(longest, time.Since(begun))
			n.Add(1)
		}
	})
	return func() (int64, time.Duration) {
		cancel()
		wg.Wait()
		return n.Load(), longest
	}
}

// stamped logs when each step was passed.
func stamped(t testing.TB) func(*Config) {
	last := time.Now()
	return func(c *Config) {
		c.At = func(step string) {
			now := time.Now()
			t.Logf("%-10s %8.1f ms", step, float64(now.Sub(last).Microseconds())/1000)
			last = now
		}
	}
}

func bigRows(otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv("GORI_BENCH_ROWS")); err == nil {
		return n
	}
	return otherwise
}

// One channel with many messages, written to 200 times a second.
func BenchmarkMoveHotChannel(b *testing.B) {
	for b.Loop() {
		n := bigRows(100_000)
		p := newPair(b, stamped(b))
		p.talk(1, n)
		stop := p.writers(b.Context(), 1, n, 5*time.Millisecond)
		begun := time.Now()
		w := p.begin(1)
		for _, step := range []func() error{func() error { return w.Fill(b.Context(), free{}) }} {
			if err := step(); err != nil {
				b.Fatal(err)
			}
		}
		filled := time.Since(begun)
		receipts, err := w.Cut(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		took := time.Since(begun)
		writes, longest := stop()
		b.ReportMetric(float64(receipts[0].Rows)/took.Seconds(), "rows/s")
		b.ReportMetric(filled.Seconds(), "fill-s")
		b.ReportMetric(float64(receipts[0].PauseUS)/1000, "pause-ms")
		b.ReportMetric(float64(writes), "writes")
		b.ReportMetric(float64(longest.Microseconds())/1000, "longest-ms")
		b.ReportMetric(float64(receipts[0].Followed), "followed")
		w.Close()
	}
}

// Many partitions with few rows each.
func BenchmarkMoveSmallPartitions(b *testing.B) {
	for b.Loop() {
		p := newPair(b, stamped(b))
		var ps []shard.Partition
		for i := range 204 {
			ps = append(ps, shard.Partition(i*5))
			p.talk(ps[i], 100)
		}
		begun := time.Now()
		worst, rows := int64(0), int64(0)
		for i := 0; i < len(ps); i += 32 {
			w := p.begin(ps[i:min(i+32, len(ps))]...)
			if err := w.Fill(b.Context(), free{}); err != nil {
				b.Fatal(err)
			}
			receipts, err := w.Cut(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			for _, r := range receipts {
				worst, rows = max(worst, r.PauseUS), rows+r.Rows
			}
			w.Close()
		}
		took := time.Since(begun)
		b.ReportMetric(took.Seconds()*1000/float64(len(ps)), "ms/partition")
		b.ReportMetric(float64(rows)/took.Seconds(), "rows/s")
		b.ReportMetric(float64(worst)/1000, "worst-pause-ms")
	}
}

// All partitions are written to by batches of several of them at a time.
func BenchmarkMoveUnderLoad(b *testing.B) {
	for b.Loop() {
		p := newPair(b)
		var ps []shard.Partition
		for i := range 204 {
			ps = append(ps, shard.Partition(i*5))
			p.talk(ps[i], 100)
		}
		var stops []func() []time.Duration
		for n := range 4 {
			stops = append(stops, p.batches(b.Context(), ps, n))
		}
		begun := time.Now()
		var pauses []int64
		for i := 0; i < len(ps); i += 32 {
			w := p.begin(ps[i:min(i+32, len(ps))]...)
			if err := w.Fill(b.Context(), free{}); err != nil {
				b.Fatal(err)
			}
			receipts, err := w.Cut(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			for _, r := range receipts {
				pauses = append(pauses, r.PauseUS)
			}
			w.Close()
		}
		b.ReportMetric(time.Since(begun).Seconds()*1000/float64(len(ps)), "ms/partition")
		var took []time.Duration
		for _, stop := range stops {
			took = append(took, stop()...)
		}
		slices.Sort(pauses)
		slices.Sort(took)
		b.ReportMetric(float64(pauses[len(pauses)/2])/1000, "pause-p50-ms")
		b.ReportMetric(float64(pauses[len(pauses)*99/100])/1000, "pause-p99-ms")
		b.ReportMetric(float64(len(took)), "writes")
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "write-p50-ms")
		b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "write-p99-ms")
	}
}

// batches writes to four partitions in each transaction; those that moved are
// left out from then on.
func (p *pair) batches(ctx context.Context, ps []shard.Partition, n int) func() []time.Duration {
	conn := connect(p.t, p.dsns[src])
	ctx, cancel := context.WithCancel(ctx)
	var took []time.Duration
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := n; ctx.Err() == nil; i += 7 {
			var four []int32
			for k := range 4 {
				four = append(four, int32(ps[(i+k*51)%len(ps)]))
			}
			slices.Sort(four)
			begun := time.Now()
			err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
				if _, err := tx.Exec(ctx, "SELECT control.gate($1)", four); err != nil {
					return err
				}
				_, err := tx.Exec(ctx, "UPDATE data.messages SET change = coalesce(change, 0) + 1 WHERE partition = ANY($1) AND seq = $2", four, i%100+1)
				return err
			})
			if err == nil {
				took = append(took, time.Since(begun))
			}
			_ = sleep(ctx, 2*time.Millisecond)
		}
	})
	return func() []time.Duration {
		cancel()
		wg.Wait()
		return took
	}
}
