package api

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the files of testdata")

// fieldSet is which JSON fields each route was seen to answer with.
type fieldSet struct {
	routes map[string]map[string]bool
}

func (f *fieldSet) note(route string, a answered) {
	if a.status >= 300 {
		return
	}
	seen := f.routes[route]
	if seen == nil {
		seen = map[string]bool{}
		f.routes[route] = seen
	}
	var v any
	if strings.HasPrefix(a.header.Get("Content-Type"), "application/json") && json.Unmarshal(a.body, &v) == nil {
		notePaths(seen, "", v)
		return
	}
	if len(a.body) > 0 {
		seen["("+a.header.Get("Content-Type")+")"] = true
	}
}

func notePaths(seen map[string]bool, at string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			notePaths(seen, at+"."+k, x)
		}
	case []any:
		for _, x := range v {
			notePaths(seen, at+"[]", x)
		}
		if len(v) == 0 {
			seen[strings.TrimPrefix(at+"[]", ".")] = true
		}
	default:
		seen[strings.TrimPrefix(at, ".")] = true
	}
}

func (f *fieldSet) String() string {
	var b strings.Builder
	for _, route := range slices.Sorted(maps.Keys(f.routes)) {
		fmt.Fprintf(&b, "%s\n", route)
		for _, path := range slices.Sorted(maps.Keys(f.routes[route])) {
			fmt.Fprintf(&b, "  %s\n", path)
		}
	}
	return b.String()
}

// A field that appears in an answer and is not in testdata/fields.golden fails
// here: someone must have decided that the world may see it (CVE-2025-11794,
// CVE-2025-13821: password hashes in answers and events).
func TestAnswersHoldOnlyTheFieldsAgreedOn(t *testing.T) {
	sys := newSystem(t, nil)
	sys.fields = &fieldSet{routes: map[string]map[string]bool{}}
	tour(sys)
	for name := range mustSpec(t).known {
		if sys.fields.routes[name] == nil && !strings.HasSuffix(name, "/ws") {
			t.Errorf("the tour does not visit %s", name)
		}
	}
	file := filepath.Join("testdata", "fields.golden")
	got := sys.fields.String()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the fields of answers have changed; look at each, then run with -update\n%s", firstDifference(string(want), got))
	}
	route := ""
	for line := range strings.Lines(got) {
		if !strings.HasPrefix(line, " ") {
			route = strings.TrimSpace(line)
		}
		if showsSecret[route] && line == "  secret\n" {
			continue
		}
		for _, never := range []string{"password", "hash", "secret", "argon2"} {
			if strings.HasPrefix(line, " ") && strings.Contains(strings.ToLower(line), never) {
				t.Errorf("the field %s is in an answer", strings.TrimSpace(line))
			}
		}
	}
}

// showsSecret are the routes that show a secret they have just made, once.
var showsSecret = map[string]bool{"POST /api/v1/push/devices": true, "PUT /api/v1/bots/{id}/webhook": true}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		a, b := "", ""
		if i < len(w) {
			a = w[i]
		}
		if i < len(g) {
			b = g[i]
		}
		if a != b {
			return fmt.Sprintf("line %d: agreed %q, now %q", i+1, a, b)
		}
	}
	return ""
}
