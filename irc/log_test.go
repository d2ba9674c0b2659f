package irc

import (
	"bytes"
	_ "embed"
	"strings"
	"testing"
	"time"

	"gori/client"
)

// smallLog has a line of each kind.
//
//go:embed testdata/small.txt
var smallLog string

// FuzzIRCLine: no line breaks the reader, and every line is either said or
// reported.
func FuzzIRCLine(f *testing.F) {
	for _, line := range strings.Split(smallLog, "\n") {
		f.Add([]byte(line))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l := &Log{}
		if err := l.read(bytes.NewReader(text), time.Unix(0, 0)); err != nil {
			t.Fatal(err)
		}
		if len(l.said)+len(l.Damaged) != l.Lines {
			t.Fatalf("%d lines: %d said, %d damaged", l.Lines, len(l.said), len(l.Damaged))
		}
		var last client.Millis
		for _, s := range l.said {
			if s.at < last || s.body == "" {
				t.Fatalf("line %d at %d after %d: %q", s.line, s.at, last, s.body)
			}
			last = s.at
		}
	})
}
