package irc

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"gori/client"
)

// smallLog has a line of each kind.
const smallLog = `=== ada [~ada@host]  has joined #lights
[23:58] <ada> does anyone know how to dim a lamp?
[23:59] <bo> yes, slowly
[23:59]  * bo turns a knob
[00:01] <ada> bo: thanks
[00:01] <ada> 
[00:00] <bo> caf` + "\xe9" + ` time
this line fits no form
[00:02] -carol:#lights- on notice
`

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
