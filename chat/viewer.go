package chat

import "sync"

// viewerShard knows which sessions show a channel on the screen. Read marks and
// typing in big channels go only to them.
type viewerShard struct {
	mu   sync.RWMutex
	open map[ChannelID][]*Session
}

func channelShard(id ChannelID) uint64 { return (uint64(id) * 0x9E3779B97F4A7C15) >> 58 }

// view notes that s shows the channel, and no other.
func (h *Hub) view(s *Session, id ChannelID) {
	h.unview(s)
	sh := &h.viewers[channelShard(id)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	s.open.Store(int64(id))
	sh.open[id] = append(sh.open[id], s)
}

// unview notes that s shows no channel.
func (h *Hub) unview(s *Session) {
	id := ChannelID(s.open.Swap(0))
	if id == 0 {
		return
	}
	sh := &h.viewers[channelShard(id)]
	sh.mu.Lock()
	defer sh.mu.Unlock()
	list := sh.open[id]
	kept := make([]*Session, 0, len(list))
	for _, other := range list {
		if other != s {
			kept = append(kept, other)
		}
	}
	if len(kept) == 0 {
		delete(sh.open, id)
		return
	}
	sh.open[id] = kept
}

// deliverViewers puts a frame on the queues of the sessions that show the
// channel, except those of one user.
func (h *Hub) deliverViewers(id ChannelID, except UserID, f Frame) {
	sh := &h.viewers[channelShard(id)]
	sh.mu.RLock()
	defer sh.mu.RUnlock()
	for _, s := range sh.open[id] {
		if s.who.User != except {
			s.enqueue(f)
		}
	}
}
