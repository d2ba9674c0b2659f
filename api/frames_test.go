package api

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// frameSchemas are the two directions of frames.schema.json.
var frameSchemas = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(framesSchema))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	const url = "https://gori.test/frames.schema.json"
	if err := c.AddResource(url, doc); err != nil {
		return nil, err
	}
	out := map[string]*jsonschema.Schema{}
	for _, side := range []string{"client", "server"} {
		if out[side], err = c.Compile(url + "#/$defs/" + side); err != nil {
			return nil, err
		}
	}
	return out, nil
})

// checkFrame holds a frame against the schema of its direction.
func checkFrame(t testing.TB, side string, frame []byte) error {
	t.Helper()
	schemas, err := frameSchemas()
	if err != nil {
		t.Fatal(err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(frame))
	if err != nil {
		return err
	}
	return schemas[side].Validate(v)
}

// testdata/frames holds sample frames, one a line: those of good.* pass the
// schema of their direction, those of bad.* do not.
func TestSampleFrames(t *testing.T) {
	for _, side := range []string{"client", "server"} {
		for _, kind := range []string{"good", "bad"} {
			b, err := os.ReadFile(filepath.Join("testdata", "frames", kind+"."+side+".jsonl"))
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]bool{}
			for line := range strings.Lines(string(b)) {
				err := checkFrame(t, side, []byte(line))
				if kind == "good" && err != nil {
					t.Errorf("%s %s: %v", side, line, err)
				}
				if kind == "bad" && err == nil {
					t.Errorf("%s %s passes", side, line)
				}
				if m := regexp.MustCompile(`"op":\s*"(\w+)"`).FindStringSubmatch(line); m != nil {
					seen[m[1]] = true
				}
			}
			if kind == "good" {
				for _, op := range documentedOps(t, side) {
					if !seen[op] {
						t.Errorf("no sample of the %s frame %s", side, op)
					}
				}
				if len(seen) != len(documentedOps(t, side)) {
					t.Errorf("%d %s frames have samples, %d are documented", len(seen), side, len(documentedOps(t, side)))
				}
			}
		}
	}
}

// documentedOps reads the ops of one direction from docs/PROTOCOL.md.
func documentedOps(t testing.TB, side string) []string {
	t.Helper()
	doc, err := os.ReadFile("../docs/PROTOCOL.md")
	if err != nil {
		t.Fatal(err)
	}
	heading := map[string]string{"client": "### Client → server", "server": "### Server → client"}[side]
	_, table, found := strings.Cut(string(doc), heading)
	if !found {
		t.Fatalf("docs/PROTOCOL.md has no %q", heading)
	}
	table, _, _ = strings.Cut(table, "\n#")
	var ops []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(\\w+)` \\|").FindAllStringSubmatch(table, -1) {
		ops = append(ops, m[1])
	}
	return ops
}
