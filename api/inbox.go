package api

import (
	"net/http"
	"time"

	"gori/chat"
)

// maxInboxPage is the most entries of one page of the inbox.
const maxInboxPage = 500

func (s *Server) inbox(w http.ResponseWriter, r *http.Request) (any, error) {
	q := readQuery(r, "after", "limit", "wait")
	after, limit := chat.Pos(q.number("after", 0, 0)), q.limit(maxInboxPage)
	wait := time.Duration(min(q.number("wait", 0, 0), int64(chat.MaxInboxWait/time.Second))) * time.Second
	if q.err != nil {
		return nil, q.err
	}
	page, people, err := s.cfg.Chat.WaitInbox(r.Context(), whoIs(r), after, limit, wait)
	if wait > 0 && s.draining.Load() {
		w.Header().Set("Connection", "close") // the next one is for another node
	}
	return struct {
		chat.InboxPage
		People []chat.User `json:"people"`
	}{page, list(people)}, err
}

func (s *Server) markRead(w http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathChannel(r)
	if err != nil {
		return nil, err
	}
	var in struct {
		Seq    chat.Seq `json:"seq"`
		Thread chat.Seq `json:"thread"`
	}
	if err := readJSON(w, r, maxSmallBody, &in); err != nil {
		return nil, err
	}
	return s.cfg.Chat.Read(r.Context(), whoIs(r), id, in.Thread, in.Seq)
}

func (s *Server) prefer(w http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathChannel(r)
	if err != nil {
		return nil, err
	}
	var in struct {
		Level  *chat.Level `json:"level"`
		Pinned *bool       `json:"pinned"`
	}
	if err := readJSON(w, r, maxSmallBody, &in); err != nil {
		return nil, err
	}
	return s.cfg.Chat.Prefer(r.Context(), whoIs(r), id, chat.Preference{Level: in.Level, Pinned: in.Pinned})
}
