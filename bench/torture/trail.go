package torture

import (
	"fmt"
	"slices"
	"time"

	"gori/client"
)

// note is something that happened to a device, for whoever asks why.
type note struct {
	at   time.Duration
	text string
}

const (
	maxNotes = 4_000 // of a device; then the older half goes
	maxTrail = 60    // lines told with a problem
)

// noteLocked adds to a device's trail.
func (d *device) noteLocked(format string, args ...any) {
	if len(d.notes) >= maxNotes {
		d.notes = append(d.notes[:0], d.notes[maxNotes/2:]...)
	}
	d.notes = append(d.notes, note{d.p.w.now(), fmt.Sprintf(format, args...)})
}

func (d *device) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.noteLocked(format, args...)
}

// trail is what happened to a device from one time to another, as lines.
func (d *device) trail(from, to time.Duration) []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var lines []string
	for _, n := range d.notes {
		if n.at >= from && n.at <= to {
			lines = append(lines, fmt.Sprintf("  %.3f s  %s %s", (n.at-d.p.w.began).Seconds(), d.name, n.text))
		}
	}
	if len(lines) > maxTrail {
		lines = append(lines[:maxTrail/2:maxTrail/2], lines[len(lines)-maxTrail/2:]...)
	}
	return lines
}

// skipped is a message handed to a device when others before it had not been.
type skipped struct {
	channel   client.ChannelID
	next, got client.Seq
	at        time.Duration
}

// maxSkipped bounds those of a device that are told in full.
const maxSkipped = 10

// tellSkipped tells of messages that were handed to a device out of turn.
func (w *world) tellSkipped(d *device) {
	d.mu.Lock()
	all := slices.Clone(d.skipped)
	d.mu.Unlock()
	for _, s := range all {
		w.problemWith("P3: a device was handed a message out of turn",
			fmt.Sprintf("%s in %s: %d, when %d was next, at %.3f s", d.name, w.nameOf(s.channel), s.got, s.next, (s.at-w.began).Seconds()),
			func() []string { return d.trail(s.at-30*time.Second, s.at+5*time.Second) })
	}
}

func (w *world) nameOf(id client.ChannelID) string {
	if ch := w.byID[id]; ch != nil {
		return ch.name
	}
	return id.String()
}
