package command

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gori/client"
	"gori/client/clienttest"
)

// importRig is a fake system with its admin's token, and a folder for logs.
type importRig struct {
	*clienttest.Server
	t     *testing.T
	dir   string
	token string
}

func newImportRig(t *testing.T) *importRig {
	s := clienttest.New(t)
	c, err := client.New(s.URL, client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.SignUp(t.Context(), client.NewUser{LoginName: "root", Password: "password"}); err != nil {
		t.Fatal(err)
	}
	r := &importRig{Server: s, t: t, dir: t.TempDir()}
	r.token = r.file("token", c.Token()+"\n")
	return r
}

func (r *importRig) file(name, text string) string {
	r.t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return path
}

// smallLog is a log with a line of each kind.
func (r *importRig) smallLog() string {
	r.t.Helper()
	text, err := os.ReadFile("irc/testdata/small.txt")
	if err != nil {
		r.t.Fatal(err)
	}
	return r.file("2004-12-25.lights.raw.txt", string(text))
}

func (r *importRig) run(args ...string) (code int, out, errOut string) {
	var o, e bytes.Buffer
	args = append([]string{"import", "irc", "--url", r.URL, "--token-file", r.token, "--data", filepath.Join(r.dir, "none")}, args...)
	code = run(context.Background(), args, &o, &e)
	return code, o.String(), e.String()
}

// imported are the messages of the one imported channel.
func (r *importRig) imported() []client.Message {
	r.t.Helper()
	list := r.Channels()
	if len(list) != 1 {
		r.t.Fatalf("%d channels", len(list))
	}
	return r.Messages(list[0].ID)
}

func TestImportIRC(t *testing.T) {
	r := newImportRig(t)
	log := r.smallLog()
	r.file("2004-12-25.lights.annotation.txt", "0 0 -\n1 2 -\n1 4 -\n2 4 -\n")
	code, out, errOut := r.run(log)
	if code != exitOK {
		t.Fatalf("exit %d\n%s%s", code, out, errOut)
	}
	for _, want := range []string{log + ":8: has none of the forms", "1 lines are not UTF-8, the first is line 7"} {
		if !strings.Contains(errOut, want) {
			t.Errorf("it does not say %q:\n%s", want, errOut)
		}
	}
	if !strings.Contains(out, "9 lines: 8 stored now, 0 were there already, 1 left out") {
		t.Errorf("it sums up as:\n%s", out)
	}
	want := []struct {
		body, at string
		reply    client.Seq
	}{
		{"ada [~ada@host]  has joined #lights", "2004-12-25T23:58:00Z", 0},
		{"does anyone know how to dim a lamp?", "2004-12-25T23:58:00Z", 0},
		{"yes, slowly", "2004-12-25T23:59:00Z", 2},
		{"* bo turns a knob", "2004-12-25T23:59:00Z", 0},
		{"bo: thanks", "2004-12-26T00:01:00Z", 3},
		{"(empty)", "2004-12-26T00:01:00Z", 0},
		{"café time", "2004-12-26T00:01:00Z", 0},
		{"on notice", "2004-12-26T00:02:00Z", 0},
	}
	got := r.imported()
	if len(got) != len(want) {
		t.Fatalf("%d messages, want %d", len(got), len(want))
	}
	senders := map[client.UserID]bool{}
	for i, m := range got {
		at := m.OrigAt.Time().UTC().Format(time.RFC3339)
		if m.Body != want[i].body || at != want[i].at || m.ReplyTo != want[i].reply {
			t.Errorf("message %d is %q at %s answering %d, want %+v", i, m.Body, at, m.ReplyTo, want[i])
		}
		senders[m.Sender] = true
	}
	if len(senders) != 4 {
		t.Errorf("%d people, want ada, bo, carol and the log", len(senders))
	}
	code, out, _ = r.run(log)
	if code != exitOK || !strings.Contains(out, "0 stored now, 8 were there already") || len(r.imported()) != len(want) {
		t.Errorf("a second run: exit %d, %s", code, out)
	}
}

// TestImportGoesOn: whichever call an import dies at, repeating it stores every
// line once and in order.
func TestImportGoesOn(t *testing.T) {
	const lines = 1300
	var log strings.Builder
	for i := range lines {
		fmt.Fprintf(&log, "[%02d:%02d] <nick%d> line %d\n", i/60%24, i%60, i%7, i)
	}
	for dieAt := 1; dieAt <= 5; dieAt++ {
		r := newImportRig(t)
		file := r.file("2005-01-01.long.raw.txt", log.String())
		calls := 0
		r.Fault = func(*http.Request) *client.Error {
			if calls++; calls == dieAt+1 { // the first asks who it is
				return &client.Error{Status: 500, Code: "internal"}
			}
			return nil
		}
		if code, out, _ := r.run(file); code != exitFailure {
			t.Fatalf("death at call %d: exit %d, %s", dieAt, code, out)
		}
		if code, out, errOut := r.run(file); code != exitOK {
			t.Fatalf("after death at call %d: exit %d, %s%s", dieAt, code, out, errOut)
		}
		got := r.imported()
		if len(got) != lines {
			t.Fatalf("%d messages, want %d", len(got), lines)
		}
		for i, m := range got {
			if m.Body != fmt.Sprint("line ", i) {
				t.Fatalf("message %d is %q", i, m.Body)
			}
		}
	}
}

func TestImportStrict(t *testing.T) {
	r := newImportRig(t)
	log := r.smallLog()
	code, _, errOut := r.run("--strict", log)
	if code != exitFailure || !strings.Contains(errOut, log+":8: ") || len(r.Channels()) != 0 {
		t.Fatalf("exit %d with %d channels: %s", code, len(r.Channels()), errOut)
	}
}

func TestImportSaysWhenALimitIsRaised(t *testing.T) {
	r := newImportRig(t)
	var log strings.Builder
	for i := range 150 {
		fmt.Fprintf(&log, "[10:00] <nick%d> hello\n", i)
	}
	code, _, errOut := r.run(r.file("2005-01-01.crowd.raw.txt", log.String()))
	if code != exitOK || !strings.Contains(errOut, "2005-01-01.crowd: 150 people; the member limit of this channel is") {
		t.Fatalf("exit %d: %s", code, errOut)
	}
}

func TestImportUsage(t *testing.T) {
	r := newImportRig(t)
	log := r.file("2005-01-01.a.raw.txt", "[10:00] <a> b\n")
	other := filepath.Join(t.TempDir(), filepath.Base(log))
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{}, {log, other}, {"--jobs", "0", log}, {"--login", "root", "--token-file", "", log}} {
		if code, _, errOut := r.run(args...); code != exitUsage {
			t.Errorf("%v: exit %d, %s", args, code, errOut)
		}
	}
	if code, _, _ := r.run(filepath.Join(r.dir, "missing")); code != exitFailure {
		t.Errorf("a missing file: exit %d", code)
	}
}
