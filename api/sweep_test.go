package api

import (
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-chi/chi/v5"

	"gori/chat"
)

// served are all routes of the API, as METHOD and path with parameters filled
// by what may stand there.
func served(t testing.TB, sys *system) (routes [][2]string) {
	t.Helper()
	parameter := regexp.MustCompile(`\{[a-z]+\}`)
	err := chi.Walk(sys.api.public.(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if strings.HasPrefix(route, "/api/v1/") {
			routes = append(routes, [2]string{method, parameter.ReplaceAllString(route, "1")})
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(routes) < 65 {
		t.Fatalf("only %d routes were found", len(routes))
	}
	return routes
}

// hookRoute is the one that no cookie opens, so that there is nothing for a
// foreign page to use.
const hookRoute = "/api/v1/hooks/1"

// Whatever changes something is refused to pages of others that come with the
// visitor's cookie, on every route there is (B33, E28).
func TestEveryChangeIsRefusedToForeignPages(t *testing.T) {
	sys := newSystem(t, nil)
	ann := sys.signUp("ann")
	cookie := "gori=" + ann.token
	changing := 0
	for _, r := range served(t, sys) {
		method, path := r[0], r[1]
		if path == hookRoute {
			continue
		}
		for _, origin := range []string{"https://evil.test", "null", testOrigin + ".evil.test", testOrigin + ":81", "https" + testOrigin[4:]} {
			if a := sys.serve(sys.fromBrowser(method, path, origin, cookie, nil)); a.status != 403 || a.header.Get("Access-Control-Allow-Origin") != "" {
				t.Errorf("%s %s from %s: %d %v", method, path, origin, a.status, a.header)
			}
		}
		if !changes(method) {
			continue
		}
		changing++
		plain := sys.fromBrowser(method, path, "", cookie, nil)
		site := sys.fromBrowser(method, path, "", cookie, nil)
		site.Header.Set("Sec-Fetch-Site", "cross-site")
		for what, req := range map[string]*http.Request{"no Origin": plain, "another site": site} {
			if a := sys.serve(req); a.status != 403 {
				t.Errorf("%s %s with %s: %d %s", method, path, what, a.status, a.body)
			}
		}
	}
	if changing < 40 {
		t.Errorf("only %d routes change something", changing)
	}
	sys.must(ann, "GET", "/me", nil) // none of it logged out
}

// Every route that is asked for by the logged in is asked for as each role by
// testdata/roles.tsv (B47).
func TestEveryRouteHasItsRoles(t *testing.T) {
	sys := newSystem(t, nil)
	table := map[string]bool{}
	for _, c := range roleCases(t) {
		path, _, _ := strings.Cut(c.path, "?")
		rc := chi.NewRouteContext()
		if sys.api.public.(chi.Routes).Match(rc, c.method, "/api/v1"+regexp.MustCompile(`\{[a-zA-Z]+\}`).ReplaceAllString(path, "1")) {
			table[c.method+" "+rc.RoutePattern()] = true
		}
	}
	open := map[string]bool{"GET /api/v1/config": true, "POST /api/v1/signup": true, "POST /api/v1/login": true,
		"POST /api/v1/hooks/{token}": true, "GET /api/v1/ws": true, "PUT /api/v1/me/avatar": true}
	for name := range mustSpec(t).known {
		if strings.Contains(name, " /api/v1/") && !table[name] && !open[name] {
			t.Errorf("%s is not in testdata/roles.tsv", name)
		}
	}
}

// badEverywhere are bodies that no route takes, whatever it is for.
var badEverywhere = map[string]string{
	"nothing": "", "no JSON": "a=b", "null": "null", "a text": `"x"`, "a list": "[]", "BOM": "\ufeff{}", "a comment": "{}//",
	"two documents": "{}{}", "cut": `{"`, "deep": strings.Repeat(`{"a":`, 10_000), "an unknown key": `{"$where":1}`,
	"a prototype": `{"__proto__":{"admin":true}}`, "NUL": "{\"a\x00\":1}", "bad UTF-8": "{\"\xff\":1}", "NaN": `{"a":NaN}`,
	"a lone surrogate": `{"\ud800":1}`, "too long": `{"a":"` + strings.Repeat("x", maxSendBody) + `"}`,
}

// Every route that reads JSON refuses what is none, with a code and without a
// fault of ours, for people and bots (B11, B12, B16–B18).
func TestEveryBodyIsReadStrictly(t *testing.T) {
	sys := newSystem(t, nil)
	ann := sys.signUp("ann") // the first one: an admin
	bot := sys.makeBot(ann, "helper")
	group := sys.must(ann, "POST", "/channels", object{"key": uuid(1), "name": "g", "members": []string{}}).text("id")
	hook := hookPath(sys.must(ann, "POST", "/channels/"+group+"/hooks", object{"name": "h"}))
	fill := strings.NewReplacer("/hooks/{token}", strings.TrimPrefix(hook, "/api/v1"), "/bots/{id}", "/bots/"+bot.id, "{id}", group,
		"{user}", bot.id, "{seq}", "1")
	routes := 0
	for name := range mustSpec(t).requests {
		method, path, _ := strings.Cut(name, " ")
		if strings.Contains(path, "/import/") && strings.Contains(path, "{id}") {
			continue // its limit is 32 MiB
		}
		routes++
		for what, body := range badEverywhere {
			for _, who := range []actor{ann, bot} {
				a := sys.do(who, method, fill.Replace(path), body, "Idempotency-Key", uuid(2))
				if a.status < 400 || a.status >= 500 || a.code() == "" || a.code() == chat.CodeUnauthenticated {
					t.Errorf("%s with %s: %d %.200s", name, what, a.status, a.body)
				}
			}
		}
		for _, mediaType := range []string{"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/json; charset=utf-16"} {
			if a := sys.do(ann, method, fill.Replace(path), "{}", "Content-Type", mediaType, "Idempotency-Key", uuid(2)); a.code() != chat.CodeBadRequest {
				t.Errorf("%s as %q: %d %.200s", name, mediaType, a.status, a.body)
			}
		}
	}
	if routes < 25 {
		t.Errorf("only %d routes read JSON", routes)
	}
}

// Each path parameter takes its canonical form and nothing else: no fault of
// ours, no way out of the route, no redirect (B18, B24).
func TestEveryPathIsReadStrictly(t *testing.T) {
	sys := newSystem(t, nil)
	ann := sys.signUp("ann")
	parameter := regexp.MustCompile(`\{[a-z]+\}`)
	for name := range mustSpec(t).known {
		method, path, _ := strings.Cut(name, " ")
		if !parameter.MatchString(path) || strings.HasSuffix(path, "/ws") {
			continue
		}
		for _, bad := range []string{"0", "-1", "01", "1.0", "1e3", "9223372036854775808", "%00", "%2e%2e", "..%2f..", "%ff", "x", "%F0%9F%91%8D", "1%0d%0aX:1", strings.Repeat("1", 4000)} {
			a := sys.do(ann, method, parameter.ReplaceAllString(path, bad), "{}", "Idempotency-Key", uuid(2))
			if a.status < 400 || a.status >= 500 || a.header.Get("Location") != "" || a.header.Get("X") != "" {
				t.Errorf("%s with %.20s: %d %.200s", name, bad, a.status, a.body)
			}
		}
	}
}

// The bad-input table of docs/ARCHITECTURE.md names tests that are there.
func TestTheBadInputTableNamesTests(t *testing.T) {
	doc, err := os.ReadFile("../docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(doc), "## Bad input, and where each is tested\n")
	if table, _, _ = strings.Cut(table, "\n## "); !found {
		t.Fatal("there is no such table")
	}
	files := map[string]string{}
	var unknown []string
	for _, m := range regexp.MustCompile(`([a-z0-9_/]+_test\.go) (Test[A-Za-z0-9]+(?:, Test[A-Za-z0-9]+)*)`).FindAllStringSubmatch(table, -1) {
		if files[m[1]] == "" {
			text, err := os.ReadFile("../" + m[1])
			if err != nil {
				t.Fatal(err)
			}
			files[m[1]] = string(text)
		}
		for test := range strings.SplitSeq(m[2], ", ") {
			if !strings.Contains(files[m[1]], "func "+test+"(") {
				unknown = append(unknown, m[1]+" "+test)
			}
		}
	}
	if strings.Count(table, "_test.go") != strings.Count(table, "_test.go Test") || len(files) < 15 {
		t.Errorf("a file stands without its tests, or few do: %d", len(files))
	}
	if slices.Sort(unknown); len(unknown) > 0 {
		t.Errorf("not there: %v", unknown)
	}
}
