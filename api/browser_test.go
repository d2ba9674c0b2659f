package api

import (
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"gori/chat"
)

// fromBrowser makes a request as a browser on a page of origin would.
func (sys *system) fromBrowser(method, path, origin, cookie string, body any) *http.Request {
	req := sys.request(method, path, body)
	if origin != "" {
		req.Header.Set("Origin", origin)
	}
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	return req
}

func cookieOf(a answered) *http.Cookie {
	resp := http.Response{Header: a.header}
	for _, c := range resp.Cookies() {
		return c
	}
	return nil
}

func TestTheCookie(t *testing.T) {
	for _, secure := range []bool{false, true} {
		sys := newSystem(t, func(c *Config, _ *chat.PeopleDeps) {
			c.PublicURLs = []string{"http://chat.test", "https://chat.test"}
			c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		})
		origin, name := "http://chat.test", "gori"
		if secure {
			origin, name = "https://chat.test", "__Host-gori"
		}
		ask := func(method, path, cookie string, body any) answered {
			req := sys.fromBrowser(method, path, origin, cookie, body)
			if secure {
				req.Header.Set("X-Forwarded-Proto", "https")
				req.Header.Set("X-Forwarded-For", "127.0.0.1")
			}
			return sys.serve(req)
		}
		a := ask("POST", "/signup", "", object{"login_name": "ann", "password": testPassword, "display_name": "Ann"})
		c := cookieOf(a)
		if a.status != 201 || c == nil || a.field("token") != nil {
			t.Fatalf("%d %s %v", a.status, a.body, c)
		}
		if c.Name != name || !c.HttpOnly || c.Secure != secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge <= 0 {
			t.Errorf("the cookie is %v", c)
		}
		if hsts := a.header.Get("Strict-Transport-Security"); (hsts != "") != secure {
			t.Errorf("Strict-Transport-Security: %q", hsts)
		}
		cookie := c.Name + "=" + c.Value
		if me := ask("GET", "/me", cookie, nil); me.text("login_name") != "ann" {
			t.Errorf("%d %s", me.status, me.body)
		}
		out := ask("POST", "/logout", cookie, nil)
		if gone := cookieOf(out); out.status != 204 || gone == nil || gone.MaxAge >= 0 {
			t.Errorf("logging out: %d %v", out.status, gone)
		}
		if me := ask("GET", "/me", cookie, nil); me.status != 401 {
			t.Errorf("after logging out: %d", me.status)
		}
	}
}

// Cookies that are no good (B32).
func TestBadCookies(t *testing.T) {
	sys := newSystem(t, nil)
	ann := sys.signUp("ann")
	for name, cookie := range map[string]string{
		"two of one name": "gori=" + ann.token + "; gori=" + ann.token,
		"not base64":      "gori=" + ann.id + "." + strings.Repeat("!", 43),
		"8 KB":            "gori=" + strings.Repeat("a", 8<<10),
		"empty":           "gori=",
		"another name":    "__Host-gori=" + ann.token,
		"no secret":       "gori=" + ann.id + ".",
		"longer":          "gori=" + ann.token + "A",
		"another user":    "gori=1" + ann.token,
	} {
		if a := sys.serve(sys.fromBrowser("GET", "/me", testOrigin, cookie, nil)); a.status != 401 {
			t.Errorf("%s: %d", name, a.status)
		}
	}
	if a := sys.do(actor{token: ann.token}, "GET", "/me", nil, "Cookie", "gori=nonsense"); a.status != 200 {
		t.Errorf("a bearer request is judged by its cookie: %d", a.status)
	}
	if a := sys.serve(sys.fromBrowser("GET", "/me?token="+ann.token, "", "", nil)); a.status != 401 {
		t.Errorf("a token in the query: %d", a.status)
	}
}

// Pages of others can do nothing with the visitor's cookie, nor give him one
// (B33, CVE-2026-28741, CVE-2026-27659).
func TestForeignPagesCanDoNothing(t *testing.T) {
	sys := newSystem(t, nil)
	ann := sys.signUp("ann")
	cookie := "gori=" + ann.token
	logIn := object{"login_name": "ann", "password": testPassword}
	cases := []struct {
		name, method, path, origin, cookie, site string
		body                                     any
		want                                     int
	}{
		{"our page", "PATCH", "/me", testOrigin, cookie, "same-origin", object{"status_line": "x"}, 200},
		{"our page in an old browser", "PATCH", "/me", testOrigin, cookie, "", object{"status_line": "x"}, 200},
		{"foreign page", "PATCH", "/me", "https://evil.test", cookie, "cross-site", object{"status_line": "x"}, 403},
		{"foreign page in an old browser", "PATCH", "/me", "https://evil.test", cookie, "", object{"status_line": "x"}, 403},
		{"neighbour on another port", "PATCH", "/me", "http://chat.test:3000", cookie, "same-site", object{"status_line": "x"}, 403},
		{"no Origin", "PATCH", "/me", "", cookie, "", object{"status_line": "x"}, 403},
		{"no Origin, other site", "POST", "/logout", "", cookie, "cross-site", nil, 403},
		{"null Origin", "POST", "/logout", "null", cookie, "cross-site", nil, 403},
		{"log out from a foreign page", "POST", "/logout", "https://evil.test", cookie, "cross-site", nil, 403},
		{"log in from a foreign page", "POST", "/login", "https://evil.test", "", "cross-site", logIn, 403},
		{"log in without Origin for a cookie", "POST", "/login", "", "", "", logIn, 403},
		{"sign up from a foreign page", "POST", "/signup", "https://evil.test", "", "cross-site", object{"login_name": "eve", "password": testPassword, "display_name": "e"}, 403},
		{"read from a foreign page", "GET", "/me", "https://evil.test", cookie, "cross-site", nil, 403},
		{"change by GET", "GET", "/logout", testOrigin, cookie, "same-origin", nil, 405},
	}
	for _, c := range cases {
		req := sys.fromBrowser(c.method, c.path, c.origin, c.cookie, c.body)
		if c.site != "" {
			req.Header.Set("Sec-Fetch-Site", c.site)
		}
		a := sys.serve(req)
		if a.status != c.want {
			t.Errorf("%s: %d %s, want %d", c.name, a.status, a.body, c.want)
		}
		if c.want == 403 && cookieOf(a) != nil {
			t.Errorf("%s: a cookie is set", c.name)
		}
		if a.header.Get("Access-Control-Allow-Origin") != "" {
			t.Errorf("%s: the answer is opened to others", c.name)
		}
	}
	form := sys.fromBrowser("POST", "/login", testOrigin, "", "login_name=ann&password=x")
	form.Header.Set("Content-Type", "text/plain")
	if a := sys.serve(form); a.code() != chat.CodeBadRequest {
		t.Errorf("a form: %d %s", a.status, a.body)
	}
	if a := sys.do(ann, "GET", "/me", nil); a.status != 200 {
		t.Error("the login has ended")
	}
}

// Every answer carries the headers that keep browsers strict (B35).
func TestSecurityHeaders(t *testing.T) {
	sys := newSystem(t, nil)
	ann := sys.signUp("ann")
	for _, path := range []string{"/me", "/config", "/nothing", "/healthz", "/channels/1/messages"} {
		h := sys.do(ann, "GET", path, nil).header
		for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin", "Cache-Control": "no-store, private"} {
			if h.Get(name) != want {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
		if !strings.Contains(h.Get("Content-Security-Policy"), "default-src 'none'") || h.Get("Permissions-Policy") == "" || h.Get("X-Request-Id") == "" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

// The Host header and forwarding headers of clients build nothing and move no
// limit (B25, CVE-2026-6333).
func TestHostAndForwardingHeadersAreNotBelieved(t *testing.T) {
	sys := newSystem(t, nil)
	root := sys.signUp("root")
	for _, path := range []string{"/discover", "/config", "/me"} {
		req := sys.request("GET", path, nil)
		req.Host = "evil.test"
		for _, name := range []string{"X-Forwarded-Host", "X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Original-URL", "X-Rewrite-URL"} {
			req.Header.Set(name, "evil.test")
		}
		req.Header.Set("Authorization", "Bearer "+root.token)
		a := sys.serve(req)
		if strings.Contains(string(a.body), "evil") || strings.Contains(a.header.Get("Location"), "evil") {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	made := sys.must(root, "POST", "/admin/signup_invites", object{"expires_at": time.Now().Add(time.Hour).UnixMilli()})
	if strings.Contains(string(made.body), "://") {
		t.Errorf("an invitation holds a URL: %s", made.body)
	}
}
