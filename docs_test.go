package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The fault table of docs/ARCHITECTURE.md names tests that are there.
func TestTheFaultTableNamesTests(t *testing.T) {
	doc, err := os.ReadFile("docs/ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(doc), "## Faults, and where each is tested\n")
	if table, _, _ = strings.Cut(table, "\n## "); !found {
		t.Fatal("there is no such table")
	}
	named := regexp.MustCompile(`([a-z0-9_/]+_test\.go) (Test[A-Za-z0-9]+(?:, Test[A-Za-z0-9]+)*)`).FindAllStringSubmatch(table, -1)
	if len(named) < 20 || strings.Count(table, "_test.go") != len(named) {
		t.Errorf("%d files are named with tests, %d in all", len(named), strings.Count(table, "_test.go"))
	}
	for _, m := range named {
		text, err := os.ReadFile(m[1])
		if err != nil {
			t.Error(err)
			continue
		}
		for test := range strings.SplitSeq(m[2], ", ") {
			if !strings.Contains(string(text), "func "+test+"(") {
				t.Errorf("%s has no %s", m[1], test)
			}
		}
	}
}
