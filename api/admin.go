package api

import (
	"net/http"

	"gori/chat"
)

func (s *Server) createSignUpInvite(w http.ResponseWriter, r *http.Request) (any, error) {
	var in struct {
		ExpiresAt chat.Millis `json:"expires_at"`
	}
	if err := readJSON(w, r, maxSmallBody, &in); err != nil {
		return nil, err
	}
	code, until, err := s.cfg.People.CreateSignUpInvite(r.Context(), whoIs(r), in.ExpiresAt.Time())
	return made{struct {
		Code      string      `json:"code"`
		ExpiresAt chat.Millis `json:"expires_at"`
	}{code, chat.MillisOf(until)}}, err
}

func (s *Server) disableUser(_ http.ResponseWriter, r *http.Request) (any, error) {
	return nil, s.setDisabled(r, true)
}

func (s *Server) enableUser(_ http.ResponseWriter, r *http.Request) (any, error) {
	return nil, s.setDisabled(r, false)
}

func (s *Server) setDisabled(r *http.Request, disabled bool) error {
	id, err := pathUser(r, "id")
	if err != nil {
		return err
	}
	return s.cfg.People.SetDisabled(r.Context(), whoIs(r), id, disabled)
}

func (s *Server) importPeople(w http.ResponseWriter, r *http.Request) (any, error) {
	var in struct {
		Source string   `json:"source"`
		Names  []string `json:"names"`
	}
	if err := readJSON(w, r, maxMembersBody, &in); err != nil {
		return nil, err
	}
	users, err := s.cfg.People.ImportPeople(r.Context(), whoIs(r), in.Source, in.Names)
	return struct {
		Users []chat.User `json:"users"`
	}{list(users)}, err
}

func (s *Server) importChannel(w http.ResponseWriter, r *http.Request) (any, error) {
	var in struct {
		Source  string        `json:"source"`
		Name    string        `json:"name"`
		Members []chat.UserID `json:"members"`
	}
	if err := readJSON(w, r, maxMembersBody, &in); err != nil {
		return nil, err
	}
	return s.cfg.Chat.ImportChannel(r.Context(), whoIs(r), in.Source, in.Name, in.Members)
}

func (s *Server) importMessages(w http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathChannel(r)
	if err != nil {
		return nil, err
	}
	var in struct {
		Messages []struct {
			Sender       chat.UserID      `json:"sender"`
			ClientMsgID  chat.ClientMsgID `json:"client_msg_id"`
			Body         string           `json:"body"`
			OrigAt       chat.Millis      `json:"orig_at"`
			ReplyTo      chat.Seq         `json:"reply_to"`
			ReplyToIndex *int             `json:"reply_to_index"`
		} `json:"messages"`
	}
	if err := readJSON(w, r, maxImportBody, &in); err != nil {
		return nil, err
	}
	messages := make([]chat.ImportedMessage, len(in.Messages))
	for i, m := range in.Messages {
		messages[i] = chat.ImportedMessage{Sender: m.Sender, ClientMsgID: m.ClientMsgID, Body: m.Body,
			OrigAt: m.OrigAt, ReplyTo: m.ReplyTo, ReplyToIndex: -1}
		if m.ReplyToIndex != nil {
			messages[i].ReplyToIndex = *m.ReplyToIndex
		}
	}
	receipts, err := s.cfg.Chat.ImportMessages(r.Context(), whoIs(r), id, messages)
	if err != nil {
		return nil, err
	}
	acks := make([]chat.Ack, len(receipts))
	for i, receipt := range receipts {
		acks[i] = chat.AckOf(chat.Draft{Channel: id, ClientMsgID: messages[i].ClientMsgID}, receipt)
	}
	return struct {
		Receipts []chat.Ack `json:"receipts"`
	}{acks}, nil
}
