package clienttest

import (
	"net/http"
	"strings"

	"gori/client"
)

func (s *Server) importPeople(_ *user, r *http.Request) (any, error) {
	var in struct {
		Source string
		Names  []string
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	users := []client.User{}
	for _, n := range in.Names {
		login := strings.ToLower(in.Source + "." + n)
		id, ok := s.names[login]
		if !ok {
			id = s.addUser(login, n, "").ID
		}
		users = append(users, s.users[id].User)
	}
	return map[string]any{"users": users}, nil
}

func (s *Server) importChannel(u *user, r *http.Request) (any, error) {
	var in struct {
		Source, Name string
		Members      []client.UserID
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return s.channel("import "+in.Source+" "+in.Name, client.KindGroup, in.Name, append([]client.UserID{u.ID}, in.Members...)).Channel, nil
}

func (s *Server) importMessages(_ *user, r *http.Request) (any, error) {
	var in struct{ Messages []client.ImportedMessage }
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	c, err := s.member(s.users[in.Messages[0].Sender], r)
	if err != nil {
		return nil, err
	}
	receipts := make([]client.Receipt, 0, len(in.Messages))
	for _, m := range in.Messages {
		o := client.Outgoing{Body: m.Body, ClientMsgID: m.ClientMsgID, ReplyTo: m.ReplyTo}
		if m.ReplyToIndex != nil {
			o.ReplyTo = receipts[*m.ReplyToIndex].Seq
		}
		rc, err := s.store(c, m.Sender, o, m.OrigAt)
		if err != nil {
			return nil, err
		}
		receipts = append(receipts, rc)
	}
	return map[string]any{"receipts": receipts}, nil
}
