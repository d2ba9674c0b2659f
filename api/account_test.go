package api

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"gori/chat"
)

// Names that would be taken for another are one name or none (B27,
// CVE-2026-27656).
func TestLoginNamesAreCanonical(t *testing.T) {
	sys := newSystem(t, nil)
	sys.signUp("minji")
	for _, c := range []struct {
		name string
		want int
	}{
		{"minji", 409}, {"MINJI", 409}, {"Minji", 409}, {"minji ", 400}, {" minji", 400}, {"mi\u0441hael", 400}, {"min\u202eji", 400},
		{"min\u200bji", 400}, {"m", 400}, {"민", 400}, {"민지", 201}, {"\u1106\u1175\u11ab\u110c\u1175", 409}, {"everyone", 409},
		{"gori", 409}, {"a/b", 400}, {"a@b", 400}, {"..", 400}, {".ab", 400}, {"min%", 400},
		{strings.Repeat("a", 33), 400}, {strings.Repeat("a", 10<<10), 413},
	} {
		a := sys.do(actor{}, "POST", "/signup", object{"login_name": c.name, "password": testPassword, "display_name": "x", "want_token": true})
		if a.status != c.want {
			t.Errorf("%.40q: %d %s, want %d", c.name, a.status, a.body, c.want)
		}
	}
	for _, name := range []string{"minj", "minji2", "min", "%", "m%", "MINJI%"} {
		if a := sys.do(actor{}, "POST", "/login", object{"login_name": name, "password": testPassword, "want_token": true}); a.status != 401 {
			t.Errorf("logging in as %q: %d", name, a.status)
		}
	}
	if a := sys.do(actor{}, "POST", "/login", object{"login_name": "MinJi", "password": testPassword, "want_token": true}); a.status != 200 {
		t.Errorf("logging in in another case: %d", a.status)
	}
}

// Unknown, wrong, disabled and impossible: one answer (B28, CVE-2025-54499,
// CVE-2023-32682).
func TestRefusedLoginsLookTheSame(t *testing.T) {
	sys := newSystem(t, nil)
	root := sys.signUp("root")
	sys.signUp("ann")
	off := sys.signUp("off")
	sys.must(root, "POST", "/admin/users/"+off.id+"/disable", nil)
	sys.must(root, "POST", "/admin/import/people", object{"source": "irc", "names": []string{"zed"}})
	zed := sys.must(root, "GET", "/users?find=zed", nil).field("users").([]any)[0].(object)["login_name"].(string)
	var bodies []string
	for _, try := range [][2]string{{"nobody", testPassword}, {"ann", "wrong password"}, {"off", testPassword}, {"ann", "short"},
		{"ann", strings.Repeat("x", 5000)}, {"not a name!", testPassword}, {zed, ""}, {zed, testPassword}} {
		a := sys.do(actor{}, "POST", "/login", object{"login_name": try[0], "password": try[1], "want_token": true})
		bodies = append(bodies, string(a.body))
		if a.status != 401 || bodies[0] != string(a.body) {
			t.Errorf("%.20v: %d %s", try, a.status, a.body)
		}
	}
	if a := sys.do(off, "GET", "/me", nil); a.status != 401 {
		t.Errorf("a disabled user is let in: %d", a.status)
	}
}

// Guessing is limited per account, whatever the address (B29, CVE-2026-26233).
func TestGuessingIsLimited(t *testing.T) {
	sys := newSystem(t, nil)
	sys.signUp("ann")
	limited := 0
	for range 40 {
		a := sys.do(actor{}, "POST", "/login", object{"login_name": "ann", "password": "wrong password", "want_token": true})
		if a.status == 429 {
			limited++
			if a.header.Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
	}
	if limited == 0 {
		t.Error("40 guesses at one account, and none was refused")
	}
}

// An invitation lets in one, even if two come at once (CVE-2026-3590).
func TestAnInvitationIsUsedOnce(t *testing.T) {
	sys := newSystem(t, func(_ *Config, d *chat.PeopleDeps) { d.InviteOnly = true })
	root := sys.signUp("root") // the first needs none
	if a := sys.do(actor{}, "POST", "/signup", object{"login_name": "eve", "password": testPassword, "display_name": "e", "want_token": true}); a.code() != chat.CodeInviteNeeded {
		t.Errorf("without an invitation: %d %s", a.status, a.body)
	}
	code := sys.must(root, "POST", "/admin/signup_invites", object{}).text("code")
	statuses := make(chan int)
	for _, name := range []string{"one", "two", "three", "four"} {
		go func() {
			statuses <- sys.do(actor{}, "POST", "/signup", object{"login_name": name, "password": testPassword, "display_name": name, "invite": code, "want_token": true}).status
		}()
	}
	in := 0
	for range 4 {
		if <-statuses == 201 {
			in++
		}
	}
	if in != 1 {
		t.Errorf("one invitation let in %d", in)
	}
	group := sys.must(root, "POST", "/channels", object{"key": uuid(1), "name": "g", "members": []string{}}).text("id")
	link := sys.must(root, "POST", "/channels/"+group+"/invites", object{"max_uses": 1, "expires_at": time.Now().Add(time.Hour).UnixMilli()})
	if a := sys.do(root, "GET", "/invites/"+link.text("code")+"x", nil); a.status != 404 {
		t.Errorf("an invite with a character more: %d", a.status)
	}
}

// safeBuffer is a log to look through.
type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *safeBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *safeBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// No password, token, body, invite or query is ever logged or kept in the audit
// log (CVE-2023-41335, section 5).
func TestNothingSecretIsLogged(t *testing.T) {
	log := &safeBuffer{}
	sys := newSystem(t, func(c *Config, d *chat.PeopleDeps) {
		c.Logger = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		d.Logger = c.Logger
	})
	const canary = "canary-in-a-coal-mine"
	a := sys.must(actor{}, "POST", "/signup", object{"login_name": "ann", "password": canary, "display_name": "Ann", "want_token": true})
	ann := actor{token: a.text("token")}
	sys.do(actor{}, "POST", "/login", object{"login_name": "ann", "password": canary + "!", "want_token": true})
	group := sys.must(ann, "POST", "/channels", object{"key": uuid(1), "name": canary, "members": []string{}}).text("id")
	sys.say(ann, group, 1, canary)
	invite := sys.must(ann, "POST", "/channels/"+group+"/invites", object{}).text("code")
	sys.must(ann, "GET", "/invites/"+invite, nil)
	sys.do(ann, "GET", "/users?find="+canary, nil)
	text := log.String()
	if !strings.Contains(text, "/api/v1/invites/{code}") {
		t.Fatalf("the access log is not written: %s", text)
	}
	for name, secret := range map[string]string{"password, body or query": canary, "token": ann.token, "secret of the token": strings.Split(ann.token, ".")[1], "invite": invite} {
		if strings.Contains(text, secret) {
			t.Errorf("the %s is in the log", name)
		}
	}
}

// A picture is told by what it is, not by what it is called (B41–B43 where the
// edge decides).
func TestPictures(t *testing.T) {
	sys := newSystem(t, nil)
	ann := sys.signUp("ann")
	good := picture(t)
	for name, c := range map[string]struct {
		body []byte
		kind string
		want int
	}{
		"a picture":                  {good, "image/png", 200},
		"SVG":                        {[]byte("<svg xmlns='http://www.w3.org/2000/svg'/>"), "image/svg+xml", 400},
		"SVG called PNG":             {[]byte("<svg xmlns='http://www.w3.org/2000/svg'/>"), "image/png", 400},
		"HTML called PNG":            {[]byte("<html><script>alert(1)</script>"), "image/png", 400},
		"nothing":                    {nil, "image/png", 400},
		"cut":                        {good[:len(good)/2], "image/png", 400},
		"over 4 MiB":                 {bytes.Repeat([]byte("x"), chat.MaxAvatarUpload+1), "image/png", 413},
		"a picture without its type": {good, "application/octet-stream", 400},
	} {
		a := sys.do(ann, "PUT", "/me/avatar", c.body, "Content-Type", c.kind)
		if a.status != c.want {
			t.Errorf("%s: %d %s, want %d", name, a.status, a.body, c.want)
		}
	}
	a := sys.must(ann, "GET", "/users/"+ann.id+"/avatar", nil)
	if a.header.Get("Content-Type") != "image/png" || !strings.Contains(a.header.Get("Content-Security-Policy"), "sandbox") || bytes.Equal(a.body, good) {
		t.Errorf("%v", a.header)
	}
}
