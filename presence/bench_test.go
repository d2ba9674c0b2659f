package presence

import (
	"fmt"
	"runtime"
	"syscall"
	"testing"
	"time"

	"gori/chat"
)

// wire carries payloads between Trackers at once, through a goroutine a node.
type wire struct {
	name  string
	nodes map[string]*Tracker
	in    map[string]chan func()
	bytes int
}

func (w *wire) ToAll(b []byte) {
	for name := range w.nodes {
		if name != w.name {
			w.ToNode(name, b)
		}
	}
}

func (w *wire) ToNode(name string, b []byte) {
	w.bytes += len(b)
	w.in[name] <- func() { w.nodes[name].Heard(w.name, b) }
}

// heap is what is in use after a collection.
func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkBytesPerUser measures what a user on another node costs here. Run
// these with -benchtime 1x.
func BenchmarkBytesPerUser(b *testing.B) {
	const users = 100_000
	for b.Loop() {
		before := heap()
		tr := New(&fakeBeats{}, &ear{}, Options{})
		tr.SetPeers(&deafPeers{}, "n1")
		tr.NodeJoined("n2")
		w := makeWord(sayActive, seenByAll, 1, false)
		seq := uint64(0)
		for i := 0; i < users; {
			seq++
			p := head{kindDelta, 9, seq, 0}.append(nil)
			for range 2000 {
				i++
				p = entry{chat.UserID(mix(uint64(i)) >> 1), record{uint32(i), w}}.append(p)
			}
			tr.Heard("n2", p)
		}
		tr.mu.Lock()
		clear(tr.dirty)
		tr.dirty = nil
		tr.mu.Unlock()
		b.ReportMetric(float64(heap()-before)/users, "B/user")
		runtime.KeepAlive(tr)
	}
}

// BenchmarkBytesPerFriendship measures the index beside the lists themselves.
func BenchmarkBytesPerFriendship(b *testing.B) {
	const people, each = 10_000, 50
	for b.Loop() {
		lists := make([][]chat.UserID, people)
		for i := range lists {
			for j := range each {
				lists[i] = append(lists[i], chat.UserID(mix(uint64(i*each+j))%1_000_000+1))
			}
		}
		all := make([]person, people)
		before := heap()
		var k kin
		for i := range all {
			k.set(&all[i], lists[i])
		}
		b.ReportMetric(float64(heap()-before)/people/each, "B/friendship")
		runtime.KeepAlive(all)
		runtime.KeepAlive(lists)
		runtime.KeepAlive(&k)
	}
}

// cpu is the CPU time of this process.
func cpu() time.Duration {
	var r syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// BenchmarkBurst connects 5,000 users with 20 friends each to three nodes, and
// measures the CPU until all nodes know and all friends are told. Then nothing
// happens.
func BenchmarkBurst(b *testing.B) {
	for b.Loop() {
		w := map[string]*wire{}
		nodes, in := map[string]*Tracker{}, map[string]chan func(){}
		for i := range 3 {
			name := fmt.Sprint("n", i)
			nodes[name] = New(&fakeBeats{at: map[chat.UserID]chat.Millis{}}, &countTeller{}, Options{})
			in[name] = make(chan func(), 1<<16)
			w[name] = &wire{name: name, nodes: nodes, in: in}
			nodes[name].SetPeers(w[name], name)
			go func() {
				for f := range in[name] {
					f()
				}
			}()
			go nodes[name].Run(b.Context())
		}
		for a := range nodes {
			for o := range nodes {
				if a != o {
					nodes[a].NodeJoined(o)
				}
			}
		}
		time.Sleep(100 * time.Millisecond)
		burst(b, nodes, w)
	}
}

func burst(b *testing.B, nodes map[string]*Tracker, w map[string]*wire) {
	const users, friends = 5000, 20
	began := cpu()
	for u := chat.UserID(1); u <= users; u++ {
		tr := nodes[fmt.Sprint("n", u%3)]
		list := make([]chat.UserID, friends)
		for i := range list {
			list[i] = (u+chat.UserID(i*37))%users + 1
		}
		tr.Arrived(u, chat.LoginID(u), chat.SessionID(u))
		tr.SeenBy(u, chat.PresenceToEveryone)
		tr.Befriended(u, list, nil)
	}
	time.Sleep(time.Second)
	b.ReportMetric(float64((cpu()-began).Microseconds())/users, "µs/connect")
	bytes := 0
	for name, tr := range nodes {
		bytes += w[name].bytes
		if s := tr.Stats(); s.Users+s.Elsewhere != users || s.Behind != 0 {
			b.Fatalf("%s: %+v", name, s)
		}
	}
	b.ReportMetric(float64(bytes)/users, "B/connect")
	began = cpu()
	const idle = 3 * time.Second
	time.Sleep(idle)
	b.ReportMetric(float64(cpu()-began)/float64(idle)*100, "%idle")
}

// countTeller counts what it is told.
type countTeller struct{ states int }

func (c *countTeller) TellPresence(_ []chat.UserID, _ []chat.SessionID, s []chat.PresenceState) {
	c.states += len(s)
}

// BenchmarkNodesOf is what a message costs: where its receivers are, of 100,000.
func BenchmarkNodesOf(b *testing.B) {
	tr := New(&fakeBeats{}, &ear{}, Options{})
	tr.SetPeers(&deafPeers{}, "n1")
	w := makeWord(sayActive, seenByAll, 1, false)
	for _, node := range []string{"n2", "n3"} {
		tr.NodeJoined(node)
		for i := range chat.UserID(50_000) {
			e := entry{2*i + 1 + chat.UserID(node[1]-'2'), record{1, w}}
			tr.Heard(node, e.append(head{kindDelta, 9, uint64(i + 1), 0}.append(nil)))
		}
	}
	for _, n := range []int{2, 100} {
		b.Run(fmt.Sprint("members=", n), func(b *testing.B) {
			users := make([]chat.UserID, n)
			for i := range users {
				users[i] = chat.UserID(mix(uint64(i))%200_000 + 1) // half of them are nowhere
			}
			b.ReportAllocs()
			for b.Loop() {
				tr.NodesOf(users, func(string, []chat.UserID) {})
			}
		})
	}
}
