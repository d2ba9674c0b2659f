package api

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"gori/chat"
)

// listen serves the system on a real address.
func (sys *system) listen() string {
	sys.t.Helper()
	srv := httptest.NewUnstartedServer(nil)
	srv.Config = sys.api.httpServer(sys.api.Public())
	srv.Start()
	sys.t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// wsClient is a socket of someone; each frame that comes is held against
// frames.schema.json.
type wsClient struct {
	t    testing.TB
	conn *websocket.Conn
}

func dialAs(t testing.TB, addr, path string, header http.Header) (*wsClient, *http.Response, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, "ws://"+addr+path, &websocket.DialOptions{HTTPHeader: header, Subprotocols: []string{subprotocol}})
	if err != nil {
		return nil, resp, err
	}
	conn.SetReadLimit(8 << 20)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &wsClient{t, conn}, resp, nil
}

func bearer(who actor) http.Header { return http.Header{"Authorization": {"Bearer " + who.token}} }

func mustDial(t testing.TB, addr string, who actor) *wsClient {
	t.Helper()
	c, _, err := dialAs(t, addr, "/n/n1/ws", bearer(who))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *wsClient) send(frame any) {
	c.t.Helper()
	b, ok := frame.(string)
	if !ok {
		enc, err := json.Marshal(frame)
		if err != nil {
			c.t.Fatal(err)
		}
		b = string(enc)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := c.conn.Write(ctx, websocket.MessageText, []byte(b)); err != nil {
		c.t.Fatal(err)
	}
}

// next returns the next frame of one of the ops.
func (c *wsClient) next(ops ...string) object {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		_, b, err := c.conn.Read(ctx)
		if err != nil {
			c.t.Fatalf("waiting for %v: %v", ops, err)
		}
		if err := checkFrame(c.t, "server", b); err != nil {
			c.t.Errorf("the frame %s: %v", b, err)
		}
		var frame object
		if err := json.Unmarshal(b, &frame); err != nil {
			c.t.Fatal(err)
		}
		for _, op := range ops {
			if frame["op"] == op {
				return frame
			}
		}
	}
}

// closed reads until the server closes and returns its code.
func (c *wsClient) closed() websocket.StatusCode {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		if _, _, err := c.conn.Read(ctx); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				c.t.Fatal("the server did not close")
			}
			return websocket.CloseStatus(err)
		}
	}
}

func (c *wsClient) resume() object {
	c.t.Helper()
	c.send(object{"op": "resume", "v": 1, "pos": 0})
	return c.next("resumed")
}

func TestTwoPeopleChat(t *testing.T) {
	sys := newSystem(t, nil)
	addr := sys.listen()
	ann, bob := sys.signUp("ann"), sys.signUp("bob")
	channel := sys.must(ann, "POST", "/direct", object{"user": bob.id}).text("id")
	a, b := mustDial(t, addr, ann), mustDial(t, addr, bob)
	if got := a.resume(); got["me"].(object)["id"] != ann.id || got["node"] != "n1" {
		t.Errorf("resumed says %v", got)
	}
	b.resume()
	b.send(object{"op": "open", "channel": channel})
	b.next("presence")
	a.send(object{"op": "send", "channel": channel, "client_msg_id": uuid(1), "body": "안녕"})
	if ack := a.next("ack"); ack["seq"] != 1.0 || ack["client_msg_id"] != uuid(1) {
		t.Errorf("ack %v", ack)
	}
	if m := b.next("msg")["message"].(object); m["body"] != "안녕" || m["sender"] != ann.id {
		t.Errorf("msg %v", m)
	}
	if e := b.next("inbox")["entries"].([]any)[0].(object); e["last_n"] != 1.0 {
		t.Errorf("inbox %v", e)
	}
	b.send(object{"op": "typing", "channel": channel})
	a.next("typing")
	b.send(object{"op": "read", "channel": channel, "seq": 1})
	b.next("inbox")
	sys.must(bob, "PUT", "/channels/"+channel+"/messages/1/reactions/👍", nil)
	if m := a.next("change")["message"].(object); m["change"] != 1.0 {
		t.Errorf("change %v", m)
	}
	a.send(object{"op": "send", "channel": channel, "client_msg_id": uuid(1), "body": "안녕"})
	if ack := a.next("ack"); ack["seq"] != 1.0 || ack["dup"] != true {
		t.Errorf("ack of a repeated send %v", ack)
	}
	a.send(object{"op": "send", "channel": channel, "client_msg_id": uuid(1), "body": "other"})
	if nack := a.next("nack"); nack["code"] != "client_msg_id_reused" {
		t.Errorf("nack %v", nack)
	}
	a.send(object{"op": "ping", "active": true})
	a.next("pong")
	a.send(object{"op": "bye"})
	if code := a.closed(); code != 1000 {
		t.Errorf("bye was answered with %d", code)
	}
}

// Bodies at the greatest size in every kind of writing reach the other side
// (B13). Over the limit they are refused and the session lives.
func TestTheGreatestBodies(t *testing.T) {
	sys := newSystem(t, nil)
	addr := sys.listen()
	ann, bob := sys.signUp("ann"), sys.signUp("bob")
	channel := sys.must(ann, "POST", "/direct", object{"user": bob.id}).text("id")
	a, b := mustDial(t, addr, ann), mustDial(t, addr, bob)
	a.resume()
	b.resume()
	for i, c := range []string{"x", "한", "😀", "\""} {
		body := strings.Repeat(c, chat.MaxBodyChars)
		a.send(object{"op": "send", "channel": channel, "client_msg_id": uuid(i), "body": body})
		a.next("ack")
		if m := b.next("msg")["message"].(object); m["body"] != body {
			t.Errorf("100,000 times %q arrived as %d bytes", c, len(m["body"].(string)))
		}
		a.send(object{"op": "send", "channel": channel, "client_msg_id": uuid(100 + i), "body": body + c})
		if nack := a.next("nack"); nack["code"] != "too_long" {
			t.Errorf("100,001 times %q: %v", c, nack)
		}
		sys.must(ann, "POST", "/channels/"+channel+"/messages", object{"body": body}, "Idempotency-Key", uuid(200+i))
		b.next("msg")
	}
	escaped := `{"op":"send","channel":"` + channel + `","client_msg_id":"` + uuid(50) + `","body":"` + strings.Repeat(`\ud55c`, chat.MaxBodyChars) + `"}`
	a.send(escaped)
	a.next("ack")
	pairs := `{"body":"` + strings.Repeat(`\ud83d\ude00`, chat.MaxBodyChars) + `"}`
	sys.must(ann, "POST", "/channels/"+channel+"/messages", pairs, "Idempotency-Key", uuid(51))
}

// Whoever may not have a socket is refused before the upgrade (B1, B3, E2).
func TestHandshakesRefused(t *testing.T) {
	sys := newSystem(t, nil)
	addr := sys.listen()
	ann := sys.signUp("ann")
	with := func(pairs ...string) http.Header {
		h := http.Header{}
		for i := 0; i+1 < len(pairs); i += 2 {
			h.Add(pairs[i], pairs[i+1])
		}
		return h
	}
	cookie := "gori=" + ann.token
	token := "Bearer " + ann.token
	cases := []struct {
		name   string
		path   string
		header http.Header
		want   int
	}{
		{"nobody", "/n/n1/ws", with(), 401},
		{"a made-up token", "/n/n1/ws", with("Authorization", "Bearer "+ann.id+"."+strings.Repeat("A", 43)), 401},
		{"another user's id before the secret", "/n/n1/ws", with("Authorization", "Bearer 9"+ann.token), 401},
		{"basic", "/n/n1/ws", with("Authorization", "Basic "+ann.token), 401},
		{"token in the query", "/n/n1/ws?token=" + ann.token, with(), 401},
		{"a cookie without Origin", "/n/n1/ws", with("Cookie", cookie), 403},
		{"a cookie and a foreign Origin", "/n/n1/ws", with("Cookie", cookie, "Origin", "https://evil.test"), 403},
		{"null Origin", "/n/n1/ws", with("Cookie", cookie, "Origin", "null"), 403},
		{"other scheme", "/n/n1/ws", with("Cookie", cookie, "Origin", "https://chat.test"), 403},
		{"other port", "/n/n1/ws", with("Cookie", cookie, "Origin", "http://chat.test:81"), 403},
		{"suffix", "/n/n1/ws", with("Cookie", cookie, "Origin", "http://chat.test.evil.test"), 403},
		{"prefix", "/n/n1/ws", with("Cookie", cookie, "Origin", "http://evilchat.test"), 403},
		{"upper case", "/n/n1/ws", with("Cookie", cookie, "Origin", "HTTP://CHAT.TEST"), 403},
		{"trailing slash", "/n/n1/ws", with("Cookie", cookie, "Origin", "http://chat.test/"), 403},
		{"two Origins", "/n/n1/ws", with("Cookie", cookie, "Origin", testOrigin, "Origin", "https://evil.test"), 403},
		{"the request's own host as Origin", "/n/n1/ws", with("Cookie", cookie, "Origin", "http://"+addr), 403},
		{"a token and a foreign Origin", "/n/n1/ws", with("Authorization", token, "Origin", "https://evil.test"), 403},
		{"a bad token beside a good cookie", "/n/n1/ws", with("Authorization", "Bearer x", "Cookie", cookie, "Origin", testOrigin), 401},
		{"two cookies", "/n/n1/ws", with("Cookie", cookie+"; gori=other", "Origin", testOrigin), 401},
		{"the secure cookie's name over http", "/n/n1/ws", with("Cookie", "__Host-gori="+ann.token, "Origin", testOrigin), 401},
		{"other node", "/n/n2/ws", with("Authorization", token), 404},
		{"good cookie", "/n/n1/ws", with("Cookie", cookie, "Origin", testOrigin), 101},
		{"good token", "/api/v1/ws", with("Authorization", token), 101},
	}
	for _, c := range cases {
		_, resp, err := dialAs(t, addr, c.path, c.header)
		if resp == nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if resp.StatusCode != c.want {
			t.Errorf("%s: %d, want %d", c.name, resp.StatusCode, c.want)
		}
	}
	if n := sys.svc.Hub().Stats().Sessions; n > 2 {
		t.Errorf("%d sessions", n)
	}
}

// B2: handshakes that are none.
func TestBrokenHandshakes(t *testing.T) {
	sys := newSystem(t, nil)
	addr := sys.listen()
	ann := sys.signUp("ann")
	good := []string{"Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="}
	without := func(i int, more ...string) []string {
		return append(append(append([]string{}, good[:i]...), good[i+1:]...), more...)
	}
	cases := []struct {
		name, line string
		headers    []string
		want       []int
	}{
		{"HTTP/1.0", "GET /n/n1/ws HTTP/1.0", good, []int{426}},
		{"no Upgrade", "GET /n/n1/ws HTTP/1.1", without(1), []int{426}},
		{"no Connection", "GET /n/n1/ws HTTP/1.1", without(0), []int{426}},
		{"version 8", "GET /n/n1/ws HTTP/1.1", without(2, "Sec-WebSocket-Version: 8"), []int{400}},
		{"no key", "GET /n/n1/ws HTTP/1.1", without(3), []int{400}},
		{"short key", "GET /n/n1/ws HTTP/1.1", without(3, "Sec-WebSocket-Key: aGk="), []int{400}},
		{"two keys", "GET /n/n1/ws HTTP/1.1", append(good, good[3]), []int{400}},
		{"POST", "POST /n/n1/ws HTTP/1.1", append(good, "Content-Length: 0"), []int{405}},
		{"other sub-protocol", "GET /n/n1/ws HTTP/1.1", append(good, "Sec-WebSocket-Protocol: mqtt"), []int{400}},
		{"64 KB of headers", "GET /n/n1/ws HTTP/1.1", append(good, "X-Big: "+strings.Repeat("x", 64<<10)), []int{431}},
		{"more Connection tokens", "GET /n/n1/ws HTTP/1.1", without(0, "Connection: keep-alive, Upgrade, x"), []int{101}},
		{"deflate offered", "GET /n/n1/ws HTTP/1.1", append(good, "Sec-WebSocket-Extensions: permessage-deflate"), []int{101}},
	}
	for _, c := range cases {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		head := c.line + "\r\nHost: chat.test\r\nAuthorization: Bearer " + ann.token + "\r\n" + strings.Join(c.headers, "\r\n") + "\r\n\r\n"
		go func() { _, _ = conn.Write([]byte(head)) }()
		resp := readResponse(t, c.name, conn)
		if resp.StatusCode != c.want[0] {
			t.Errorf("%s: %d, want %d", c.name, resp.StatusCode, c.want[0])
		}
		if resp.Header.Get("Sec-WebSocket-Extensions") != "" {
			t.Errorf("%s: compression was agreed on", c.name)
		}
		_ = conn.Close()
	}
}
