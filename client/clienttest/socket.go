package clienttest

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/coder/websocket"

	"gori/client"
)

type session struct {
	user *user
	conn *websocket.Conn
	out  chan []byte
	stop context.CancelFunc
}

func (s *Server) socket(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	u := s.who(r)
	if r.URL.Query().Get("resume") == "1" {
		s.Resumes++
	}
	s.mu.Unlock()
	if u == nil {
		refuse(w, &client.Error{Status: 401, Code: "unauthenticated"})
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"gori.v1"}})
	if err != nil {
		return
	}
	conn.SetReadLimit(1 << 20)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ss := &session{user: u, conn: conn, out: make(chan []byte, 100_000), stop: stop}
	done := make(chan struct{})
	go func() { // the writer ends with ctx
		defer close(done)
		for {
			select {
			case f := <-ss.out:
				if conn.Write(ctx, websocket.MessageText, f) != nil {
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	defer func() {
		s.mu.Lock()
		delete(s.sessions, ss)
		s.mu.Unlock()
		stop()
		conn.CloseNow()
		<-done
	}()
	for {
		_, frame, err := conn.Read(ctx)
		if err != nil {
			return
		}
		s.mu.Lock()
		bye := s.frame(ss, frame)
		s.mu.Unlock()
		if bye {
			conn.Close(1000, "bye")
			return
		}
	}
}

// send queues a frame for a session, unless it is to be lost.
func (s *Server) send(ss *session, op string, v any) {
	if s.Lose != nil && s.Lose(ss.user.ID, op) {
		return
	}
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	select {
	case ss.out <- b:
	default:
		ss.stop()
	}
}

func (s *Server) frame(ss *session, frame []byte) (bye bool) {
	var f struct {
		Op          string
		Pos         client.Pos
		Channel     client.ChannelID
		ClientMsgID client.ClientMsgID `json:"client_msg_id"`
		Body        string
	}
	if err := json.Unmarshal(frame, &f); err != nil {
		return true
	}
	switch f.Op {
	case "bye":
		return true
	case "ping":
		s.send(ss, "pong", map[string]any{"op": "pong", "now": 1})
	case "resume":
		s.sessions[ss] = struct{}{}
		entries, pos := ss.user.entries(f.Pos)
		s.send(ss, "resumed", struct {
			Op string `json:"op"`
			client.Resumed
		}{"resumed", client.Resumed{Me: client.Self{User: ss.user.User}, Pos: pos, Entries: entries}})
	case "send":
		o := client.Outgoing{Channel: f.Channel, ClientMsgID: f.ClientMsgID, Body: f.Body}
		s.sendFrame(ss, o)
	}
	return false
}

func (s *Server) sendFrame(ss *session, o client.Outgoing) {
	c := s.channels[o.Channel]
	var e *client.Error
	if c == nil || !slices.Contains(c.members, ss.user.ID) {
		e = notMember
	} else if s.Refuse != nil {
		e = s.Refuse(o)
	}
	var r client.Receipt
	swallowed := e == nil && s.Swallow != nil && s.Swallow(o)
	if swallowed {
		r = client.Receipt{Channel: o.Channel, ClientMsgID: o.ClientMsgID, Seq: 1 << 40}
	} else if e == nil {
		var err error
		if r, err = s.store(c, ss.user.ID, o, 0); err != nil {
			e = err.(*client.Error)
		}
	}
	if e != nil {
		s.send(ss, "nack", map[string]any{"op": "nack", "client_msg_id": o.ClientMsgID, "code": e.Code,
			"message": e.Message, "retry": e.Retry, "after_ms": e.After.Milliseconds()})
		return
	}
	if s.Forget != nil && s.Forget(o) {
		return
	}
	ack := map[string]any{"op": "ack", "channel": o.Channel, "client_msg_id": o.ClientMsgID, "seq": r.Seq, "n": r.Count, "at": r.At}
	if r.Duplicate {
		ack["dup"] = true
	}
	s.send(ss, "ack", ack)
}

func (u *user) entries(after client.Pos) ([]client.InboxEntry, client.Pos) {
	list := []client.InboxEntry{}
	for _, e := range u.inbox {
		if e.Pos > after {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b client.InboxEntry) int { return int(a.Pos - b.Pos) })
	return list, u.pos
}

// noticeAll brings the members' inboxes up to date and rings.
func (s *Server) noticeAll(c *channel) {
	for _, m := range c.members {
		u := s.users[m]
		if u == nil {
			continue
		}
		u.pos++
		u.inbox[c.ID] = client.InboxEntry{Channel: c.ID, Kind: c.Kind, Name: c.Name, Member: true, Pos: u.pos,
			LastSeq: c.LastSeq, LastCount: c.LastCount, LastChange: c.LastChange}
		for ss := range s.sessions {
			if ss.user == u {
				s.send(ss, "inbox", map[string]any{"op": "inbox", "pos": u.pos, "entries": []client.InboxEntry{u.inbox[c.ID]}})
			}
		}
	}
}

func (s *Server) tell(c *channel, op string, v any) {
	for ss := range s.sessions {
		if slices.Contains(c.members, ss.user.ID) {
			s.send(ss, op, v)
		}
	}
}

// CutAll drops every connection, as a crash of the node would.
func (s *Server) CutAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ss := range s.sessions {
		ss.stop()
	}
}

// CloseAll closes every connection with a code.
func (s *Server) CloseAll(code int, reason string) {
	s.mu.Lock()
	list := make([]*session, 0, len(s.sessions))
	for ss := range s.sessions {
		list = append(list, ss)
	}
	s.mu.Unlock()
	for _, ss := range list {
		ss.conn.Close(websocket.StatusCode(code), reason)
	}
}

// Messages is a copy of what a channel holds.
func (s *Server) Messages(id client.ChannelID) []client.Message {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.channels[id]; c != nil {
		return slices.Clone(c.messages)
	}
	return nil
}

// Channels lists all channels.
func (s *Server) Channels() []client.Channel {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []client.Channel
	for _, c := range s.channels {
		list = append(list, c.Channel)
	}
	return list
}

func (s *Server) inbox(u *user, r *http.Request) (any, error) {
	entries, pos := u.entries(client.Pos(integer(r, "after")))
	return client.InboxPage{Pos: pos, Entries: entries}, nil
}
