package command

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"gori/api"
	"gori/config"
	"gori/reach"
	"gori/store/storetest"
)

// edge is one node over PostgreSQL, as the world sees it.
type edge struct {
	t   *testing.T
	url string
}

// twoShards is the configuration of a node on two new shards.
func twoShards(t *testing.T) config.Config {
	t.Helper()
	cfg, _, err := config.Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Store.Silence = patience
	for i, dsn := range storetest.DSNs(t, 2) {
		cfg.Shards = append(cfg.Shards, config.Shard{ID: string(rune('a' + i)), DSN: dsn})
	}
	return cfg
}

// startEdge runs a node on two new shards; it ends with the test.
func startEdge(t *testing.T, edit ...func(*config.Config)) *edge {
	t.Helper()
	cfg := twoShards(t)
	for _, e := range edit {
		e(&cfg)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	log := slog.New(slog.NewTextHandler(t.Output(), nil)) // seen when the test fails
	if err := reach.Migrate(ctx, cfg, log); err != nil {
		stop()
		t.Fatal(err)
	}
	n, err := newNode(ctx, cfg, l, log)
	if err != nil {
		stop()
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- n.run(ctx, api.Listeners{Public: l}) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("the node ended with: %v", err)
		}
	})
	return &edge{t: t, url: "http://" + l.Addr().String()}
}

// do makes a request and returns its status and answer.
func (e *edge) do(token, method, path, body, key string) (int, map[string]any) {
	e.t.Helper()
	req, err := http.NewRequest(method, e.url+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		e.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", key)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	var v map[string]any
	if len(bytes.TrimSpace(b)) > 0 && strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(b, &v); err != nil {
			e.t.Fatalf("%s %s: %s", method, path, b)
		}
	}
	return resp.StatusCode, v
}

func (e *edge) must(token, method, path, body, key string) map[string]any {
	e.t.Helper()
	status, v := e.do(token, method, path, body, key)
	if status >= 300 {
		e.t.Fatalf("%s %s: %d %v", method, path, status, v)
	}
	return v
}

type edgePerson struct{ id, token string }

func (e *edge) signUp(name string) edgePerson {
	e.t.Helper()
	v := e.must("", "POST", "/signup", fmt.Sprintf(`{"login_name":%q,"password":"correct horse","display_name":%q,"want_token":true}`, name, name), "")
	return edgePerson{v["me"].(map[string]any)["id"].(string), v["token"].(string)}
}

func msgID(n int) string { return fmt.Sprintf("0190b0c4-7e6b-7c3a-9d3f-%012x", n) }

// The statements of the store keep out whom the routes say they keep out: all
// that is refused in api/testdata/roles.tsv, and all that may be read.
func TestRolesOverPostgreSQL(t *testing.T) {
	e := startEdge(t)
	who := map[string]edgePerson{"anonymous": {}}
	for _, name := range []string{"root", "owner", "member", "gadmin", "removed", "disabled", "stranger", "extra", "second"} {
		who[name] = e.signUp(name)
	}
	who["admin"] = who["gadmin"]
	owner := who["owner"].token
	group := e.must(owner, "POST", "/channels", fmt.Sprintf(`{"key":%q,"name":"g","members":[%q,%q,%q,%q,%q]}`, msgID(1),
		who["member"].id, who["admin"].id, who["removed"].id, who["disabled"].id, who["second"].id), "")["id"].(string)
	at := "/channels/" + group
	e.must(owner, "PATCH", at+"/members/"+who["admin"].id, `{"role":2}`, "")
	say := func(by string, n int) string {
		return fmt.Sprint(e.must(who[by].token, "POST", at+"/messages", `{"body":"x"}`, msgID(n))["seq"])
	}
	memberSeq, ownerSeq, removedSeq := say("member", 2), say("owner", 3), say("removed", 4)
	e.must(owner, "DELETE", at+"/members/"+who["removed"].id, "", "")
	invite := e.must(owner, "POST", at+"/invites", `{}`, "")
	direct := e.must(owner, "POST", "/direct", fmt.Sprintf(`{"user":%q}`, who["extra"].id), "")["id"].(string)
	e.must(owner, "POST", "/channels/"+direct+"/messages", `{"body":"private"}`, msgID(5))
	bot := e.must(owner, "POST", "/bots", `{"login_name":"ownersbot"}`, "")["user"].(map[string]any)["id"].(string)
	hook := e.must(owner, "POST", at+"/hooks", `{"name":"builds"}`, "")
	e.must(who["root"].token, "POST", "/admin/users/"+who["disabled"].id+"/disable", "", "")

	table, err := os.ReadFile("api/testdata/roles.tsv")
	if err != nil {
		t.Fatal(err)
	}
	asked := 0
	for line := range strings.Lines(string(table)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		cells := strings.Split(line, "\t")
		want := append(strings.Fields(cells[3]), "401", "401")
		for i, role := range []string{"stranger", "member", "admin", "owner", "removed", "root", "anonymous", "disabled"} {
			if want[i] < "400" && cells[0] != "GET" {
				continue // it would change the stage; the sweep in memory does these
			}
			self := who[role].id
			if self == "" {
				self = "1"
			}
			fill := strings.NewReplacer("{G}", group, "{D}", direct, "{self}", self, "{member}", who["member"].id, "{second}", who["second"].id,
				"{extra}", who["extra"].id, "{owner}", who["owner"].id, "{root}", who["root"].id, "{code}", invite["code"].(string),
				"{invite}", invite["id"].(string), "{memberSeq}", memberSeq, "{ownerSeq}", ownerSeq, "{removedSeq}", removedSeq,
				"{bot}", bot, "{hook}", hook["id"].(string), "{speaker}", hook["bot"].(string))
			body := ""
			if cells[2] != "-" {
				body = fill.Replace(cells[2])
			}
			status, v := e.do(who[role].token, cells[0], fill.Replace(cells[1]), body, msgID(99))
			if fmt.Sprint(status) != want[i] {
				t.Errorf("%s %s %s as %s: %d, want %s: %v", cells[0], cells[1], cells[2], role, status, want[i], v)
			}
			asked++
		}
	}
	if asked < 300 {
		t.Errorf("only %d requests were made", asked)
	}
}

// Two people over PostgreSQL: what one sends is acknowledged, delivered and
// kept, and a repeated send is answered as the first.
func TestTwoPeopleOverPostgreSQL(t *testing.T) {
	e := startEdge(t)
	ann, bob := e.signUp("ann"), e.signUp("bob")
	channel := e.must(ann.token, "POST", "/direct", fmt.Sprintf(`{"user":%q}`, bob.id), "")["id"].(string)
	a, b := e.dial(ann), e.dial(bob)
	a.send(`{"op":"resume","v":1,"pos":0}`)
	b.send(`{"op":"resume","v":1,"pos":0}`)
	a.next("resumed")
	b.next("resumed")
	for i := 1; i <= 20; i++ {
		a.send(fmt.Sprintf(`{"op":"send","channel":%q,"client_msg_id":%q,"body":"안녕 %d"}`, channel, msgID(i), i))
	}
	for i := 1; i <= 20; i++ {
		if ack := a.next("ack"); ack["client_msg_id"] != msgID(int(ack["seq"].(float64))) {
			t.Errorf("sends were reordered: %v", ack)
		}
		if m := b.next("msg")["message"].(map[string]any); m["seq"] != float64(i) || m["body"] != fmt.Sprintf("안녕 %d", i) {
			t.Errorf("message %d came as %v", i, m)
		}
	}
	if status, v := e.do(ann.token, "POST", "/channels/"+channel+"/messages", `{"body":"안녕 7"}`, msgID(7)); status != 200 || v["seq"] != 7.0 || v["dup"] != true {
		t.Errorf("a repeated send: %d %v", status, v)
	}
	if status, v := e.do(ann.token, "POST", "/channels/"+channel+"/messages", `{"body":"other"}`, msgID(7)); status != 409 {
		t.Errorf("the same id with another body: %d %v", status, v)
	}
	page := e.must(bob.token, "GET", "/channels/"+channel+"/messages?after=0&limit=200", "", "")
	if n := len(page["messages"].([]any)); n != 20 {
		t.Errorf("%d messages are kept", n)
	}
}

// plug is a socket of one edgePerson.
type plug struct {
	t    *testing.T
	conn *websocket.Conn
}

func (e *edge) dial(p edgePerson) *plug {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), patience)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(e.url, "http")+"/api/v1/ws",
		&websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + p.token}}, Subprotocols: []string{"gori.v1"}})
	if err != nil {
		e.t.Fatal(err)
	}
	conn.SetReadLimit(8 << 20)
	e.t.Cleanup(func() { _ = conn.CloseNow() })
	return &plug{e.t, conn}
}

func (p *plug) send(frame string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	if err := p.conn.Write(ctx, websocket.MessageText, []byte(frame)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *plug) next(op string) map[string]any {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	for {
		_, b, err := p.conn.Read(ctx)
		if err != nil {
			p.t.Fatalf("waiting for %s: %v", op, err)
		}
		var frame map[string]any
		if err := json.Unmarshal(b, &frame); err != nil {
			p.t.Fatal(err)
		}
		if frame["op"] == op {
			return frame
		}
	}
}
