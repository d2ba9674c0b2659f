package store

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gori/chat"
	"gori/store/local"
	"gori/store/storetest"
)

// The benchmarks run on durable instances (fsync on) and tell, besides the
// rate, the CPU of PostgreSQL and of this process for each message, fan-out to
// the inboxes included:
//
//	go test ./store -run '^$' -bench Pairs -benchtime 20000x

// durableRing starts n durable instances.
func durableRing(t testing.TB, n int) ([]*local.Instance, []string) {
	t.Helper()
	var ins []*local.Instance
	var dsns []string
	for range n {
		in := storetest.StartInstance(t)
		ins = append(ins, in)
		dsns = append(dsns, in.DSN("gori"))
	}
	return ins, dsns
}

// cpuOf sums the CPU time of servers and their backends.
func cpuOf(ins []*local.Instance) time.Duration {
	var ticks int64
	for _, pid := range serverPIDs(ins) {
		f := statFields(pid)
		if len(f) < 15 {
			continue
		}
		u, _ := strconv.ParseInt(f[11], 10, 64)
		s, _ := strconv.ParseInt(f[12], 10, 64)
		ticks += u + s
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// serverPIDs lists the processes of servers.
func serverPIDs(ins []*local.Instance) []int {
	parents := map[string]bool{}
	for _, in := range ins {
		parents[strconv.Itoa(in.PID())] = true
	}
	var pids []int
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if f := statFields(pid); err == nil && len(f) > 1 && (parents[f[1]] || parents[filepath.Base(dir)]) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// statFields are the fields of /proc/PID/stat from the state on.
func statFields(pid int) []string {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil
	}
	_, after, _ := strings.Cut(string(text), ") ")
	return strings.Fields(after)
}

func ownCPU() time.Duration {
	var ru syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &ru)
	return time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
}

const body300 = "가나다라마바사아자차카타파하 고리는 사슬의 고리처럼 사람과 사람을 잇는다. 메시지는 한 번만, 순서대로, 영원히. " +
	"가나다라마바사아자차카타파하 고리는 사슬의 고리처럼 사람과 사람을 잇는다."

func benchPairs(b *testing.B, shards, pairs, drafts int) {
	ins, dsns := durableRing(b, shards)
	var notices atomic.Int64
	s := openOn(b, dsns, func(c *Config) {
		c.OnInbox = func(n []chat.InboxNotice) { notices.Add(int64(len(n))) }
		if w, err := strconv.Atoi(os.Getenv("GORI_BENCH_WRITERS")); err == nil {
			c.Writers = w
		}
	})
	h := &harness{b, s}
	type pair struct {
		ch chat.ChannelID
		u  [2]chat.UserID
	}
	ps := make([]pair, pairs)
	var setup sync.WaitGroup
	for i := range ps {
		setup.Go(func() {
			p := pair{u: [2]chat.UserID{h.user(), h.user()}}
			p.ch = h.channel(p.u[0], p.u[1])
			h.send(p.ch, p.u[0], 1, "first")
			h.send(p.ch, p.u[1], 2, "second")
			ps[i] = p
		})
	}
	setup.Wait()
	h.settledAll()
	for _, sh := range s.shards() {
		if _, err := sh.pool().Exec(context.Background(), "VACUUM ANALYZE"); err != nil {
			b.Fatal(err)
		}
	}
	var sent atomic.Int64
	var wg sync.WaitGroup
	pg, own, began := cpuOf(ins), ownCPU(), time.Now()
	b.ResetTimer()
	for i, p := range ps {
		wg.Go(func() {
			for n := 3; sent.Add(int64(drafts)) <= int64(b.N)+int64(drafts)-1; n += drafts {
				ds := make([]chat.Draft, drafts)
				for k := range ds {
					ds[k] = chat.Draft{Channel: p.ch, Sender: p.u[n&1], ClientMsgID: cid(n + k), Body: body300}
				}
				if _, err := s.Append(context.Background(), ds...); err != nil {
					b.Errorf("pair %d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	took := time.Since(began)
	b.StopTimer()
	h.settledAll()
	per := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(b.N) }
	b.ReportMetric(float64(b.N)/took.Seconds(), "msg/s")
	b.ReportMetric(per(cpuOf(ins)-pg), "pg-µs/msg")
	b.ReportMetric(per(ownCPU()-own), "go-µs/msg")
	b.ReportMetric(float64(notices.Load())/float64(b.N), "notices/msg")
	st := s.Stats()
	b.ReportMetric(float64(st.Drafts)/float64(st.Batches), "drafts/batch")
	b.ReportMetric(float64(st.Entries)/float64(st.HomeBatches), "entries/batch")
	var hot, upd int64
	for _, sh := range s.shards() {
		var x, y int64
		_ = sh.pool().QueryRow(context.Background(), `SELECT sum(n_tup_hot_upd), sum(n_tup_upd) FROM pg_stat_user_tables WHERE schemaname = 'data'`).Scan(&x, &y)
		hot, upd = hot+x, upd+y
	}
	b.ReportMetric(float64(hot)/float64(max(upd, 1)), "hot")
}

func BenchmarkPairs(b *testing.B) {
	for _, c := range []struct{ shards, pairs, drafts int }{{4, 200, 1}, {1, 1, 1}, {1, 10, 1}, {1, 100, 1}, {1, 1, 100}} {
		b.Run(fmt.Sprintf("shards=%d/pairs=%d/drafts=%d", c.shards, c.pairs, c.drafts), func(b *testing.B) {
			benchPairs(b, c.shards, c.pairs, c.drafts)
		})
	}
}
