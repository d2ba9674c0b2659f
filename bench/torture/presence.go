package torture

import (
	"fmt"
	"slices"
	"time"

	"gori/client"
)

const maxSightings = 200_000

// sighting is what a person was told of another one's presence.
type sighting struct {
	by, of  *person
	node    string // that told it
	online  bool
	resumed bool // told with a resume, not live
	at      time.Duration
}

func (d *device) presence(list []client.PresenceState) { d.sight(list, false) }

func (d *device) sight(list []client.PresenceState, resumed bool) {
	w := d.p.w
	d.mu.Lock()
	node := d.node
	d.mu.Unlock()
	at := w.now()
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, s := range list {
		if of := w.byUser[s.User]; of != nil && len(w.sightings) < maxSightings {
			w.sightings = append(w.sightings, sighting{d.p, of, node, s.State != "offline", resumed, at})
		}
	}
}

// What of a person's sessions counts for the rule that nobody flickers.
const (
	shortDrop  = 7 * time.Second  // a drop that must not show; the promise is 10 s, clients notice late
	settleIn   = 3 * time.Second  // after coming online
	nodeUnsure = 14 * time.Second // after a node was frozen or cut: it may be taken for dead, and grace follows
)

// present are the times during which a person was there without doubt: their
// sessions, without those on nodes that could not tell of them.
func (p *person) present(unsure func(node string, at span) []span) []span {
	var all []span
	for _, d := range p.devices {
		d.mu.Lock()
		for _, s := range d.spans {
			if s.to == 0 {
				s.to = p.w.now()
			}
			all = append(all, minus(s, unsure(s.node, s))...)
		}
		d.mu.Unlock()
	}
	slices.SortFunc(all, func(a, b span) int { return int(a.from - b.from) })
	return mergeSpans(all)
}

// mergeSpans joins spans in order that overlap, or that only a short drop parts.
func mergeSpans(all []span) []span {
	var merged []span
	for _, s := range all {
		n := len(merged)
		if n == 0 || s.from-merged[n-1].to >= shortDrop || merged[n-1].over && s.from > merged[n-1].to {
			merged = append(merged, s)
		} else if last := &merged[n-1]; s.to >= last.to {
			last.to, last.over = s.to, s.over
		}
	}
	return merged
}

// aboutWithin is how far from a moment a session is still told with it.
const aboutWithin = 20 * time.Second

// sessionsAbout are the person's sessions around a moment, as lines.
func (p *person) sessionsAbout(at, began time.Duration) []string {
	var lines []string
	for _, d := range p.devices {
		d.mu.Lock()
		for _, s := range d.spans {
			end := "now"
			if s.to != 0 {
				end = fmt.Sprintf("%.3f s", (s.to - began).Seconds())
			}
			if s.from < at+aboutWithin && (s.to == 0 || s.to > at-aboutWithin) {
				lines = append(lines, fmt.Sprintf("%s on node %s from %.3f s to %s", d.name, s.node, (s.from-began).Seconds(), end))
			}
		}
		d.mu.Unlock()
	}
	return lines
}

// minus is what of a span none of the others covers.
func minus(s span, others []span) []span {
	rest := []span{s}
	for _, o := range others {
		var next []span
		for _, r := range rest {
			if o.to <= r.from || o.from >= r.to {
				next = append(next, r)
				continue
			}
			if o.from > r.from {
				next = append(next, span{node: r.node, from: r.from, to: o.from, over: true})
			}
			if o.to < r.to {
				next = append(next, span{node: r.node, from: o.to, to: r.to, over: r.over})
			}
		}
		rest = next
	}
	return rest
}

// flickers are sightings of somebody as offline who was there all along.
func (w *world) flickers(log []Fault) []sighting {
	nodes := w.sys.Nodes()
	doubtful := func(node string) []span {
		var list []span
		for _, f := range log {
			if f.Kind != FreezeNode && f.Kind != CutMesh {
				continue
			}
			if f.Target == All || nodes[f.Target%len(nodes)] == node || f.Kind == CutMesh && nodes[f.Other%len(nodes)] == node {
				list = append(list, span{from: f.At, to: f.At + f.For + nodeUnsure})
			}
		}
		return list
	}
	there := map[*person][]span{}
	for _, p := range w.people {
		there[p] = p.present(func(node string, _ span) []span { return doubtful(node) })
	}
	var wrong []sighting
	for _, s := range w.sightings {
		if s.online || slices.ContainsFunc(doubtful(s.node), func(d span) bool { return d.from <= s.at && s.at <= d.to }) {
			continue
		}
		if slices.ContainsFunc(there[s.of], func(t span) bool { return t.from+settleIn < s.at && s.at < t.to-settleIn }) {
			wrong = append(wrong, s)
		}
	}
	return wrong
}
