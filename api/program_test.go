package api

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gori/chat"
)

func tourPrograms(sys *system, group string, ann actor) {
	bot := sys.must(ann, "POST", "/bots", object{"login_name": "annsbot", "display_name": "로봇"}).text("user", "id")
	sys.must(ann, "GET", "/bots", nil)
	sys.must(ann, "PATCH", "/bots/"+bot, object{"display_name": "새 로봇"})
	sys.must(ann, "POST", "/bots/"+bot+"/token", nil)
	sys.must(ann, "PUT", "/bots/"+bot+"/webhook", object{"url": "https://bots.example/hear"})
	sys.must(ann, "DELETE", "/bots/"+bot+"/webhook", nil)
	sys.must(ann, "DELETE", "/bots/"+bot, nil)
	at := "/channels/" + group + "/hooks"
	hook := sys.must(ann, "POST", at, object{"name": "빌드"})
	sys.must(ann, "GET", at, nil)
	sys.must(actor{}, "POST", hookPath(hook), object{"text": "통과"})
	sys.must(ann, "GET", "/channels/"+group+"/members", nil)
	sys.must(ann, "DELETE", at+"/"+hook.text("id"), nil)
}

// hookPath is the path of a hook's URL.
func hookPath(made answered) string { return strings.TrimPrefix(made.text("url"), testOrigin) }

func (sys *system) makeBot(owner actor, name string) actor {
	sys.t.Helper()
	a := sys.must(owner, "POST", "/bots", object{"login_name": name})
	return actor{id: a.text("user", "id"), name: name, token: a.text("token")}
}

func TestBots(t *testing.T) {
	var later atomic.Int64
	sys := newSystem(t, func(_ *Config, d *chat.PeopleDeps) {
		d.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	})
	root, ann, bob := sys.signUp("root"), sys.signUp("ann"), sys.signUp("bob")
	bot := sys.makeBot(ann, "helper")
	me := sys.must(bot, "GET", "/me", nil)
	if me.field("bot") != true || me.field("admin") != false || me.text("display_name") != "helper" {
		t.Errorf("the bot is %s", me.body)
	}
	if u := sys.must(bob, "GET", "/users/"+bot.id, nil); u.field("bot") != true {
		t.Errorf("others see %s", u.body)
	}
	direct := sys.must(bot, "POST", "/direct", object{"user": bob.id}).text("id")
	sys.say(bot, direct, 1, "hello")
	sys.say(bob, direct, 2, "hello, bot")
	for _, refused := range []struct {
		who    actor
		path   string
		body   object
		status int
	}{
		{bot, "/bots", object{"login_name": "child"}, 403},
		{bot, "/admin/signup_invites", object{}, 403},
		{actor{}, "/login", object{"login_name": "helper", "password": "", "want_token": true}, 401},
		{actor{}, "/login", object{"login_name": "helper", "password": testPassword, "want_token": true}, 401},
		{bot, "/password", object{"old": "", "new": testPassword}, 401},
		{ann, "/bots", object{"login_name": "helper"}, 409},
		{ann, "/bots", object{"login_name": "a b"}, 400},
		{ann, "/bots", object{"login_name": "ok", "display_name": strings.Repeat("x", 41)}, 413},
		{ann, "/bots", object{"login_name": "ok", "admin": true}, 400},
	} {
		if a := sys.do(refused.who, "POST", refused.path, refused.body); a.status != refused.status {
			t.Errorf("POST %s %v: %d %s", refused.path, refused.body, a.status, a.body)
		}
	}
	renewed := sys.must(ann, "POST", "/bots/"+bot.id+"/token", nil)
	if a := sys.do(bot, "GET", "/me", nil); a.status != 401 {
		t.Errorf("the earlier token: %d", a.status)
	}
	bot.token = renewed.text("token")
	sys.must(bot, "GET", "/me", nil)

	sys.must(root, "POST", "/admin/users/"+ann.id+"/disable", nil)
	later.Add(int64(time.Second)) // as long as a node may trust what it has read
	if a := sys.do(bot, "GET", "/me", nil); a.status != 401 {
		t.Errorf("the token of a bot whose owner was shut out: %d", a.status)
	}
	sys.must(root, "POST", "/admin/users/"+ann.id+"/enable", nil)
}

func TestBotsAreBounded(t *testing.T) {
	sys := newSystem(t, nil)
	ann := sys.signUp("ann")
	for i := range chat.MaxBots {
		sys.makeBot(ann, "bot"+string(rune('a'+i)))
	}
	if a := sys.do(ann, "POST", "/bots", object{"login_name": "more"}); a.code() != chat.CodeTooLong {
		t.Errorf("%d %s", a.status, a.body)
	}
	bots := sys.must(ann, "GET", "/bots", nil).field("bots").([]any)
	if len(bots) != chat.MaxBots {
		t.Fatalf("%d bots", len(bots))
	}
	last := sys.answeredLast(ann)
	for n := 0; last.status == 201 && n < 40; n++ { // making and ending without end would fill the system
		last = sys.answeredLast(ann)
	}
	if last.status != 429 || last.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", last.status, last.body)
	}
}

// answeredLast ends a person's first bot and makes one more.
func (sys *system) answeredLast(who actor) answered {
	sys.t.Helper()
	bots := sys.must(who, "GET", "/bots", nil).field("bots").([]any)
	sys.must(who, "DELETE", "/bots/"+bots[0].(object)["id"].(string), nil)
	return sys.do(who, "POST", "/bots", object{"login_name": "again" + bots[0].(object)["id"].(string)})
}

func TestHooks(t *testing.T) {
	sys := newSystem(t, nil)
	ann, bob := sys.signUp("ann"), sys.signUp("bob")
	group := sys.must(ann, "POST", "/channels", object{"key": uuid(1), "name": "g", "members": []string{bob.id}, "limit": 3}).text("id")
	at := "/channels/" + group
	hook := sys.must(ann, "POST", at+"/hooks", object{"name": "빌드"})
	path, speaker := hookPath(hook), hook.text("bot")
	if !strings.HasPrefix(hook.text("url"), testOrigin+"/api/v1/hooks/"+group+".") {
		t.Fatalf("the URL is %s", hook.text("url"))
	}
	if listed := sys.must(ann, "GET", at+"/hooks", nil); strings.Contains(string(listed.body), path[len(path)-43:]) {
		t.Errorf("the URL is shown again: %s", listed.body)
	}
	first := sys.must(actor{}, "POST", path, object{"text": "하나"}, "Idempotency-Key", uuid(7))
	if again := sys.must(actor{}, "POST", path, object{"text": "하나"}, "Idempotency-Key", uuid(7)); first.status != 201 ||
		again.status != 200 || again.text("seq") != first.text("seq") {
		t.Errorf("%d %s, then %d %s", first.status, first.body, again.status, again.body)
	}
	sys.must(actor{}, "POST", path, object{"text": "둘"})
	sys.must(actor{}, "POST", path, object{"text": "둘"}) // without a key each is another message
	page := sys.must(bob, "GET", at+"/messages?after=0&limit=50", nil).field("messages").([]any)
	var said []string
	for _, m := range page {
		if m.(object)["sender"] == speaker {
			said = append(said, m.(object)["body"].(string))
		}
	}
	if strings.Join(said, " ") != "하나 둘 둘" {
		t.Errorf("the hook said %q", said)
	}
	if u := sys.must(bob, "GET", "/users/"+speaker, nil); u.field("bot") != true || u.text("display_name") != "빌드" {
		t.Errorf("it speaks as %s", u.body)
	}
	if full := sys.do(ann, "POST", at+"/hooks", object{"name": "more"}); full.code() != chat.CodeChannelFull {
		t.Errorf("a hook beyond the member limit: %d %s", full.status, full.body)
	}
	sys.must(ann, "DELETE", at+"/hooks/"+hook.text("id"), nil)
	sys.must(ann, "DELETE", at+"/hooks/"+hook.text("id"), nil)
	if a := sys.do(actor{}, "POST", path, object{"text": "drei"}); a.code() != chat.CodeNotFound {
		t.Errorf("after its end: %d %s", a.status, a.body)
	}
	if members := sys.must(ann, "GET", at+"/members", nil); strings.Contains(string(members.body), speaker) {
		t.Errorf("its account is still a member: %s", members.body)
	}
}

// What is sent to a hook is refused as elsewhere, and tells nothing to those
// who do not know its URL.
func TestBadHookMessages(t *testing.T) {
	sys := newSystem(t, nil)
	ann := sys.signUp("ann")
	group := sys.must(ann, "POST", "/channels", object{"key": uuid(1), "name": "g", "members": []string{}}).text("id")
	path := hookPath(sys.must(ann, "POST", "/channels/"+group+"/hooks", object{"name": "h"}))
	for body, want := range map[string]chat.Code{
		`{"text":"x","channel":"#general"}`: chat.CodeBadRequest, `{"text":"x","text":"y"}`: chat.CodeBadRequest,
		`{"Text":"x"}`: chat.CodeBadRequest, `{"text":7}`: chat.CodeBadRequest, `{}`: chat.CodeEmpty, `{"text":" "}`: chat.CodeEmpty,
		`{"text":"a\u0000"}`: chat.CodeBadText, `payload=x`: chat.CodeBadRequest, `[]`: chat.CodeBadRequest,
		`{"text":"` + strings.Repeat("가", 100_001) + `"}`:     chat.CodeTooLong,
		`{"text":"` + strings.Repeat("x", maxSendBody) + `"}`: chat.CodeTooLong,
	} {
		if a := sys.do(actor{}, "POST", path, body); a.code() != want {
			t.Errorf("%.40s: %d %s, want %s", body, a.status, a.body, want)
		}
	}
	for _, key := range []string{"", "x", strings.ToUpper(uuid(10)), "00000000-0000-0000-0000-000000000000"} {
		if a := sys.do(actor{}, "POST", path, object{"text": "x"}, "Idempotency-Key", key); a.code() != chat.CodeBadID {
			t.Errorf("key %q: %d %s", key, a.status, a.body)
		}
	}
	token := path[strings.LastIndex(path, "/")+1:]
	id, secret, _ := strings.Cut(token, ".")
	for _, bad := range []string{"x", id, id + ".", "." + secret, id + "." + secret + "A", id + "." + secret[1:], "1." + secret,
		"0" + token, id + "." + strings.Repeat("A", 43), token + "%00", "%2e%2e%2f" + token, strings.Repeat("9", 3000), ann.token} {
		a := sys.do(actor{}, "POST", "/hooks/"+bad, object{"text": "x"})
		if a.status != 404 && a.status != 400 {
			t.Errorf("%.60s: %d %s", bad, a.status, a.body)
		}
	}
	if a := sys.do(actor{token: token}, "GET", "/me", nil); a.status != 401 {
		t.Errorf("a hook's token lets one in: %d", a.status)
	}
	for _, method := range []string{"GET", "PUT", "PATCH", "DELETE"} {
		if a := sys.do(actor{}, method, path, nil); a.status != 405 {
			t.Errorf("%s: %d %s", method, a.status, a.body)
		}
	}
	for range 30 {
		sys.do(actor{}, "POST", path, object{"text": "much"})
	}
	if a := sys.do(actor{}, "POST", path, object{"text": "too much"}); a.status != 429 || a.header.Get("Retry-After") == "" {
		t.Errorf("%d %v %s", a.status, a.header, a.body)
	}
}

// A hook needs nothing but its URL: no cookie is judged, none is given, and no
// answer is opened to pages of others.
func TestHooksAreForWhoeverKnowsTheURL(t *testing.T) {
	sys := newSystem(t, nil)
	ann, bob := sys.signUp("ann"), sys.signUp("bob")
	group := sys.must(ann, "POST", "/channels", object{"key": uuid(1), "name": "g", "members": []string{bob.id}}).text("id")
	path := hookPath(sys.must(ann, "POST", "/channels/"+group+"/hooks", object{"name": "h"}))
	for _, cookie := range []string{"", "gori=" + bob.token, "gori=nonsense"} {
		a := sys.serve(sys.fromBrowser("POST", path, "", cookie, object{"text": "x"}))
		if a.status != 201 || cookieOf(a) != nil || a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("with the cookie %q: %d %v", cookie, a.status, a.header)
		}
	}
	form := sys.fromBrowser("POST", path, "https://evil.test", "", `{"text":"x"}`)
	form.Header.Set("Content-Type", "text/plain") // all that a page may send elsewhere without being asked
	if a := sys.serve(form); a.code() != chat.CodeBadRequest {
		t.Errorf("a form: %d %s", a.status, a.body)
	}
	if a := sys.serve(sys.fromBrowser("OPTIONS", path, "https://evil.test", "", nil)); a.status < http.StatusBadRequest ||
		a.header.Get("Access-Control-Allow-Origin") != "" {
		t.Errorf("a preflight: %d %v", a.status, a.header)
	}
	sys.must(ann, "DELETE", "/channels/"+group+"/members/"+bob.id, nil)
}

// The secrets of programs are in no log and no audit line.
func TestProgramSecretsAreNotLogged(t *testing.T) {
	var log bytes.Buffer
	sys := newSystem(t, func(c *Config, d *chat.PeopleDeps) {
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c.Metrics = NewMetrics()
	})
	ann := sys.signUp("ann")
	group := sys.must(ann, "POST", "/channels", object{"key": uuid(1), "name": "g", "members": []string{}}).text("id")
	hook := sys.must(ann, "POST", "/channels/"+group+"/hooks", object{"name": "h"})
	bot := sys.makeBot(ann, "helper")
	sys.must(actor{}, "POST", hookPath(hook), object{"text": "x"})
	sys.do(actor{}, "POST", hookPath(hook), "no JSON")
	sys.do(actor{}, "GET", hookPath(hook), nil)
	sys.must(bot, "GET", "/me", nil)
	families, err := sys.api.metrics.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	all := log.String() + strings.Join(sys.mem.Audited(), "\n")
	for _, f := range families {
		all += f.String()
	}
	for _, secret := range []string{hookPath(hook)[len("/api/v1/hooks/"):], bot.token} {
		if strings.Contains(all, secret[len(secret)-43:]) {
			t.Errorf("a secret is in the logs")
		}
	}
	if !strings.Contains(log.String(), "/api/v1/hooks/{token}") {
		t.Errorf("the request is not logged at all: %s", log.String())
	}
}

func TestBotWebhooks(t *testing.T) {
	sys := newSystem(t, nil)
	ann, bob := sys.signUp("ann"), sys.signUp("bob")
	bot := sys.makeBot(ann, "helper")
	at := "/bots/" + bot.id + "/webhook"
	first := sys.must(ann, "PUT", at, object{"url": "https://bots.example/hear"}).text("secret")
	second := sys.must(ann, "PUT", at, object{"url": "https://bots.example/hear"}).text("secret")
	if len(first) < 32 || first == second {
		t.Errorf("the secrets are %q and %q", first, second)
	}
	for _, refused := range []struct {
		who  actor
		url  string
		code chat.Code
	}{
		{bob, "https://bots.example/", chat.CodeNotFound}, {bot, "https://bots.example/", chat.CodeForbidden},
		{ann, "", chat.CodeBadRequest}, {ann, "ftp://bots.example/", chat.CodeBadRequest},
		{ann, "https://bob:pw@bots.example/", chat.CodeBadRequest}, {ann, "https://" + strings.Repeat("x", 5000), chat.CodeTooLong},
	} {
		if a := sys.do(refused.who, "PUT", at, object{"url": refused.url}); a.code() != refused.code {
			t.Errorf("%s for %.40q: %d %s", refused.who.name, refused.url, a.status, a.body)
		}
	}
	sys.must(ann, "DELETE", at, nil)
	sys.must(ann, "DELETE", at, nil)
}
