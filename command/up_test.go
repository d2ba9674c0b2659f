package command

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"

	"gori/host"
)

// dataDir is a data folder with a mode of 0700, below which the user of
// PostgreSQL could not go by itself when this runs as root.
func dataDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gori-up-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// talk is a group that two people share, and what has been acknowledged in it.
type talk struct {
	t       *testing.T
	who     *person
	channel string
	acked   []string
}

func newTalk(t *testing.T, url, name string) *talk {
	t.Helper()
	k := &talk{t: t, who: signUp(t, url, name)}
	k.channel = k.who.group("talk of " + name)
	return k
}

// group makes a group of which the person is the only member.
func (p *person) group(name string) (channel string) {
	p.t.Helper()
	var ch struct {
		ID string `json:"id"`
	}
	if _, err := p.call("POST", "/channels", map[string]any{"key": uuid.NewString(), "name": name, "members": []string{}}, &ch); err != nil {
		p.t.Fatal(err)
	}
	return ch.ID
}

// say sends a message, again and again with the same id until it is
// acknowledged, as every client does.
func (k *talk) say(body string) {
	k.t.Helper()
	id, err := uuid.NewV7()
	if err != nil {
		k.t.Fatal(err)
	}
	var last error
	defer func() {
		if k.t.Failed() {
			k.t.Logf("the last answer to %q: %v", body, last)
		}
	}()
	eventually(k.t, "the send is acknowledged", func() bool {
		var status int
		status, last = k.who.callWith("POST", "/channels/"+k.channel+"/messages", map[string]string{"Idempotency-Key": id.String()}, map[string]any{"body": body}, nil)
		if last != nil && status != 0 && status != 503 && status != 429 {
			k.t.Errorf("a refusal that is not to be retried: %v", last)
			return true
		}
		return last == nil
	})
	k.acked = append(k.acked, body)
}

// check reads everything back: what was acknowledged is there once, in order.
func (k *talk) check() {
	k.t.Helper()
	var page struct {
		Messages []struct {
			Seq  int64  `json:"seq"`
			Body string `json:"body"`
		} `json:"messages"`
	}
	eventually(k.t, "the history can be read", func() bool {
		_, err := k.who.call("GET", "/channels/"+k.channel+"/messages?after=0&limit=200", nil, &page)
		return err == nil
	})
	var got []string
	for i, m := range page.Messages {
		if m.Seq != int64(i+1) {
			k.t.Errorf("message %d has seq %d", i+1, m.Seq)
		}
		if m.Body != "" {
			got = append(got, m.Body)
		}
	}
	if strings.Join(got, "|") != strings.Join(k.acked, "|") {
		k.t.Errorf("acknowledged %q, found %q", k.acked, got)
	}
}

func TestUpKeepsEverythingRunning(t *testing.T) {
	t.Parallel()
	s := startUp(t, dataDir(t), "--shards", "2")
	var talks []*talk
	for i := range 6 {
		talks = append(talks, newTalk(t, s.url, fmt.Sprintf("person%d", i)))
	}
	all := func(what string) {
		for i, k := range talks {
			k.say(fmt.Sprintf("%s %d", what, i))
		}
	}
	all("before")

	t.Run("a killed PostgreSQL comes back", func(t *testing.T) {
		before := s.state().Shards[0].PID
		if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		all("after the shard")
		eventually(t, "another server is noted", func() bool {
			pid := s.state().Shards[0].PID
			return pid != 0 && pid != before
		})
	})
	t.Run("a killed node comes back", func(t *testing.T) {
		before := s.state().Nodes[0].PID
		if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		all("after the node")
		eventually(t, "another node is noted", func() bool {
			pid := s.state().Nodes[0].PID
			return pid != 0 && pid != before
		})
	})
	t.Run("administration", func(t *testing.T) { lookAround(t, s, talks[0]) })
	t.Run("a second one is refused", func(t *testing.T) {
		if code, _, e := gori(t, "up", "--data", s.dir, "--port", "0"); code != exitFailure || !strings.Contains(e, "in use") {
			t.Errorf("exit %d: %s", code, e)
		}
		port := s.url[strings.LastIndex(s.url, ":")+1:]
		if code, _, e := gori(t, "up", "--data", dataDir(t), "--port", port); code != exitFailure || !strings.Contains(e, "port taken") {
			t.Errorf("exit %d: %s", code, e)
		}
	})
	for _, k := range talks {
		k.check()
	}
}

// lookAround tries the commands that find a system by its data folder.
func lookAround(t *testing.T, s *system, k *talk) {
	code, out, e := gori(t, "ring", "show", "--data", s.dir)
	if code != exitOK || !strings.Contains(out, "1021 partitions") {
		t.Errorf("ring show: exit %d: %s%s", code, out, e)
	}
	code, out, e = gori(t, "ring", "show", "--data", s.dir, "--json")
	var ring ringView
	if err := json.Unmarshal([]byte(out), &ring); code != exitOK || err != nil || ring.Map.Epoch() != 1 || ring.Shards[0].Active+ring.Shards[1].Active != 1021 {
		t.Errorf("ring show --json: exit %d, %v: %s", code, err, e)
	}
	for _, what := range []string{k.channel, k.who.id, "person0", "talk of person0"} {
		code, out, e = gori(t, "where", what, "--data", s.dir)
		if code != exitOK || !strings.Contains(out, "partition") {
			t.Errorf("where %s: exit %d: %s%s", what, code, out, e)
		}
	}
	if code, _, e = gori(t, "where", "nobody-of-this-name", "--data", s.dir); code != exitFailure || !strings.Contains(e, "no channel") {
		t.Errorf("where nobody: exit %d: %s", code, e)
	}
	code, out, e = gori(t, "ring", "plan", "add", "c", "--data", s.dir, "--json")
	var plan ringPlan
	if err := json.Unmarshal([]byte(out), &plan); code != exitOK || err != nil || len(plan.Moves) != 1021/3 || plan.Total.Rows == 0 || plan.Total.Bytes == 0 {
		t.Errorf("ring plan add: exit %d, %v, %d moves, %+v: %s", code, err, len(plan.Moves), plan.Total, e)
	}
	code, out, e = gori(t, "ring", "plan", "remove", "a", "--data", s.dir)
	if code != exitOK || !strings.Contains(out, "Nothing has been moved") {
		t.Errorf("ring plan remove: exit %d: %s%s", code, out, e)
	}
	if code, _, _ = gori(t, "ring", "plan", "add", "a", "--data", s.dir); code != exitUsage {
		t.Errorf("adding a shard that is there: exit %d", code)
	}
}

func TestUpLeavesNothingAndFindsEverythingAgain(t *testing.T) {
	t.Parallel()
	dir := dataDir(t)
	s := startUp(t, dir, "--shards", "2")
	k := newTalk(t, s.url, "person")
	k.say("first")
	node := s.state().Nodes[0].PID

	s.signal(syscall.SIGTERM)
	<-s.done
	if code := s.cmd.ProcessState.ExitCode(); code != exitOK {
		t.Errorf("exit %d: %s", code, s.said())
	}
	if left := s.processes(node); len(left) != 0 {
		t.Errorf("processes left: %v", left)
	}
	if _, err := host.FindRunning(dir); err == nil {
		t.Error("it is still noted as running")
	}
	if code, _, e := gori(t, "up", "--data", dir, "--port", "0", "--shards", "3"); code != exitFailure || !strings.Contains(e, "reshard") {
		t.Errorf("another number of shards: exit %d: %s", code, e)
	}

	s = startUp(t, dir)
	k.who.url = s.url
	k.say("second")
	node = s.state().Nodes[0].PID
	// The kernel ends the children of one that is killed.
	s.signal(syscall.SIGKILL)
	<-s.done
	eventually(t, "its children end", func() bool { return len(s.processes(node)) == 0 })
	if _, err := host.FindRunning(dir); err == nil {
		t.Error("a killed one is still believed to run")
	}
	s = startUp(t, dir)
	k.who.url = s.url
	k.say("third")
	k.check()
}

func TestUpInterruptedAtItsStartLeavesNothing(t *testing.T) {
	dir := dataDir(t)
	s, said := beginUp(t, dir, "--shards", "2")
	select {
	case line := <-said:
		if !strings.Contains(line, "Making 2") {
			t.Errorf("it begins by saying %q", line)
		}
	case <-time.After(patience):
		t.Fatal("it says nothing")
	}
	s.signal(syscall.SIGTERM)
	<-s.done
	if code := s.cmd.ProcessState.ExitCode(); code != exitOK {
		t.Errorf("exit %d: %s", code, s.said())
	}
	if left := s.processes(); len(left) != 0 {
		t.Errorf("processes left: %v", left)
	}
	startUp(t, dir)
}

func TestUpRefusesWhatItCannotDo(t *testing.T) {
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"too many nodes": {[]string{"up", "--nodes", "17"}, exitUsage, "1 to 16"},
		"unknown flag":   {[]string{"up", "--sharts", "2"}, exitUsage, "--sharts"},
		"argument":       {[]string{"up", "now"}, exitUsage, "now"},
		"no shards":      {[]string{"up", "--data", dataDir(t), "--port", "0", "--shards", "0"}, exitFailure, "1 to 64 shards"},
		"nothing runs":   {[]string{"ring", "show", "--data", dataDir(t)}, exitFailure, "nothing runs"},
		"serve nothing":  {[]string{"serve"}, exitUsage, "no shards"},
		"no config":      {[]string{"serve", "--config", "/nowhere.yaml"}, exitUsage, "/nowhere.yaml"},
		"where what":     {[]string{"where"}, exitUsage, "one id or name"},
		"unknown":        {[]string{"fly"}, exitUsage, "fly"},
		"foreign listen": {[]string{"up", "--data", dataDir(t), "--listen", "192.0.2.1"}, exitFailure, "192.0.2.1"},
	} {
		if code, _, e := gori(t, c.args...); code != c.code || !strings.Contains(e, c.says) {
			t.Errorf("%s: exit %d: %s", name, code, e)
		}
	}
	code, out, _ := gori(t, "version")
	if code != exitOK || !strings.HasPrefix(out, "gori ") {
		t.Errorf("version: exit %d: %s", code, out)
	}
}
