package bench

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gori/client"
	"gori/client/clienttest"
)

func options(t *testing.T, url string) Options {
	return Options{URL: url, For: time.Second, Warmup: 100 * time.Millisecond, Pairs: 3, Members: 5, Conns: 8,
		UsersFile: filepath.Join(t.TempDir(), "users.json"), Processes: func() Processes { return Processes{} }}
}

func TestPairsAndGroup(t *testing.T) {
	s := clienttest.New(t)
	o := options(t, s.URL)
	for _, work := range []string{"pairs", "group"} {
		r, err := Run(t.Context(), work, o)
		if err != nil {
			t.Fatal(work, err)
		}
		if !r.Clean() || r.AckedPerS == 0 || r.DeliveredPerS == 0 || r.HistoryChecked == 0 || r.AckMS.P50 == 0 || r.DeliverMS.P999 == 0 {
			t.Fatalf("%s: %+v", work, r)
		}
	}
	if s.Logins != 6 {
		t.Fatalf("%d sign-ups for two runs of up to 6 people: they are not kept", s.Logins)
	}
}

// TestGoesOnThroughFaults: lost frames and cut connections cost nothing.
func TestGoesOnThroughFaults(t *testing.T) {
	s := clienttest.New(t)
	o := options(t, s.URL)
	var n atomic.Int64
	s.Lose = func(_ client.UserID, op string) bool { return op == "msg" && n.Add(1)%10 == 0 }
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-stop:
				return
			case <-tick.C:
				s.CutAll()
			}
		}
	}()
	r, err := Run(t.Context(), "pairs", o)
	close(stop)
	<-done
	if err != nil {
		t.Fatal(err)
	}
	if !r.Clean() || r.Reconnected == 0 || r.Fetched == 0 {
		t.Fatalf("%+v", r)
	}
}

// TestSeesWhatIsLost: a server that acknowledges without storing is found out.
func TestSeesWhatIsLost(t *testing.T) {
	s := clienttest.New(t)
	var n atomic.Int64
	s.Swallow = func(client.Outgoing) bool { return n.Add(1) == 4 } // all six send at once
	o := options(t, s.URL)
	o.StallPatience = 2 * time.Second
	r, err := Run(t.Context(), "pairs", o)
	if err != nil {
		t.Fatal(err)
	}
	if r.Lost != 1 || r.Clean() {
		t.Fatalf("%+v", r)
	}
}

func TestIdleAndConnect(t *testing.T) {
	s := clienttest.New(t)
	o := options(t, s.URL)
	r, err := Run(t.Context(), "idle", o)
	if err != nil || r.Conns != 8 {
		t.Fatal(r, err)
	}
	r, err = Run(t.Context(), "connect", o)
	if err != nil || r.ConnsPerS == 0 || r.AckMS.P50 == 0 {
		t.Fatal(r, err)
	}
}

func TestPacedRate(t *testing.T) {
	s := clienttest.New(t)
	o := options(t, s.URL)
	o.Rate = 100
	var sent atomic.Int64
	s.Swallow = func(client.Outgoing) bool { sent.Add(1); return false }
	begun := time.Now()
	r, err := Run(t.Context(), "pairs", o)
	if err != nil {
		t.Fatal(err)
	}
	// What a busy host was too late for it makes up for; it never sends more.
	if most := 1 + int64(100*time.Since(begun).Seconds()); r.AckedPerS == 0 || sent.Load() > most || !r.Clean() {
		t.Fatalf("asked for 100/s, %d were sent and %d are the most: %+v", sent.Load(), most, r)
	}
}

// TestFields: programs rely on the names.
func TestFields(t *testing.T) {
	var b bytes.Buffer
	if err := (Result{Work: "pairs", Pairs: 1}).WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b.Bytes(), &m); err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(`work pairs seconds acked_per_s delivered_per_s ack_ms deliver_ms cpu_ms_per_msg
		us_per_delivery bytes_per_conn conns_per_s lost doubled reordered cores`) {
		if _, ok := m[name]; !ok {
			t.Errorf("%s is missing in %s", name, b.String())
		}
	}
	ack := m["ack_ms"].(map[string]any)
	var names []string
	for k := range ack {
		names = append(names, k)
	}
	slices.Sort(names)
	if !slices.Equal(names, []string{"p50", "p99", "p999"}) {
		t.Errorf("ack_ms has %v", names)
	}
}

func TestBounds(t *testing.T) {
	for _, o := range []Options{{URL: "http://localhost", Pairs: MaxPairs + 1}, {URL: "http://localhost", Members: 1}, {URL: "nonsense"},
		{URL: "http://localhost", Rate: 1e9}, {URL: "http://localhost", Window: 61}} {
		if _, err := o.withDefaults(); err == nil {
			t.Errorf("%+v is accepted", o)
		}
	}
}
