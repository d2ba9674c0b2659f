package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gori/config"
	"gori/faults"
	"gori/shard"
)

// envLong has tests do everything of which they else take a random sample.
const envLong = "GORI_TEST_LONG"

// command is a command that runs.
type command struct {
	*exec.Cmd
	out, errOut bytes.Buffer
	done        chan struct{} // closed when it has ended
}

// begin starts a command of the program on a system, with more variables.
func (s *system) begin(env []string, args ...string) *command {
	s.t.Helper()
	c := &command{done: make(chan struct{})}
	ctx, cancel := context.WithTimeout(s.t.Context(), 5*patience)
	c.Cmd = exec.CommandContext(ctx, binary(s.t), append(args, "--data", s.dir)...)
	c.Env = append(os.Environ(), env...)
	c.Stdout, c.Stderr = &c.out, &c.errOut
	if err := c.Start(); err != nil {
		cancel()
		s.t.Fatal(err)
	}
	go func() {
		defer close(c.done)
		defer cancel()
		_ = c.Wait()
	}()
	s.t.Cleanup(func() {
		_ = c.Process.Kill()
		<-c.done
	})
	return c
}

// end waits for a command and wants an exit code.
func (c *command) end(t *testing.T, code int) string {
	t.Helper()
	<-c.done
	if got := c.ProcessState.ExitCode(); got != code {
		t.Fatalf("%v: exit %d, not %d\n%s%s", c.Args[1:], got, code, &c.out, &c.errOut)
	}
	return c.out.String()
}

// reshard runs a command of gori reshard to its end.
func (s *system) reshard(code int, args ...string) string {
	s.t.Helper()
	c := s.begin(nil, append([]string{"reshard"}, args...)...)
	out := c.end(s.t, code)
	return out + c.errOut.String()
}

// ring is what gori ring show says.
func (s *system) ring() *ringView {
	s.t.Helper()
	r, _, err := (&target{data: s.dir}).readRing(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// healed waits until no partition is kept from being written to.
func (s *system) healed() {
	s.t.Helper()
	eventually(s.t, "what a dead mover left fenced is healed", func() bool {
		r := s.ring()
		fenced := 0
		for p := range shard.Partition(shard.Partitions) {
			if i, n := r.active(p); n != 1 || r.owners[i][p].State != "active" {
				fenced++
			}
		}
		return fenced == 0
	})
}

// settled checks that the shards are those named, have equal shares, and nothing
// is under way.
func (s *system) settled(shards string) {
	s.t.Helper()
	if spread := s.settledAnyhow(shards).Map.Spread(); spread > 1.03 {
		s.t.Errorf("largest / average is %.3f", spread)
	}
}

// settledAnyhow is settled whatever the shares are.
func (s *system) settledAnyhow(shards string) *ringView {
	s.t.Helper()
	r := s.ring()
	var names []string
	for _, v := range r.Shards {
		names = append(names, string(v.ID))
		if v.Fenced+v.Incoming != 0 {
			s.t.Errorf("shard %s: %d fenced, %d incoming", v.ID, v.Fenced, v.Incoming)
		}
	}
	if err := r.problem(); err != nil || strings.Join(names, " ") != shards || r.Plan != nil {
		s.t.Errorf("ring of %v, plan %v: %v", names, r.Plan, err)
	}
	for p := range shard.Partition(shard.Partitions) {
		if i, _ := r.active(p); r.Shards[i].ID != r.Map.Owner(p) {
			s.t.Errorf("partition %s is on %s and the map says %s", p, r.Shards[i].ID, r.Map.Owner(p))
			break
		}
	}
	return r
}

func TestReshardWhilePeopleTalk(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s := startUp(t, dir, "--shards", "2")
	people := s.gather(6)

	out := s.reshard(exitOK, "add", "c", "--dry-run")
	if !strings.Contains(out, "Nothing has been changed") || !strings.Contains(out, "340") {
		t.Errorf("the plan: %s", out)
	}
	for what, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"a password":      {[]string{"add", "x=postgres://u:secret@h/db"}, exitUsage, "PGPASSFILE"},
		"nobody there":    {[]string{"add", "x=host=/nowhere dbname=x"}, exitRefused, "nothing was changed"},
		"another's data":  {[]string{"add", "x=" + s.state().Shards[0].DSN}, exitRefused, "holds data"},
		"the last but no": {[]string{"remove", "z"}, exitRefused, "no shard z"},
		"no reshard":      {[]string{"resume"}, exitRefused, "no reshard"},
		"nothing before":  {[]string{"reverse"}, exitRefused, "no map before"},
		"no bound":        {[]string{"set"}, exitUsage, "--mbps"},
		"a wrong bound":   {[]string{"set", "--slowdown", "0.5"}, exitUsage, "1 or more"},
	} {
		if out := s.reshard(c.code, c.args...); !strings.Contains(out, c.says) {
			t.Errorf("%s: %s", what, out)
		}
	}
	s.settled("a b")

	var sum reshardSummary
	if err := json.Unmarshal([]byte(s.reshard(exitOK, "add", "c", "--json")), &sum); err != nil {
		t.Fatal(err)
	}
	if sum.Partitions != shard.Partitions/3 || sum.Gaps != 0 || sum.Digests < sum.Partitions || sum.Spread > 1.03 || sum.Shares["c"] != shard.Partitions/3 {
		t.Errorf("the receipt: %+v", sum)
	}
	checkReceipt(t, sum)
	s.settled("a b c")
	whereIsShown(t, s, people.talks[0])
	s.reshard(exitOK, "verify")

	out = s.reshard(exitOK, "remove", "a")
	if !strings.Contains(out, "its folder is now") || !strings.Contains(out, "gaps                   0") {
		t.Errorf("removing: %s", out)
	}
	s.settled("b c")
	people.check(s.url)
	s.signal(syscall.SIGTERM)
	<-s.done
	s = startUp(t, dir)
	s.settled("b c")
	people.check(s.url)
	s.reshard(exitOK, "verify")
}

// checkReceipt reads the file of a receipt.
func checkReceipt(t *testing.T, sum reshardSummary) {
	t.Helper()
	text, err := os.ReadFile(sum.File)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Moves   []map[string]any `json:"moves"`
		Summary reshardSummary   `json:"summary"`
	}
	if err := json.Unmarshal(text, &file); err != nil || len(file.Moves) != sum.Partitions || file.Summary.Rows != sum.Rows {
		t.Errorf("%s: %v, %d moves", sum.File, err, len(file.Moves))
	}
}

// whereIsShown compares what gori where says with the shards' rows.
func whereIsShown(t *testing.T, s *system, k *talk) {
	t.Helper()
	code, out, e := gori(t, "where", k.channel, "--data", s.dir, "--json")
	var places []place
	if err := json.Unmarshal([]byte(out), &places); code != exitOK || err != nil || len(places) != 1 {
		t.Fatalf("where: exit %d, %v: %s%s", code, err, out, e)
	}
	if r := s.ring(); r.Map.Owner(places[0].Partition) != places[0].Shard {
		t.Errorf("%+v, and the map says %s", places[0], r.Map.Owner(places[0].Partition))
	}
}

func TestReshardKilledAtItsSteps(t *testing.T) {
	t.Parallel()
	s := startUp(t, dataDir(t), "--shards", "2")
	people := s.gather(4)
	// Those at the end pass only once the rest is done.
	steps := append([]string(nil), faults.Steps...)
	if os.Getenv(envLong) == "" {
		rand.Shuffle(len(steps), func(i, j int) { steps[i], steps[j] = steps[j], steps[i] })
		steps = steps[:2]
	}
	change, shards := []string{"add", "c"}, "a b c"
	for _, step := range steps {
		args := append([]string{"reshard"}, append(change, "--now")...)
		killed := s.begin([]string{config.EnvFaults + "=1", config.EnvCrash + "=" + step}, args...)
		<-killed.done
		died := time.Now()
		if st := killed.ProcessState.Sys().(syscall.WaitStatus); !st.Signaled() || st.Signal() != syscall.SIGKILL {
			t.Fatalf("%v was not killed at %s: %v\n%s%s", change, step, st, &killed.out, &killed.errOut)
		}
		s.healed()
		t.Logf("%s killed at %s: healed after %v", change[0], step, time.Since(died).Round(10*time.Millisecond))
		s.reshard(exitOK, append(change, "--now")...)
		s.settled(shards)
		if change[0] == "add" {
			change, shards = []string{"remove", "c"}, "a b"
		} else {
			change, shards = []string{"add", "c"}, "a b c"
		}
	}
	s.reshard(exitOK, "verify")
	people.check(s.url)
}

func TestReshardStoppedAndWokenLater(t *testing.T) {
	t.Parallel()
	s := startUp(t, dataDir(t), "--shards", "2")
	people := s.gather(4)
	sleeper := s.begin([]string{config.EnvFaults + "=1", config.EnvStop + "=fenced:2"}, "reshard", "add", "c")
	sleeper.sleeps(t)
	s.healed()
	if out := s.reshard(exitRefused, "remove", "a"); !strings.Contains(out, "under way (add c, begun by "+whoAmI()) {
		t.Errorf("the second admin: %s", out)
	}
	if out := s.reshard(exitOK, "status"); !strings.Contains(out, "add c") {
		t.Errorf("the status: %s", out)
	}
	second := s.begin(nil, "reshard", "resume")
	second.end(t, exitOK)
	sleeper.isDethroned(t)
	s.settled("a b c")

	// Whoever comes takes it over, may pause it and end it, dead or alive.
	first := s.begin([]string{config.EnvFaults + "=1", config.EnvStop + "=copying:3"}, "reshard", "remove", "a")
	first.sleeps(t)
	sleeper = s.begin([]string{config.EnvFaults + "=1", config.EnvStop + "=verified"}, "reshard", "resume")
	sleeper.sleeps(t)
	first.isDethroned(t)
	s.reshard(exitOK, "pause")
	if out := s.reshard(exitOK, "status"); !strings.Contains(out, "PAUSED") {
		t.Errorf("the status: %s", out)
	}
	_ = sleeper.Process.Kill()
	<-sleeper.done
	if out := s.reshard(exitOK, "abort"); !strings.Contains(out, "Every partition has one owner") {
		t.Errorf("aborting: %s", out)
	}
	s.settledAnyhow("a b c")
	s.reshard(exitOK, "verify")
	people.check(s.url)
}

// isDethroned wakes a mover that somebody has taken the reshard from: it says so
// once, and ends as one that has not come to the end.
func (c *command) isDethroned(t *testing.T) {
	t.Helper()
	if err := c.Process.Signal(syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	c.end(t, exitUnfinished)
	if said := c.errOut.String(); strings.Count(said, "taken this reshard over") != 1 {
		t.Errorf("it says: %s", said)
	}
}

// sleeps waits until a mover has stopped itself.
func (c *command) sleeps(t *testing.T) {
	t.Helper()
	eventually(t, "the mover stops itself", func() bool {
		text, _ := os.ReadFile(filepath.Join("/proc", fmt.Sprint(c.Process.Pid), "stat"))
		_, after, _ := strings.Cut(string(text), ") ")
		return strings.HasPrefix(after, "T")
	})
}

func TestReshardByTheNodes(t *testing.T) {
	t.Parallel()
	s := startUp(t, dataDir(t), "--shards", "2")
	people := s.gather(4)
	// Two admins at once: exactly one wins.
	both := []*command{s.begin(nil, "reshard", "add", "c", "--detach"), s.begin(nil, "reshard", "add", "d", "--detach")}
	winners := 0
	for _, c := range both {
		<-c.done
		switch c.ProcessState.ExitCode() {
		case exitOK:
			winners++
		case exitRefused:
			if !strings.Contains(c.errOut.String(), "begun by "+whoAmI()) {
				t.Errorf("the one who came second: %s", &c.errOut)
			}
		default:
			t.Errorf("%v: %s%s", c.ProcessState, &c.out, &c.errOut)
		}
	}
	if winners != 1 {
		t.Fatalf("%d plans won", winners)
	}
	if err := syscall.Kill(s.state().Nodes[0].PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	s.reshard(exitOK, "status", "--watch")
	added := "c"
	if _, is := s.ringSeat("d"); is {
		added = "d"
	}
	s.settled("a b " + added)
	s.reshard(exitOK, "receipt")
	s.reshard(exitOK, "verify")
	// What the nodes have emptied gori up takes out by itself.
	s.reshard(exitOK, "remove", "a", "--detach")
	s.reshard(exitOK, "status", "--watch")
	s.settled("b " + added)
	eventually(t, "the instance is taken out", func() bool {
		aside, _ := filepath.Glob(filepath.Join(s.dir, "shards", "a.removed-*"))
		return len(aside) == 1
	})
	if out := s.reshard(exitOK, "remove", "a"); !strings.Contains(out, "nothing is left to do") {
		t.Errorf("removing it again: %s", out)
	}
	people.check(s.url)
}

func (s *system) ringSeat(id shard.ID) (shardView, bool) {
	for _, v := range s.ring().Shards {
		if v.ID == id {
			return v, true
		}
	}
	return shardView{}, false
}
