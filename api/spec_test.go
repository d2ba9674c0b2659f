package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/go-chi/chi/v5"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

// spec is openapi.yaml, compiled: what each operation may answer.
type spec struct {
	doc       map[string]any
	compiler  *jsonschema.Compiler
	responses map[string]*jsonschema.Schema // by "METHOD path status"
	requests  map[string]*jsonschema.Schema // by "METHOD path"; JSON bodies only
	known     map[string]bool               // "METHOD path"
}

const specURL = "https://gori.test/openapi.json"

var loadSpec = sync.OnceValues(func() (*spec, error) {
	var raw any
	if err := yaml.Unmarshal(openAPI, &raw); err != nil {
		return nil, err
	}
	b, err := json.Marshal(raw)
	if err != nil {
		return nil, err
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return nil, err
	}
	s := &spec{doc: doc.(map[string]any), compiler: jsonschema.NewCompiler(),
		responses: map[string]*jsonschema.Schema{}, requests: map[string]*jsonschema.Schema{}, known: map[string]bool{}}
	s.compiler.DefaultDraft(jsonschema.Draft2020)
	if err := s.compiler.AddResource(specURL, doc); err != nil {
		return nil, err
	}
	for path, item := range s.doc["paths"].(map[string]any) {
		for method, op := range item.(map[string]any) {
			if err := s.compile(path, method, op.(map[string]any)); err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, path, err)
			}
		}
	}
	return s, nil
})

func (s *spec) compile(path, method string, op map[string]any) error {
	name := strings.ToUpper(method) + " " + path
	s.known[name] = true
	at := "#/paths/" + escapePointer(path) + "/" + method
	for status, resp := range op["responses"].(map[string]any) {
		pointer := at + "/responses/" + status
		if ref, ok := resp.(map[string]any)["$ref"].(string); ok {
			pointer = ref
			resp = s.at(ref)
		}
		content, _ := resp.(map[string]any)["content"].(map[string]any)
		for mediaType := range content {
			schema, err := s.compiler.Compile(specURL + pointer + "/content/" + escapePointer(mediaType) + "/schema")
			if err != nil {
				return err
			}
			if mediaType == "application/json" {
				s.responses[name+" "+status] = schema
			}
		}
	}
	body, _ := op["requestBody"].(map[string]any)
	content, _ := body["content"].(map[string]any)
	if _, isJSON := content["application/json"]; isJSON {
		schema, err := s.compiler.Compile(specURL + at + "/requestBody/content/application~1json/schema")
		if err != nil {
			return err
		}
		s.requests[name] = schema
	}
	return nil
}

// at follows a reference inside the document.
func (s *spec) at(ref string) any {
	var v any = s.doc
	for part := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		v = v.(map[string]any)[part]
	}
	return v
}

func escapePointer(s string) string {
	return strings.NewReplacer("~", "~0", "/", "~1", "{", "%7B", "}", "%7D").Replace(s)
}

func mustSpec(t testing.TB) *spec {
	t.Helper()
	s, err := loadSpec()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// checkAnswer holds one answer against the document.
func (s *spec) checkAnswer(method, route string, status int, header http.Header, body []byte) error {
	name := method + " " + route
	if !s.known[name] {
		return fmt.Errorf("%s is not documented", name)
	}
	schema := s.responses[name+" "+strconv.Itoa(status)]
	if status >= 400 {
		schema = s.responses[name+" default"]
	}
	if !strings.HasPrefix(header.Get("Content-Type"), "application/json") {
		if schema != nil {
			return fmt.Errorf("%s answered %d with %q, JSON is documented", name, status, header.Get("Content-Type"))
		}
		return nil
	}
	if schema == nil {
		return fmt.Errorf("%s answered %d with JSON, which is not documented: %s", name, status, body)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		return err
	}
	if err := schema.Validate(v); err != nil {
		return fmt.Errorf("%s answered %d with %s: %w", name, status, body, err)
	}
	return nil
}

// Every route is documented, and every documented route is there.
func TestRoutesAndOpenAPIAreTheSame(t *testing.T) {
	s := mustSpec(t)
	served := map[string]bool{}
	err := chi.Walk(newBareServer(t).public.(chi.Routes), func(method, route string, _ http.Handler, _ ...func(http.Handler) http.Handler) error {
		if strings.HasSuffix(route, "/*") {
			return nil // the browser client
		}
		served[method+" "+route] = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range served {
		if !s.known[name] {
			t.Errorf("%s is served and not documented", name)
		}
	}
	for name := range s.known {
		if !served[name] {
			t.Errorf("%s is documented and not served", name)
		}
	}
}

// docs/PROTOCOL.md tells people of the same routes.
func TestRoutesAndProtocolAreTheSame(t *testing.T) {
	doc, err := os.ReadFile("../docs/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(doc), "| method and path |")
	table, _, _ = strings.Cut(table, "\n\n")
	told := map[string]bool{}
	item := regexp.MustCompile("((?:GET|POST|PUT|PATCH|DELETE)(?:, (?:GET|POST|PUT|PATCH|DELETE))*)?,? ?`(/[^`]*)`")
	for row := range strings.SplitSeq(table, "\n") {
		cells := strings.Split(row, "|")
		if len(cells) < 3 || !strings.Contains(cells[1], "`/") {
			continue
		}
		methods, last := []string(nil), ""
		for _, m := range item.FindAllStringSubmatch(cells[1], -1) {
			if m[1] != "" {
				methods = strings.Split(m[1], ", ")
			}
			path, _, _ := strings.Cut(m[2], "?")
			if last != "" && !strings.HasPrefix(path, "/"+strings.Split(last, "/")[1]) {
				path = last[:strings.LastIndex(last, "/")] + path // "`/…/disable`, `/enable`"
			}
			for _, method := range methods {
				told[method+" /api/v1"+path] = true
			}
			last = path
		}
	}
	var missing []string
	for name := range mustSpec(t).known {
		if strings.Contains(name, " /api/v1/") && !told[name] && name != "GET /api/v1/ws" {
			missing = append(missing, name)
		}
	}
	for name := range told {
		if !mustSpec(t).known[name] {
			missing = append(missing, "only told: "+name)
		}
	}
	slices.Sort(missing)
	if len(missing) > 0 {
		t.Errorf("docs/PROTOCOL.md and openapi.yaml differ:\n%s", strings.Join(missing, "\n"))
	}
}
