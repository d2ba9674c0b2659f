package command

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gori/store/local"
	"gori/store/storetest"
)

// served is a gori serve under test, and the configuration that it and commands
// go by.
type served struct {
	t    *testing.T
	file string
	url  string
	log  string
}

// startServe runs a node on shards that no gori up knows.
func startServe(t *testing.T, settings string) *served {
	t.Helper()
	s := &served{t: t, file: filepath.Join(t.TempDir(), "gori.yaml")}
	if err := os.WriteFile(s.file, []byte("listen: 127.0.0.1:0\nlog:\n  format: json\n"+settings), 0o600); err != nil {
		t.Fatal(err)
	}
	s.log = filepath.Join(t.TempDir(), "log")
	log, err := os.Create(s.log)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(binary(t), "serve", "--config", s.file)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = cmd.Wait()
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-done
		_ = log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(s.log)
			t.Logf("gori serve said:\n%s", text)
		}
	})
	eventually(t, "the node is ready", func() bool {
		select {
		case <-done:
			t.Fatal("gori serve has ended at its start")
		default:
		}
		s.url = s.readyAt()
		return s.url != ""
	})
	return s
}

// readyAt reads in the log where the node serves.
func (s *served) readyAt() string {
	text, _ := os.ReadFile(s.log)
	for line := range strings.Lines(string(text)) {
		var said struct{ Msg, Listen string }
		if json.Unmarshal([]byte(line), &said) == nil && said.Msg == "node is ready" {
			return "http://" + said.Listen
		}
	}
	return ""
}

// does runs a command with the configuration and wants an exit code and that it
// says something.
func (s *served) does(code int, says string, args ...string) string {
	s.t.Helper()
	got, out, e := gori(s.t, append(args, "--config", s.file)...)
	if got != code || !strings.Contains(out+e, says) {
		s.t.Errorf("%v: exit %d, not %d, or does not say %q: %s%s", args, got, code, says, out, e)
	}
	return out
}

// ring is what gori ring show says.
func (s *served) ring() *ringView {
	s.t.Helper()
	r, _, err := (&target{config: s.file}).readRing(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	return r
}

// owners names the shards, each with the partitions that it serves.
func (s *served) owners() string {
	s.t.Helper()
	r := s.ring()
	if err := r.problem(); err != nil {
		s.t.Error(err)
	}
	var list []string
	for _, v := range r.Shards {
		list = append(list, fmt.Sprint(v.ID, " ", v.Active))
	}
	return strings.Join(list, ", ")
}

// withPasswords has a server ask everybody but its owner for a password, and
// returns the address of an empty database that keeper owns.
func withPasswords(t *testing.T, in *local.Instance) (dsn string) {
	t.Helper()
	storetest.Exec(t, in.DSN("postgres"), "CREATE ROLE keeper LOGIN CREATEROLE PASSWORD 'the keeper''s own'", "CREATE ROLE guest LOGIN PASSWORD 'any'",
		"CREATE DATABASE town OWNER keeper ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0",
		"CREATE DATABASE latin OWNER keeper ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
	// The server's user need not be able to read what only this one may.
	open, err := os.MkdirTemp("", "gori-hba-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(open) })
	rules, custom := filepath.Join(open, "hba.conf"), filepath.Join(filepath.Dir(in.SocketDir()), "pg", "custom.conf")
	for name, text := range map[string]string{custom: "hba_file = '" + rules + "'\n", rules: "local all gori trust\nlocal all all scram-sha-256\n"} {
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(open, 0o755); err != nil {
		t.Fatal(err)
	}
	in.Stop(t.Context())
	if err := in.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	pass := filepath.Join(t.TempDir(), "pgpass")
	if err := os.WriteFile(pass, []byte("localhost:5432:*:keeper:the keeper's own\nlocalhost:5432:*:guest:any\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PGPASSFILE", pass)
	return "host=" + in.SocketDir() + " user=keeper dbname=town sslmode=disable"
}

// A server that was made elsewhere becomes a shard of a system that runs by
// gori serve, and ceases to be one.
func TestReshardToAServerElsewhere(t *testing.T) {
	a, far := storetest.StartInstance(t), storetest.StartInstance(t)
	town := withPasswords(t, far)
	s := startServe(t, fmt.Sprintf("shards:\n  - id: a\n    dsn: %q\n", a.DSN(local.Database)))
	k := gather(t, s.url, 3, 1)
	k.talk(30 * time.Millisecond)

	before := s.ring().Version
	other := func(old, next string) string { return strings.Replace(town, old, next, 1) }
	for what, c := range map[string]struct {
		addr string
		code int
		says string
	}{
		"nobody there":      {"host=/nowhere dbname=town", exitRefused, "reach the new shard e"},
		"a password":        {town + " password=x", exitUsage, "PGPASSFILE"},
		"a shard's data":    {a.DSN(local.Database), exitRefused, "holds data"},
		"another encoding":  {other("town", "latin"), exitRefused, "its encoding is LATIN1 and has to be UTF8"},
		"no rights":         {other("keeper", "guest"), exitRefused, "guest may not make tables in it"},
		"no such database":  {other("town", "nowhere"), exitRefused, "nowhere"},
		"no password known": {other("keeper", "stranger"), exitRefused, "stranger"},
	} {
		if out := s.does(c.code, c.says, "reshard", "add", "e="+c.addr); out != "" {
			t.Errorf("%s: %s", what, out)
		}
	}
	s.does(exitOK, "in the ring already", "reshard", "add", "a="+town)
	if now := s.ring(); now.Version != before || s.owners() != "a 1021" {
		t.Errorf("after what was refused the ring has version %d, before it %d: %s", now.Version, before, s.owners())
	}

	s.does(exitOK, "Nothing has been changed", "reshard", "add", "e="+town, "--dry-run")
	receipt := filepath.Join(t.TempDir(), "receipt.json")
	s.does(exitOK, "gaps                   0", "reshard", "add", "e="+town, "--receipt", receipt)
	if s.owners() != "a 511, e 510" {
		t.Errorf("after it was added: %s", s.owners())
	}
	s.does(exitOK, "", "reshard", "verify")
	later := newTalk(t, s.url, "later") // the node has learnt of it while it runs
	later.say("there")
	s.does(exitOK, "has left the ring", "reshard", "remove", "e", "--now", "--receipt", receipt)
	if s.owners() != "a 1021" {
		t.Errorf("after it was removed: %s", s.owners())
	}
	s.does(exitOK, "", "reshard", "verify")
	later.say("still there")
	later.check()
	k.hush()
	sent, longest := k.check()
	t.Logf("%d messages were acknowledged and are there once; the longest gap of a device was %v", sent, longest)
	s.does(exitOK, "", "doctor")
}
