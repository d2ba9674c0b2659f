package main

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// arrows holds, for each folder at the top, which of our folders it may import.
// It is the table of docs/ARCHITECTURE.md. The root and command may import all.
var arrows = map[string][]string{
	"chat":     {},
	"presence": {"chat"},
	"notify":   {"chat"},
	"shard":    {},
	"store":    {"chat", "presence", "notify", "shard"},
	"mesh":     {"chat", "presence"},
	"config":   {"chat", "mesh", "shard"},
	"reach":    {"config", "shard", "store"},
	"host":     {"chat", "config", "nginx", "reach", "shard", "store"},
	"faults":   {"bench", "client", "config", "host", "reach", "shard", "store"},
	"admin":    {"api", "chat", "shard", "store"},
	"api":      {"chat", "presence", "notify", "web"},
	"client":   {},
	"bench":    {"client"},
	"irc":      {"client"},
	"demo":     {},
	"nginx":    {},
	"web":      {},
}

// testArrows are what tests may import besides: those of the protocol's client
// talk to the real edge over the memory log.
var testArrows = map[string][]string{
	"client": {"api", "chat", "presence"},
	"bench":  {"api", "chat", "presence"},
}

type goFile struct {
	path  string // slash-separated, from the root
	text  []byte
	tree  *ast.File
	lines int
}

func (f goFile) folder() string {
	dir, _, found := strings.Cut(f.path, "/")
	if !found {
		return ""
	}
	return dir
}

func (f goFile) test() bool { return strings.HasSuffix(f.path, "_test.go") }

func (f goFile) imports() []string {
	var list []string
	for _, spec := range f.tree.Imports {
		name, err := strconv.Unquote(spec.Path.Value)
		if err == nil {
			list = append(list, name)
		}
	}
	return list
}

// goFiles parses every Go file of the repository.
func goFiles(t *testing.T) []goFile {
	t.Helper()
	var files []goFile
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if base := d.Name(); name != "." && (strings.HasPrefix(base, ".") || base == "node_modules" || base == "testdata" || base == "data") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		tree, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		files = append(files, goFile{path: filepath.ToSlash(name), text: text, tree: tree, lines: bytes.Count(text, []byte("\n"))})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestArrows(t *testing.T) {
	for _, f := range goFiles(t) {
		from := f.folder()
		if from == "" || from == "command" {
			continue
		}
		allowed, known := arrows[from]
		if !known {
			t.Errorf("%s: the folder %s is not in the table of folders", f.path, from)
			continue
		}
		for _, name := range f.imports() {
			ours, found := strings.CutPrefix(name, "gori/")
			if !found {
				continue
			}
			to, _, _ := strings.Cut(ours, "/")
			if to == from || slices.Contains(allowed, to) || (f.test() && slices.Contains(testArrows[from], to)) {
				continue
			}
			t.Errorf("%s imports %s: there is no arrow from %s to %s", f.path, name, from, to)
		}
	}
}

var testHelper = regexp.MustCompile(`(^|/)(chat|store|client|notify)test(/|$)`)

// Helpers of tests must not get into the program.
func TestArrowsOfTestHelpers(t *testing.T) {
	for _, f := range goFiles(t) {
		if f.test() || testHelper.MatchString(f.path) {
			continue
		}
		for _, name := range f.imports() {
			if testHelper.MatchString(name) || name == "testing" {
				t.Errorf("%s imports %s, which is for tests", f.path, name)
			}
		}
	}
}

func TestHouseOnlyConfigKnowsViper(t *testing.T) {
	for _, f := range goFiles(t) {
		for _, name := range f.imports() {
			if strings.HasPrefix(name, "github.com/spf13/viper") && f.path != "config/config.go" {
				t.Errorf("%s imports viper; only config/config.go may", f.path)
			}
		}
	}
}

func TestHouseOnlyStoreKnowsSQL(t *testing.T) {
	for _, f := range goFiles(t) {
		for _, name := range f.imports() {
			sql := name == "database/sql" || strings.HasPrefix(name, "github.com/jackc/")
			if sql && f.folder() != "store" {
				t.Errorf("%s imports %s; SQL is only in store", f.path, name)
			}
		}
	}
}

func TestHouseShardIsPure(t *testing.T) {
	impure := []string{"time", "os", "net", "context", "math/rand", "math/rand/v2", "crypto/rand", "log/slog"}
	for _, f := range goFiles(t) {
		if path.Dir(f.path) != "shard" || f.test() {
			continue
		}
		for _, name := range f.imports() {
			if slices.Contains(impure, name) {
				t.Errorf("%s imports %s; package shard is arithmetic", f.path, name)
			}
		}
	}
}

const maxLines = 400

func TestHouseFilesAreShort(t *testing.T) {
	for _, f := range goFiles(t) {
		if !ast.IsGenerated(f.tree) && f.lines > maxLines {
			t.Errorf("%s has %d lines, more than %d", f.path, f.lines, maxLines)
		}
	}
}

func TestHouseEveryPackageSaysWhatItIs(t *testing.T) {
	said := map[string]bool{}
	for _, f := range goFiles(t) {
		dir := path.Dir(f.path)
		said[dir] = said[dir] || (f.tree.Doc != nil && !f.test())
	}
	for dir, ok := range said {
		if !ok {
			t.Errorf("package %s has no package comment", dir)
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#:]+)[^)]*\)`)

// What the documents point to must be there.
func TestHouseLinksOfDocumentsHold(t *testing.T) {
	docs, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, doc := range append(docs, "README.md", "CONTRIBUTING.md", "CHANGELOG.md") {
		text, err := os.ReadFile(doc)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, m := range link.FindAllSubmatch(text, -1) {
			to := filepath.Join(filepath.Dir(doc), string(m[1]))
			if _, err := os.Stat(to); err != nil {
				t.Errorf("%s points to %s, which is not there", doc, to)
			}
		}
	}
}

var tableRow = regexp.MustCompile(`(?m)^\| ([a-z]+)/ \|.*\| ([a-z, ]+) \|$`)

// The table that people read and the one the test above uses are the same, and
// its folders exist.
func TestHouseTableOfFoldersIsTrue(t *testing.T) {
	text, err := os.ReadFile("docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := tableRow.FindAllSubmatch(text, -1)
	if len(rows) == 0 {
		t.Fatal("docs/ARCHITECTURE.md has no table of folders")
	}
	for _, row := range rows {
		folder, says := string(row[1]), strings.Split(string(row[2]), ", ")
		if _, err := os.Stat(folder); err != nil {
			t.Errorf("docs/ARCHITECTURE.md names the folder %s, which is not there", folder)
		}
		want, known := arrows[folder]
		if !known {
			t.Errorf("docs/ARCHITECTURE.md names %s, which the test does not know", folder)
		}
		for _, to := range says {
			if to != "none" && !slices.Contains(want, to) {
				t.Errorf("docs/ARCHITECTURE.md draws an arrow from %s to %s, which the test refuses", folder, to)
			}
		}
	}
}
