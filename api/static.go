package api

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
)

// asset is one file of the browser client, kept in memory in every encoding
// it can be sent in.
type asset struct {
	mediaType string
	etag      string
	plain     []byte
	gzip      []byte // nil: not worth it
	brotli    []byte // nil: not built
	forever   bool   // its name holds its hash
}

// static serves the browser client.
type static struct {
	assets map[string]*asset // by path, with the leading slash
	policy string
}

// notBuilt is shown when the program was built without the browser client.
const notBuilt = `<!doctype html><html lang="en"><meta charset="utf-8"><title>Gori</title>
<h1>Gori is running</h1><p>The browser client was not built into this program. Run <code>make build</code>, or use the API: <a href="/api/openapi.yaml">/api/openapi.yaml</a>.</p></html>
`

// mediaTypes are set here because the system's own table differs by host.
var mediaTypes = map[string]string{
	".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8",
	".css": "text/css; charset=utf-8", ".json": "application/json; charset=utf-8", ".svg": "image/svg+xml",
	".webmanifest": "application/manifest+json", ".map": "application/json; charset=utf-8", ".txt": "text/plain; charset=utf-8",
	".woff2": "font/woff2", ".png": "image/png", ".ico": "image/x-icon", ".webp": "image/webp", ".wasm": "application/wasm",
}

// newStatic loads the built client. An empty folder is no error: a plain page
// says that the client was not built.
func newStatic(files fs.FS, policy string) (*static, error) {
	s := &static{assets: map[string]*asset{}, policy: policy}
	raw := map[string][]byte{}
	if files != nil {
		err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.HasPrefix(path.Base(name), ".") {
				return err
			}
			b, err := fs.ReadFile(files, name)
			raw["/"+name] = b
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("api: reading the browser client: %w", err)
		}
	}
	for name, b := range raw {
		ext := path.Ext(name)
		if ext == ".br" || ext == ".gz" {
			continue
		}
		s.assets[name] = newAsset(name, b, raw[name+".br"], raw[name+".gz"])
	}
	if s.assets["/index.html"] == nil {
		s.assets["/index.html"] = newAsset("/index.html", []byte(notBuilt), nil, nil)
	}
	return s, nil
}

func newAsset(name string, plain, brotli, zipped []byte) *asset {
	ext := path.Ext(name)
	sum := sha256.Sum256(plain)
	a := &asset{
		mediaType: mediaTypes[ext], plain: plain, brotli: brotli, gzip: zipped,
		etag:    `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`,
		forever: strings.HasPrefix(name, "/assets/"),
	}
	if a.mediaType == "" {
		a.mediaType = mime.TypeByExtension(ext)
	}
	if a.mediaType == "" {
		a.mediaType = "application/octet-stream"
	}
	text := strings.HasPrefix(a.mediaType, "text/") || strings.Contains(a.mediaType, "json") || ext == ".svg"
	if a.gzip == nil && text && len(plain) > 1024 {
		var buf bytes.Buffer
		zw, _ := gzip.NewWriterLevel(&buf, gzip.BestCompression) // the level is valid
		_, _ = zw.Write(plain)                                   // a Buffer does not fail
		_ = zw.Close()
		a.gzip = bytes.Clone(buf.Bytes())
	}
	return a
}

// ServeHTTP answers with the file of that name, or with the client's page for
// the places it draws itself. A name with an extension that is not there is
// not found: a page in place of a script only hides the fault.
func (s *static) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.URL.Path
	a := s.assets[name]
	if a == nil {
		if path.Ext(name) != "" || strings.HasPrefix(name, "/api/") || strings.HasPrefix(name, "/n/") {
			writeError(w, http.StatusNotFound, errNoRoute)
			return
		}
		a, name = s.assets["/index.html"], "/index.html"
	}
	h := w.Header()
	h.Set("Content-Type", a.mediaType)
	h.Set("ETag", a.etag)
	h.Set("Vary", "Accept-Encoding")
	h.Set("Cache-Control", "no-cache")
	if a.forever {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	if ext := path.Ext(name); ext == ".html" || ext == ".js" {
		// A worker's script needs the policy as well: it fetches by its own.
		h.Set("Content-Security-Policy", s.policy)
	}
	if r.Header.Get("If-None-Match") == a.etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	body := a.plain
	switch accept := r.Header.Get("Accept-Encoding"); {
	case a.brotli != nil && accepts(accept, "br"):
		body = a.brotli
		h.Set("Content-Encoding", "br")
	case a.gzip != nil && accepts(accept, "gzip"):
		body = a.gzip
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(http.StatusOK)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // a client that has gone needs no answer
	}
}

// accepts reads an Accept-Encoding header: named, and not with a weight of 0.
func accepts(header, coding string) bool {
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		if !strings.EqualFold(strings.TrimSpace(name), coding) {
			continue
		}
		q, found := strings.CutPrefix(strings.TrimSpace(params), "q=")
		weight, err := strconv.ParseFloat(q, 64)
		return !found || (err == nil && weight > 0)
	}
	return false
}
