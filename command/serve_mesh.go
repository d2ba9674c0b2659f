package command

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"time"

	"gori/api"
	"gori/chat"
	"gori/config"
	"gori/mesh"
)

// openMesh joins the other nodes; nil if the node stands alone.
func openMesh(c config.Config, logger *slog.Logger) (*mesh.Mesh, error) {
	if c.Mesh.Alone() {
		return nil, nil
	}
	mc, err := c.ForMesh()
	if err != nil {
		return nil, err
	}
	mc.Log, mc.Version = logger, versionText()
	return mesh.Open(mc)
}

// meet connects chat and presence to the other nodes.
func (n *node) meet(cfg config.Config) {
	if n.mesh == nil {
		return
	}
	n.chat.SetRelay(n.mesh)
	n.presence.SetPeers(n.mesh.Peers(), cfg.Node.Name)
}

// nodes is what discovery chooses from; nil if there is only this node.
func (n *node) nodes() func() []chat.NodeState {
	if n.mesh == nil {
		return nil
	}
	return n.mesh.Nodes
}

// runMesh takes part in the mesh until ctx ends; serving ends when the node
// begins to drain.
func (n *node) runMesh(ctx, serving context.Context) error {
	stop := context.AfterFunc(serving, n.mesh.BeatNow)
	defer stop()
	deps := mesh.Deps{Gossip: n.presence, Listener: n.chat, State: func() chat.NodeState {
		draining := serving.Err() != nil
		return chat.NodeState{Sessions: n.hub.Sessions(), Capacity: n.capacity,
			Ready: !draining && n.ready() == nil, Draining: draining}
	}}
	return n.mesh.Run(ctx, deps)
}

// acquaintance is how long a node that starts waits at most for the others to
// tell who is with them. One of them may be dead.
const acquaintance = 2 * time.Second

// getToKnow waits until the node knows who is on the other nodes, so that the
// first devices it lets in are not told that friends elsewhere are offline.
func (n *node) getToKnow(ctx context.Context) {
	defer n.knows.Store(true)
	if n.mesh == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, acquaintance)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if s := n.presence.Stats(); len(s.Nodes) >= max(1, n.others) && s.Behind == 0 {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// faultRoutes let gori torture break the mesh; nil unless GORI_FAULTS is 1.
func (n *node) faultRoutes() map[string]http.Handler {
	if n.mesh == nil || os.Getenv(config.EnvFaults) != "1" {
		return nil
	}
	return map[string]http.Handler{"POST /debug/mesh/cut": http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		d, err := time.ParseDuration(q.Get("for"))
		if err != nil || d < 0 || d > time.Hour || q.Get("peer") == "" {
			http.Error(w, "such as /debug/mesh/cut?peer=n2&for=5s, to an hour; 0s heals", http.StatusBadRequest)
			return
		}
		n.mesh.Cut(q.Get("peer"), d)
		w.WriteHeader(http.StatusNoContent)
	})}
}

// watchMesh shows what the mesh counts.
func watchMesh(m *mesh.Mesh, metrics *api.Metrics) {
	for name, g := range map[string]struct {
		help string
		read func(mesh.Stats) uint64
	}{
		"mesh_sent_total":           {"Messages sent to other nodes.", func(s mesh.Stats) uint64 { return s.Sent }},
		"mesh_sent_bytes_total":     {"Bytes sent to other nodes.", func(s mesh.Stats) uint64 { return s.SentBytes }},
		"mesh_received_total":       {"Messages of other nodes.", func(s mesh.Stats) uint64 { return s.Received }},
		"mesh_received_bytes_total": {"Bytes of other nodes.", func(s mesh.Stats) uint64 { return s.ReceivedBytes }},
		"mesh_items_total":          {"Tidings and gossip in the messages of other nodes.", func(s mesh.Stats) uint64 { return s.Items }},
		"mesh_dropped_total":        {"Tidings and gossip dropped because a node's queue was full.", func(s mesh.Stats) uint64 { return s.Dropped }},
		"mesh_lost_total":           {"Messages that could not be sent.", func(s mesh.Stats) uint64 { return s.Lost }},
		"mesh_missed_total":         {"Times that messages of another node were found missing.", func(s mesh.Stats) uint64 { return s.Missed }},
		"mesh_unread_total":         {"Messages that could not be read.", func(s mesh.Stats) uint64 { return s.Unread + s.Unknown }},
		"mesh_peers":                {"Other nodes that are alive.", func(s mesh.Stats) uint64 { return uint64(s.Peers) }},
	} {
		metrics.Gauge(name, g.help, func() float64 { return float64(g.read(m.Stats())) })
	}
}
