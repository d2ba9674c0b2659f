package reshard

import (
	"bytes"
	"cmp"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"gori/shard"
)

var updateScenarios = flag.Bool("update", false, "rewrite the scenario files")

// A scenario file holds orders, each on a line after "> ", and below each what
// came of it; # begins a comment. `go test -update` writes it anew.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { playScenario(t, file) })
		})
	}
}

func playScenario(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &scenario{t: t}
	var out bytes.Buffer
	for line := range strings.Lines(string(text)) {
		order, is := strings.CutPrefix(strings.TrimRight(line, "\n"), "> ")
		switch {
		case strings.HasPrefix(line, "#"):
			out.WriteString(line)
		case is:
			fmt.Fprintf(&out, "> %s\n", order)
			s.out = &out
			s.do(strings.Fields(order))
			s.endTrace()
			for _, p := range s.m.problems {
				t.Errorf("after %q: %s", order, p)
			}
		}
	}
	if *updateScenarios {
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if out.String() != string(text) {
		t.Errorf("%s says otherwise; with -update it would be:\n%s", file, out.String())
	}
}

type scenario struct {
	t      *testing.T
	out    *bytes.Buffer
	m      *model
	ledger *memLedger
	plans  int
	rules  []rule
	passed map[string]int
	group  string // whose steps are on the line
}

// rule lets something happen at the n-th passing of a step.
type rule struct {
	step string
	n    int
	do   func(p *process, g Group) error
}

func (s *scenario) say(format string, args ...any) { fmt.Fprintf(s.out, "  "+format+"\n", args...) }

func (s *scenario) endTrace() {
	if s.group != "" {
		fmt.Fprintln(s.out)
		s.group = ""
	}
}

// step writes a mover's step down and lets happen what is due.
func (s *scenario) step(p *process, name string, g Group) error {
	if group := fmt.Sprintf("%s→%s %d", g.From, g.To, len(g.Partitions)); group != s.group || name == "claimed" {
		s.endTrace()
		s.group = group
		fmt.Fprintf(s.out, "  %s:", group)
	}
	fmt.Fprintf(s.out, " %s", name)
	s.passed[name]++
	for _, r := range s.rules {
		if r.step == name && r.n == s.passed[name] {
			if err := r.do(p, g); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *scenario) do(order []string) {
	arg := func(i int) string {
		if i < len(order) {
			return order[i]
		}
		return ""
	}
	id := shard.ID(arg(1))
	switch order[0] {
	case "shards":
		s.begin(order[1:])
	case "write":
		s.say("%d writes acknowledged", s.write(arg(1)))
	case "add":
		s.m.join(id)
		s.change(func(r *shard.Ring) (*shard.Ring, error) { return r.Add(id, "@"+string(id), s.plan()) })
	case "remove":
		s.change(func(r *shard.Ring) (*shard.Ring, error) { return r.Remove(id, s.plan()) })
	case "reverse":
		s.change(func(r *shard.Ring) (*shard.Ring, error) { return r.Reverse(s.plan()) })
	case "pause", "resume":
		on := order[0] == "pause"
		s.change(func(r *shard.Ring) (*shard.Ring, error) { return r.Adjust(shard.PlanChange{Paused: &on}) })
	case "down", "up":
		s.m.down[id] = order[0] == "down"
	case "lose":
		p, _ := strconv.Atoi(arg(2))
		delete(s.m.rows[id], shard.Partition(p))
	case "at":
		s.rule(order[1:])
	case "run":
		s.run(func(ctx context.Context, r *Runner) error { return r.Run(ctx) })
	case "abort":
		s.run(func(ctx context.Context, r *Runner) error {
			_, err := r.Abort(ctx, func(err error) {
				s.endTrace()
				s.say("waits: %v", err)
			})
			return err
		})
	case "show":
		s.show()
	default:
		s.t.Fatalf("no such order: %v", order)
	}
}

func (s *scenario) begin(names []string) {
	var ids []shard.ID
	for _, name := range names {
		ids = append(ids, shard.ID(name))
	}
	ring := firstRing(s.t, ids...)
	s.m, s.ledger = newModel(ring.Map), &memLedger{now: ring}
	s.m.step = s.step
}

func (s *scenario) plan() shard.Plan {
	s.plans++
	return shard.Plan{ID: fmt.Sprintf("r%d", s.plans), Slowdown: 2}
}

func (s *scenario) change(change func(*shard.Ring) (*shard.Ring, error)) {
	ring, err := Update(s.t.Context(), s.ledger, change)
	if err != nil {
		s.say("refused: %v", err)
		return
	}
	s.say("version %d", ring.Version)
}

func (s *scenario) write(key string) int {
	n := 0
	for p := range shard.Partition(shard.Partitions) {
		if s.m.write(p, key, int(p)) {
			n++
		}
	}
	return n
}

// rule is: STEP[:N] kill | budget | digest | behind | down ID | write KEY | pause.
func (s *scenario) rule(words []string) {
	step, nth, _ := strings.Cut(words[0], ":")
	r := rule{step: step, n: 1}
	if nth != "" {
		r.n, _ = strconv.Atoi(nth)
	}
	switch what := words[1]; what {
	case "kill":
		r.do = func(p *process, _ Group) error {
			p.die()
			return errDead
		}
	case "budget":
		r.do = func(*process, Group) error {
			return &BudgetError{Budget: 150 * time.Millisecond, Fenced: 170 * time.Millisecond}
		}
	case "digest":
		r.do = func(_ *process, g Group) error {
			return &DigestError{Partition: g.Partitions[0], Table: "messages", Bucket: "channel 7, seq 0 to 1023", Source: "3 rows", Target: "2 rows"}
		}
	case "behind":
		r.do = func(*process, Group) error { return &BehindError{Dirty: 5000} }
	case "down":
		r.do = func(*process, Group) error {
			s.m.down[shard.ID(words[2])] = true
			return nil
		}
	case "write":
		r.do = func(*process, Group) error {
			s.write(words[2])
			return nil
		}
	case "pause":
		r.do = func(*process, Group) error {
			on := true
			_, err := Update(s.t.Context(), s.ledger, func(r *shard.Ring) (*shard.Ring, error) { return r.Adjust(shard.PlanChange{Paused: &on}) })
			time.Sleep(2 * time.Second) // it is seen meanwhile
			return err
		}
	default:
		s.t.Fatalf("no such fault: %v", words)
	}
	s.rules = append(s.rules, r)
}

// run starts a process for at most ten minutes, of time that does not really pass.
func (s *scenario) run(do func(context.Context, *Runner) error) {
	s.passed = map[string]int{}
	ctx, cancel := context.WithTimeoutCause(s.t.Context(), 10*time.Minute, fmt.Errorf("still not done after ten minutes"))
	defer cancel()
	p := s.m.start(ctx)
	began := time.Now()
	r := NewRunner(Config{Register: s.ledger, Backend: p, Parallel: 1, Bounds: Bounds{Partitions: 200, Rows: 1000}})
	err := do(p.ctx, r)
	s.endTrace()
	took := time.Since(began).Round(time.Second)
	p.die()
	switch {
	case err != nil && p.ctx.Err() != nil && ctx.Err() == nil && context.Cause(p.ctx) == err:
		s.say("killed")
	case err != nil:
		s.say("ended: %v", err)
	case took > time.Minute:
		s.say("done, late")
	default:
		s.say("done")
	}
	s.rules = nil
}

func (s *scenario) show() {
	r := s.ledger.now
	plan := "no plan"
	if r.Plan != nil {
		plan = fmt.Sprintf("plan %s %s %s", r.Plan.ID, r.Plan.Kind, r.Plan.Shard)
		if r.Plan.Paused {
			plan += ", paused"
		}
	}
	var seats []string
	for _, seat := range r.Seats {
		name := string(seat.ID)
		if seat.Leaving {
			name += " (leaving)"
		}
		seats = append(seats, name)
	}
	s.say("version %d: seats %s; acceptors %s; %s", r.Version, strings.Join(seats, " "), strings.Join(r.Acceptors, " "), plan)
	for _, id := range slices.Sorted(maps.Keys(s.m.rows)) {
		n := map[string]int{}
		for p, row := range s.m.rows[id] {
			n[string(row.State)]++
			if row.capture {
				n["noting"]++
			}
			if row.State == Gone && len(s.m.data[id][p]) > 0 {
				n["with rows left"]++
			}
		}
		var parts []string
		for _, what := range slices.Sorted(maps.Keys(n)) {
			parts = append(parts, fmt.Sprintf("%d %s", n[what], what))
		}
		s.say("%s: %s", id, cmp.Or(strings.Join(parts, ", "), "nothing"))
	}
	s.say("%s", s.m.compare())
}

// compare says whether every acknowledged write is where it is served.
func (m *model) compare() string {
	wrong, unserved := 0, 0
	for p, want := range m.want {
		served := false
		for id, rows := range m.rows {
			if r := rows[p]; r != nil && (r.State == Active || r.State == Fencing) {
				served = true
				if !maps.Equal(m.data[id][p], want) && r.State == Active {
					wrong++
				}
			}
		}
		if !served {
			unserved++
		}
	}
	return fmt.Sprintf("%d partitions written to, %d not as acknowledged, %d unserved", len(m.want), wrong, unserved)
}
