package api

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/fstest"
)

func TestStaticFiles(t *testing.T) {
	script := strings.Repeat("console.log('고리');\n", 200)
	s, err := newStatic(fstest.MapFS{
		"index.html":             {Data: []byte("<!doctype html><title>Gori</title>")},
		"assets/app-1a2b.js":     {Data: []byte(script)},
		"assets/app-1a2b.js.br":  {Data: []byte("brotli")},
		"assets/page-3c4d.css":   {Data: []byte(strings.Repeat("a{}", 1000))},
		"favicon.svg":            {Data: []byte("<svg/>")},
		".gitkeep":               {Data: nil},
		"manifest.webmanifest":   {Data: []byte("{}")},
		"assets/font-9.woff2":    {Data: []byte("font")},
		"assets/page-3c4d.js.gz": {Data: []byte("an orphan")},
	}, "policy")
	if err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name, path, accept string
		status             int
		mediaType, cache   string
		encoding           string
	}{
		{"the page", "/", "", 200, "text/html; charset=utf-8", "no-cache", ""},
		{"the page by its name", "/index.html", "", 200, "text/html; charset=utf-8", "no-cache", ""},
		{"a place that the client draws", "/channels/123", "", 200, "text/html; charset=utf-8", "no-cache", ""},
		{"a script", "/assets/app-1a2b.js", "", 200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", ""},
		{"a script in brotli", "/assets/app-1a2b.js", "gzip, deflate, br", 200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", "br"},
		{"a script in gzip", "/assets/app-1a2b.js", "gzip, br;q=0", 200, "text/javascript; charset=utf-8", "public, max-age=31536000, immutable", "gzip"},
		{"a style in gzip", "/assets/page-3c4d.css", "br, gzip", 200, "text/css; charset=utf-8", "public, max-age=31536000, immutable", "gzip"},
		{"a picture", "/favicon.svg", "gzip", 200, "image/svg+xml", "no-cache", ""},
		{"the manifest", "/manifest.webmanifest", "", 200, "application/manifest+json", "no-cache", ""},
		{"a file that is not there", "/assets/old.js", "", 404, "application/json; charset=utf-8", "", ""},
		{"a hidden file", "/.gitkeep", "", 404, "application/json; charset=utf-8", "", ""},
		{"an unknown route of the API", "/api/v1/nothing", "", 404, "application/json; charset=utf-8", "", ""},
		{"a way out", "/../../etc/passwd", "", 200, "text/html; charset=utf-8", "no-cache", ""},
		{"a way out with an extension", "/../go.mod", "", 404, "application/json; charset=utf-8", "", ""},
	}
	for _, c := range cases {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path = c.path
		r.Header.Set("Accept-Encoding", c.accept)
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		h := w.Header()
		if w.Code != c.status || h.Get("Content-Type") != c.mediaType || h.Get("Cache-Control") != c.cache || h.Get("Content-Encoding") != c.encoding {
			t.Errorf("%s: %d %q %q %q", c.name, w.Code, h.Get("Content-Type"), h.Get("Cache-Control"), h.Get("Content-Encoding"))
		}
		if c.encoding == "gzip" && c.path == "/assets/app-1a2b.js" {
			zr, err := gzip.NewReader(w.Body)
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(zr); err != nil || string(b) != script {
				t.Errorf("%s: not what was built: %v", c.name, err)
			}
		}
		if etag := h.Get("ETag"); etag != "" {
			r.Header.Set("If-None-Match", etag)
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			if w.Code != http.StatusNotModified || w.Body.Len() != 0 {
				t.Errorf("%s: asked again with its tag: %d", c.name, w.Code)
			}
		}
	}
}

func TestClientThatWasNotBuilt(t *testing.T) {
	s, err := newStatic(fstest.MapFS{".gitkeep": {}}, "policy")
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 200 || !strings.Contains(w.Body.String(), "not built") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestPagePolicyForbidsInlineAndStrings(t *testing.T) {
	origins, err := parseOrigins([]string{"https://chat.example.com", "http://localhost:8080"})
	if err != nil {
		t.Fatal(err)
	}
	policy := pagePolicy(origins.webSockets())
	for _, want := range []string{"default-src 'none'", "script-src 'self';", "style-src 'self';", "frame-ancestors 'none'", "base-uri 'none'",
		"require-trusted-types-for 'script'", "connect-src 'self' ws://localhost:8080 wss://chat.example.com;", "img-src 'self' blob: data:;"} {
		if !strings.Contains(policy+";", want) {
			t.Errorf("the policy lacks %s: %s", want, policy)
		}
	}
	for _, never := range []string{"unsafe-inline", "unsafe-eval", "*", "http:", " https:"} {
		if strings.Contains(policy, never) {
			t.Errorf("the policy has %s", never)
		}
	}
}

func TestPublicURLsMustBeOrigins(t *testing.T) {
	for _, bad := range []string{"", "localhost:8080", "ftp://x", "https://", "https://x/path", "https://u:p@x", "https://x?q", "https://x#f", "//x"} {
		if _, err := parseOrigins([]string{bad}); err == nil {
			t.Errorf("%q is taken for a public URL", bad)
		}
	}
	o, err := parseOrigins([]string{"HTTPS://Chat.Example.com:443/", "http://x:80", "http://x:8080"})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"https://chat.example.com", "http://x", "http://x:8080"} {
		if !o[want] {
			t.Errorf("%s is not among %v", want, o)
		}
	}
}
