package command

import (
	"gori/api"
	"gori/presence"
)

// watchPresence shows what presence knows and counts.
func watchPresence(t *presence.Tracker, metrics *api.Metrics) {
	for name, g := range map[string]struct {
		help string
		read func(presence.Stats) uint64
	}{
		"presence_users":             {"Users with a session, a long poll or grace here.", func(s presence.Stats) uint64 { return uint64(s.Users) }},
		"presence_elsewhere":         {"Users known to be on other nodes.", func(s presence.Stats) uint64 { return uint64(s.Elsewhere) }},
		"presence_behind":            {"Nodes of which not everything is known at this moment.", func(s presence.Stats) uint64 { return uint64(s.Behind) }},
		"presence_asked_total":       {"Times another node was asked for what differs.", func(s presence.Stats) uint64 { return s.Asked }},
		"presence_repaired_total":    {"Buckets of users taken from other nodes' answers.", func(s presence.Stats) uint64 { return s.Repaired }},
		"presence_garbage_total":     {"Gossip that was not well made.", func(s presence.Stats) uint64 { return s.Garbage }},
		"presence_stood_still_total": {"Times this process stood still for seconds.", func(s presence.Stats) uint64 { return s.Thaws }},
	} {
		metrics.Gauge(name, g.help, func() float64 { return float64(g.read(t.Stats())) })
	}
}
