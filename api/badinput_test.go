package api

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"gori/chat"
)

// Bodies that are no good (B11–B18, B26): a code, never a fault of ours.
func TestBadBodies(t *testing.T) {
	sys := newSystem(t, nil)
	ann, bob := sys.signUp("ann"), sys.signUp("bob")
	channel := sys.must(ann, "POST", "/direct", object{"user": bob.id}).text("id")
	messages := "/channels/" + channel + "/messages"
	deep := strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000)
	cases := []struct {
		name, method, path, body string
		want                     chat.Code
	}{
		{"NUL escaped", "POST", messages, `{"body":"a\u0000b"}`, chat.CodeBadText},
		{"NUL raw", "POST", messages, "{\"body\":\"a\x00b\"}", chat.CodeBadText},
		{"bad UTF-8", "POST", messages, "{\"body\":\"a\xffb\"}", chat.CodeBadText},
		{"lone surrogate", "POST", messages, `{"body":"\ud800"}`, chat.CodeBadText},
		{"surrogates the wrong way round", "POST", messages, `{"body":"\udc00\ud800"}`, chat.CodeBadText},
		{"empty", "POST", messages, `{"body":""}`, chat.CodeEmpty},
		{"blank", "POST", messages, `{"body":" \n\t\u200b\u3164"}`, chat.CodeEmpty},
		{"100,001 characters", "POST", messages, `{"body":"` + strings.Repeat("가", 100_001) + `"}`, chat.CodeTooLong},
		{"over the bytes of a request", "POST", messages, `{"body":"` + strings.Repeat("x", maxSendBody) + `"}`, chat.CodeTooLong},
		{"no JSON", "POST", messages, `body=x`, chat.CodeBadRequest},
		{"nothing", "POST", messages, ``, chat.CodeBadRequest},
		{"null", "POST", messages, `null`, chat.CodeBadRequest},
		{"a list", "POST", messages, `[{"body":"x"}]`, chat.CodeBadRequest},
		{"BOM", "POST", messages, "\ufeff" + `{"body":"x"}`, chat.CodeBadRequest},
		{"comment", "POST", messages, `{"body":"x"/**/}`, chat.CodeBadRequest},
		{"two documents", "POST", messages, `{"body":"x"}{"body":"y"}`, chat.CodeBadRequest},
		{"something behind", "POST", messages, `{"body":"x"} x`, chat.CodeBadRequest},
		{"cut", "POST", messages, `{"body":"x"`, chat.CodeBadRequest},
		{"deep", "POST", messages, `{"body":` + deep + `}`, chat.CodeBadRequest},
		{"unknown key", "POST", messages, `{"body":"x","admin":true}`, chat.CodeBadRequest},
		{"key twice", "POST", messages, `{"body":"x","body":"y"}`, chat.CodeBadRequest},
		{"key in another case", "POST", messages, `{"Body":"x"}`, chat.CodeBadRequest},
		{"number for a text", "POST", messages, `{"body":1}`, chat.CodeBadRequest},
		{"fraction for a seq", "POST", messages, `{"body":"x","reply_to":1.5}`, chat.CodeBadRequest},
		{"1e400", "POST", messages, `{"body":"x","reply_to":1e400}`, chat.CodeBadRequest},
		{"NaN", "POST", messages, `{"body":"x","reply_to":NaN}`, chat.CodeBadRequest},
		{"negative seq", "POST", messages, `{"body":"x","reply_to":-1}`, chat.CodeBadRequest},
		{"seq beyond 63 bits", "POST", messages, `{"body":"x","reply_to":9223372036854775808}`, chat.CodeBadRequest},
		{"reply to what is not there", "POST", messages, `{"body":"x","reply_to":99}`, chat.CodeNotFound},
		{"mention by number", "POST", messages, `{"body":"x","mentions":[5]}`, chat.CodeBadRequest},
		{"mention 0", "POST", messages, `{"body":"x","mentions":["0"]}`, chat.CodeBadID},
		{"mention with a zero before", "POST", messages, `{"body":"x","mentions":["05"]}`, chat.CodeBadID},
		{"101 mentions", "POST", messages, `{"body":"x","mentions":["1"` + strings.Repeat(`,"2"`, 100) + `]}`, chat.CodeTooLong},
		{"emoji of 100 KB", "PUT", messages + "/1/reactions/" + strings.Repeat("x", 8000), ``, chat.CodeTooLong},
		{"object for an id", "POST", "/direct", `{"user":{"$gt":""}}`, chat.CodeBadRequest},
		{"password of 7", "POST", "/password", `{"old":"x","new":"1234567"}`, chat.CodeBadRequest},
		{"password of 1 KB", "POST", "/password", `{"old":"x","new":"` + strings.Repeat("x", 1000) + `"}`, chat.CodeTooLong},
		{"password of 1 MB", "POST", "/password", `{"old":"x","new":"` + strings.Repeat("x", 1<<20) + `"}`, chat.CodeTooLong},
		{"password with NUL", "POST", "/password", `{"old":"x","new":"1234567\u00008"}`, chat.CodeBadText},
		{"name with a line break", "PATCH", "/me", `{"display_name":"a\nb"}`, chat.CodeBadText},
		{"name with ANSI", "PATCH", "/me", `{"display_name":"\u001b[31mred"}`, chat.CodeBadText},
		{"name that turns the writing", "PATCH", "/me", `{"display_name":"a\u202eb"}`, chat.CodeBadText},
		{"colour 12", "PATCH", "/me", `{"avatar_color":12}`, chat.CodeBadRequest},
		{"501 people's presence", "POST", "/presence", `{"users":["1"` + strings.Repeat(`,"2"`, 500) + `]}`, chat.CodeTooLong},
	}
	for _, c := range cases {
		var body any
		if c.method != "PUT" {
			body = c.body
		}
		a := sys.do(ann, c.method, c.path, body, "Idempotency-Key", uuid(1))
		if a.code() != c.want {
			t.Errorf("%s: %d %s, want %s", c.name, a.status, a.body, c.want)
		}
	}
	for _, ct := range []string{"", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=euc-kr", "application/jsonp", "multipart/form-data"} {
		if a := sys.do(ann, "POST", messages, `{"body":"x"}`, "Content-Type", ct, "Idempotency-Key", uuid(1)); a.code() != chat.CodeBadRequest {
			t.Errorf("content type %q: %d %s", ct, a.status, a.body)
		}
	}
	if h := sys.must(bob, "GET", messages, nil); len(h.field("messages").([]any)) != 0 {
		t.Errorf("something was stored: %s", h.body)
	}
}

// Ids and queries that are not canonical (B18, B20, B21, B34).
func TestBadPathsAndQueries(t *testing.T) {
	sys := newSystem(t, nil)
	ann, bob := sys.signUp("ann"), sys.signUp("bob")
	channel := sys.must(ann, "POST", "/direct", object{"user": bob.id}).text("id")
	sys.say(ann, channel, 1, "x")
	for _, id := range []string{"0", "-1", "01", "+1", "1.0", "1e3", "0x10", "%31x", "9223372036854775808", "１", strings.Repeat("1", 5000), "%00", "null"} {
		for _, path := range []string{"/channels/" + id, "/users/" + id, "/channels/" + channel + "/messages/" + id} {
			method := "GET"
			if strings.Contains(path, "messages") {
				method = "DELETE"
			}
			if a := sys.do(ann, method, path, nil); a.status != 400 && a.status != 404 {
				t.Errorf("%s %s: %d %s", method, path, a.status, a.body)
			}
		}
	}
	at := "/channels/" + channel + "/messages"
	for query, want := range map[string]int{
		"?limit=-1": 400, "?limit=0": 400, "?limit=x": 400, "?limit=1000000000": 200, "?after=-1": 400, "?after=0": 200, "?after=99999": 200,
		"?after=9223372036854775808": 400, "?before=0": 400, "?after=1&before=1": 400, "?after=1&after=2": 400, "?offset=1": 400,
		"?after=01": 400, "?after=%zz": 400, "?around=99999": 200, "?date=-1": 400, "?thread=99999": 200, "?after=1;before=2": 400,
	} {
		if a := sys.do(ann, "GET", at+query, nil); a.status != want {
			t.Errorf("%s: %d %s, want %d", query, a.status, a.body, want)
		}
	}
	for query, want := range map[string]int{"?find=%25": 200, "?find=_": 200, "?find=%5C": 200, "?find=" + strings.Repeat("a", 5000): 413,
		"?find=%00": 400, "?find=%FF": 400, "": 400, "?find=a&ids=1": 400, "?ids=": 400, "?ids=1,,2": 400, "?ids=x": 400,
		"?ids=1" + strings.Repeat(",2", 200): 413, "?ids=999999": 200} {
		a := sys.do(bob, "GET", "/users"+query, nil)
		if a.status != want {
			t.Errorf("/users%.40s: %d %s, want %d", query, a.status, a.body, want)
		}
		if strings.HasPrefix(query, "?find=%25") || query == "?find=_" {
			if n := len(a.field("users").([]any)); n != 0 {
				t.Errorf("/users%s found %d people: a pattern is taken for one", query, n)
			}
		}
	}
	for _, key := range []string{"", "x", strings.ToUpper(uuid(10)), "00000000-0000-0000-0000-000000000000", "{" + uuid(1) + "}", strings.Repeat("a", 10<<10)} {
		if a := sys.do(ann, "POST", at, object{"body": "x"}, "Idempotency-Key", key); a.code() != chat.CodeBadID {
			t.Errorf("key %.40q: %d %s", key, a.status, a.body)
		}
	}
	if a := sys.do(ann, "PUT", "/channels/"+channel+"/read", object{"seq": 1 << 40}); a.status != 200 || a.field("read_seq") != 1.0 {
		t.Errorf("a read mark beyond the end: %d %s", a.status, a.body)
	}
	if a := sys.do(ann, "GET", "/inbox?after=999999", nil); a.status != 200 {
		t.Errorf("an inbox position beyond the end: %d %s", a.status, a.body)
	}
}

// The same key sent by many at once: one message, one answer (B20).
func TestOneKeyManyAtOnce(t *testing.T) {
	sys := newSystem(t, nil)
	ann, bob := sys.signUp("ann"), sys.signUp("bob")
	channel := sys.must(ann, "POST", "/direct", object{"user": bob.id}).text("id")
	answers := make(chan answered)
	for range 20 {
		go func() {
			answers <- sys.do(ann, "POST", "/channels/"+channel+"/messages", object{"body": "x"}, "Idempotency-Key", uuid(7))
		}()
	}
	made := 0
	for range 20 {
		a := <-answers
		if a.field("seq") != 1.0 {
			t.Errorf("%d %s", a.status, a.body)
		}
		if a.status == http.StatusCreated {
			made++
		}
	}
	if made != 1 {
		t.Errorf("%d answers say that the message was made", made)
	}
}

// Raw HTTP that proxies and servers have read differently (B24, B23).
func TestRawHTTP(t *testing.T) {
	sys := newSystem(t, nil)
	addr := sys.listen()
	post := "POST /api/v1/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	cases := []struct {
		name, request string
		want          []int
	}{
		{"length and chunks", post + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", []int{400}},
		{"two lengths", post + "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}", []int{400}},
		{"two equal lengths", post + "Content-Length: 2\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}", []int{400, 403}},
		{"negative length", post + "Content-Length: -1\r\n\r\n", []int{400}},
		{"unknown coding", post + "Transfer-Encoding: gzip\r\n\r\n", []int{501, 400}},
		{"space before the colon", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A : b\r\n\r\n", []int{400}},
		{"folded header", "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: b\r\n c\r\nConnection: close\r\n\r\n", []int{200, 400}},
		{"no host", "GET /healthz HTTP/1.1\r\n\r\n", []int{400}},
		{"two hosts", "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", []int{400}},
		{"method override", "GET /api/v1/logout HTTP/1.1\r\nHost: x\r\nX-HTTP-Method-Override: POST\r\nConnection: close\r\n\r\n", []int{405, 401}},
		{"double slash", "GET //evil.test/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []int{200, 404}},
		{"encoded way out", "GET /%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []int{200, 404}},
		{"backslash", "GET /\\evil.test HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []int{200, 404, 400}},
		{"absolute form", "GET http://evil.test/healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []int{200}},
		{"trailing slash", "GET /api/v1/config/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []int{404}},
		{"TRACE", "TRACE /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []int{405}},
		{"unknown method", "BREW /api/v1/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", []int{405, 501}},
	}
	for _, c := range cases {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(patience))
		if _, err := io.WriteString(conn, c.request); err != nil {
			t.Fatal(err)
		}
		resp := readResponse(t, c.name, conn)
		ok := false
		for _, want := range c.want {
			ok = ok || resp.StatusCode == want
		}
		if !ok {
			t.Errorf("%s: %d, want one of %v", c.name, resp.StatusCode, c.want)
		}
		if loc := resp.Header.Get("Location"); loc != "" {
			t.Errorf("%s: redirected to %s", c.name, loc)
		}
		_ = conn.Close()
	}
}

// A body that never ends is cut off at its limit, whatever length it claims.
func TestEndlessBody(t *testing.T) {
	sys := newSystem(t, nil)
	ann := sys.signUp("ann")
	req := sys.request("POST", "/direct", nil)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+ann.token)
	read := &countingReader{}
	req.Body, req.ContentLength = io.NopCloser(read), -1
	if a := sys.serve(req); a.code() != chat.CodeTooLong || read.n > maxSmallBody+1<<16 {
		t.Errorf("%d %s after %d bytes", a.status, a.body, read.n)
	}
}

type countingReader struct{ n int }

func (c *countingReader) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	c.n += len(p)
	return len(p), nil
}

// What a request may do is limited by its address, and says when to come back.
func TestTooManyRequests(t *testing.T) {
	sys := newSystem(t, func(c *Config, _ *chat.PeopleDeps) {
		c.Limits.Requests = Rate{Burst: 5, Every: time.Hour}
	})
	var last answered
	for i := range 6 {
		req := sys.request("GET", "/config", nil)
		req.RemoteAddr = fmt.Sprintf("203.0.113.9:%d", 1000+i)
		last = sys.serve(req)
	}
	if last.code() != chat.CodeRateLimited || last.status != 429 || last.header.Get("Retry-After") == "" || last.field("error", "retry") != true {
		t.Errorf("%d %v %s", last.status, last.header, last.body)
	}
	other := sys.request("GET", "/config", nil)
	other.RemoteAddr = "203.0.113.10:1"
	if a := sys.serve(other); a.status != 200 {
		t.Errorf("another address: %d", a.status)
	}
}
