package command

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gori/client"
)

// TestBackupAndRestore backs a system up while people chat, restores it with
// another number of shards, and goes on there: also a device that has seen what
// was said after the backup.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	temp := t.TempDir()
	s := startUp(t, dataDir(t), "--shards", "2")
	a, b := newMember(t, s.url, "anna", true), newMember(t, s.url, "boris", true)
	ch, err := a.Direct(t.Context(), b.Me().ID)
	must(t, err)
	device, err := b.Connect(t.Context(), client.LiveOptions{Events: client.Events{Message: func(client.Message) {}}})
	must(t, err)
	for range 5 {
		_, err := a.Post(t.Context(), client.Outgoing{Channel: ch.ID, Body: "before"})
		must(t, err)
	}
	set := filepath.Join(temp, "set")
	taken := s.tool(t, "backup", "--to", set, "--json")
	var v backupView
	must(t, json.Unmarshal([]byte(taken), &v))
	if v.Rows == 0 || v.PauseUS <= 0 || v.Ring != 1 || len(v.Shards) != 2 {
		t.Errorf("backup says %s", taken)
	}
	for range 3 {
		_, err := a.Post(t.Context(), client.Outgoing{Channel: ch.ID, Body: "after, and lost"})
		must(t, err)
	}
	eventually(t, "the device has all", func() bool { _, at := device.Cursors(); return at[ch.ID].Seq == 8 })
	pos, cursors := device.Cursors()
	device.Close()
	// The tests' instances are durable ones: a doctor is content.
	eventually(t, "doctor finds nothing", func() bool { code, _, _ := gori(t, "doctor", "--data", s.dir); return code == exitOK })
	s.signal(syscall.SIGINT)
	<-s.done

	if code, out, errOut := gori(t, "backup", "verify", set); code != exitOK {
		t.Errorf("verify: exit %d\n%s%s", code, out, errOut)
	}
	fresh := dataDir(t)
	for _, args := range [][]string{
		{"restore", "--from", set},                                        // no place
		{"restore", "--from", set, "--data", s.dir},                       // a place in use
		{"restore", "--from", filepath.Join(temp, "no"), "--data", fresh}, // no backup
		{"backup", "verify", temp},
		{"backup", "--to", set, "--data", s.dir}, // nothing runs there
	} {
		if code, _, errOut := gori(t, args...); code == exitOK || errOut == "" {
			t.Errorf("gori %s: exit %d, %s", strings.Join(args, " "), code, errOut)
		}
	}
	if code, out, errOut := gori(t, "restore", "--from", set, "--data", fresh, "--shards", "3"); code != exitOK || !strings.Contains(out, "every digest equal") {
		t.Fatalf("restore: exit %d\n%s%s", code, out, errOut)
	}
	must(t, os.WriteFile(filepath.Join(fresh, restoringFile), nil, 0o600))
	if code, _, errOut := gori(t, "up", "--data", fresh, "--port", "0"); code != exitFailure || !strings.Contains(errOut, "did not come to its end") {
		t.Errorf("up on a folder that is being restored: exit %d, %s", code, errOut)
	}
	must(t, os.Remove(filepath.Join(fresh, restoringFile)))
	goOn(t, startUp(t, fresh), ch.ID, pos, cursors)
}

// goOn uses a restored system.
func goOn(t *testing.T, s *system, ch client.ChannelID, pos client.Pos, cursors map[client.ChannelID]client.Cursor) {
	t.Helper()
	a, b := newMember(t, s.url, "anna", false), newMember(t, s.url, "boris", false)
	restored := make(chan struct{}, 8)
	heard := make(chan client.Message, 8)
	device, err := b.Connect(t.Context(), client.LiveOptions{Pos: pos, Cursors: cursors, Events: client.Events{
		Restored: func() { restored <- struct{}{} }, Message: func(m client.Message) { heard <- m }}})
	must(t, err)
	defer device.Close()
	if len(restored) != 1 {
		t.Errorf("the device was told %d times", len(restored))
	}
	r, err := a.Post(t.Context(), client.Outgoing{Channel: ch, Body: "after the restore"})
	must(t, err)
	if r.Seq != 6 {
		t.Errorf("the next message is %d", r.Seq)
	}
	// The device had seen a message 6 already: not this one. Those before may come
	// again, when their way into the inbox was still owed at the backup.
	for m := (client.Message{}); m.Seq < 6; {
		select {
		case m = <-heard:
			if m.Seq > 6 || (m.Body == "before") != (m.Seq < 6) {
				t.Fatalf("it hears %+v", m)
			}
		case <-time.After(patience):
			t.Fatal("it does not hear of the new message")
		}
	}
	if code, out, _ := gori(t, "doctor", "--quick", "--json", "--data", s.dir); code != exitOK {
		t.Errorf("doctor: exit %d\n%s", code, out)
	}
}

func newMember(t *testing.T, url, name string, fresh bool) *client.Client {
	t.Helper()
	c, err := client.New(url, client.Options{UserAgent: "test"})
	must(t, err)
	const password = "a long password"
	if fresh {
		err = c.SignUp(t.Context(), client.NewUser{LoginName: name, DisplayName: name, Password: password})
	} else {
		err = c.LogIn(t.Context(), name, password)
	}
	must(t, err)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
