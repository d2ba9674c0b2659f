package api

import (
	"net/http"

	"gori/chat"
)

func (s *Server) history(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathChannel(r)
	if err != nil {
		return nil, err
	}
	q := readQuery(r, "after", "before", "around", "date", "thread", "limit")
	h := chat.HistoryQuery{
		Channel: id, HasAfter: q.has("after"),
		After:  chat.Seq(q.number("after", 0, 0)),
		Before: chat.Seq(q.number("before", 1, 0)),
		Around: chat.Seq(q.number("around", 1, 0)),
		Date:   chat.Millis(q.number("date", 1, 0)),
		Thread: chat.Seq(q.number("thread", 1, 0)),
		Limit:  q.limit(chat.MaxHistoryPage),
	}
	if q.err != nil {
		return nil, q.err
	}
	return s.cfg.Chat.History(r.Context(), whoIs(r), h)
}

func (s *Server) changes(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathChannel(r)
	if err != nil {
		return nil, err
	}
	q := readQuery(r, "after", "up_to", "limit")
	c := chat.ChangesQuery{
		Channel: id,
		After:   chat.Change(q.number("after", 0, 0)),
		UpTo:    chat.Seq(q.number("up_to", 0, 0)),
		Limit:   q.limit(chat.MaxHistoryPage),
	}
	if q.err != nil {
		return nil, q.err
	}
	return s.cfg.Chat.Changes(r.Context(), whoIs(r), c)
}

// send is the HTTP twin of the frame of that name; the Idempotency-Key is the
// client_msg_id.
func (s *Server) send(w http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathChannel(r)
	if err != nil {
		return nil, err
	}
	key, err := idempotencyKey(r.Header.Values("Idempotency-Key"))
	if err != nil {
		return nil, err
	}
	var in struct {
		Body       string        `json:"body"`
		ReplyTo    chat.Seq      `json:"reply_to"`
		Thread     chat.Seq      `json:"thread"`
		Mentions   []chat.UserID `json:"mentions"`
		MentionAll bool          `json:"mention_all"`
	}
	if err := readJSON(w, r, maxSendBody, &in); err != nil {
		return nil, err
	}
	d := chat.Draft{Channel: id, ClientMsgID: key, Body: in.Body, ReplyTo: in.ReplyTo, Thread: in.Thread,
		Mentions: in.Mentions, MentionAll: in.MentionAll}
	start := s.now()
	receipt, err := s.cfg.Chat.Send(r.Context(), whoIs(r), d)
	s.metrics.Sent(chat.CodeOf(err), s.now().Sub(start))
	if err != nil {
		return nil, err
	}
	return ackAnswer(d, receipt), nil
}

func idempotencyKey(headers []string) (chat.ClientMsgID, error) {
	if len(headers) != 1 {
		return chat.ClientMsgID{}, chat.Errorf(chat.CodeBadID, "one Idempotency-Key header must hold the client_msg_id")
	}
	return chat.ParseClientMsgID(headers[0])
}

// ackAnswer is 201 for a message just stored, 200 for one that was there.
func ackAnswer(d chat.Draft, r chat.Receipt) any {
	ack := chat.AckOf(d, r)
	if r.Duplicate {
		return ack
	}
	return made{ack}
}

// pathMessage reads the channel and seq of a message's path.
func pathMessage(r *http.Request) (chat.ChannelID, chat.Seq, error) {
	id, err := pathChannel(r)
	if err != nil {
		return 0, 0, err
	}
	seq, err := pathSeq(r)
	return id, seq, err
}

func (s *Server) editMessage(w http.ResponseWriter, r *http.Request) (any, error) {
	id, seq, err := pathMessage(r)
	if err != nil {
		return nil, err
	}
	var in struct {
		Body     string        `json:"body"`
		Mentions []chat.UserID `json:"mentions"`
	}
	if err := readJSON(w, r, maxSendBody, &in); err != nil {
		return nil, err
	}
	return s.cfg.Chat.Edit(r.Context(), whoIs(r), id, seq, in.Body, in.Mentions)
}

func (s *Server) deleteMessage(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, seq, err := pathMessage(r)
	if err != nil {
		return nil, err
	}
	return s.cfg.Chat.Delete(r.Context(), whoIs(r), id, seq)
}

func (s *Server) react(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, seq, err := pathMessage(r)
	if err != nil {
		return nil, err
	}
	emoji, err := pathText(r, "emoji")
	if err != nil {
		return nil, err
	}
	return s.cfg.Chat.React(r.Context(), whoIs(r), id, seq, emoji)
}

func (s *Server) unreact(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, seq, err := pathMessage(r)
	if err != nil {
		return nil, err
	}
	emoji, err := pathText(r, "emoji")
	if err != nil {
		return nil, err
	}
	return s.cfg.Chat.Unreact(r.Context(), whoIs(r), id, seq, emoji)
}
