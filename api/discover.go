package api

import (
	"math/rand/v2"
	"net/http"
	"time"

	"gori/chat"
)

// maxRegion bounds the label of a region, in bytes.
const maxRegion = 64

// place is the node to use and the path of its socket. The path is relative:
// the client knows best under which name it reaches us.
type place struct {
	Node   string `json:"node,omitempty"`
	Socket string `json:"ws,omitempty"`
}

// discover names the node to use now.
func (s *Server) discover(_ http.ResponseWriter, r *http.Request) (any, error) {
	p, ok, err := s.placeFor(r)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, chat.Retryable(chat.CodeOverloaded, spread(time.Second, 2*time.Second), nil, "no node takes people now")
	}
	return p, nil
}

// placeFor chooses by the region that the request names, else this node's.
func (s *Server) placeFor(r *http.Request) (place, bool, error) {
	region := s.cfg.Region
	if asked := r.URL.Query()["region"]; len(asked) > 0 {
		region = asked[0]
	}
	if len(region) > maxRegion {
		return place{}, false, chat.Errorf(chat.CodeBadRequest, "a region has at most %d bytes", maxRegion)
	}
	n, ok := s.chooser.Choose(s.nodes(), region)
	if !ok {
		return place{}, false, nil
	}
	return place{Node: n.Name, Socket: "/n/" + n.Name + "/ws"}, true, nil
}

// nodes are the live nodes. What this one knows of itself is newer than its
// last beat.
func (s *Server) nodes() []chat.NodeState {
	self := s.self()
	if s.cfg.Nodes == nil {
		return []chat.NodeState{self}
	}
	list := s.cfg.Nodes()
	for i := range list {
		if n := &list[i]; n.Self {
			n.Sessions, n.Capacity, n.Ready, n.Draining = self.Sessions, self.Capacity, self.Ready, self.Draining
		}
	}
	return list
}

func (s *Server) self() chat.NodeState {
	return chat.NodeState{Name: s.cfg.Node, Region: s.cfg.Region, Version: s.cfg.Version, Run: s.cfg.Node, Self: true,
		Sessions: s.cfg.Chat.Hub().Sessions(), Capacity: s.cfg.Capacity, StartedAt: chat.MillisOf(s.started), PID: s.pid,
		Ready: s.cfg.Ready == nil || s.cfg.Ready() == nil, Draining: s.draining.Load()}
}

// spread adds up to more to a waiting time, so that those who are told to wait
// together do not come back together.
func spread(wait, more time.Duration) time.Duration {
	return wait + rand.N(more)
}

// listNodes tells admins of all nodes.
func (s *Server) listNodes(http.ResponseWriter, *http.Request) (any, error) {
	type node struct {
		chat.NodeState
		AgeMs int64 `json:"age_ms"`
	}
	list := []node{}
	for _, n := range s.nodes() {
		list = append(list, node{n, n.Age.Milliseconds()})
	}
	return struct {
		Nodes []node `json:"nodes"`
	}{list}, nil
}
