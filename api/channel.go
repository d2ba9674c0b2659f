package api

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"gori/chat"
)

func (s *Server) openDirect(w http.ResponseWriter, r *http.Request) (any, error) {
	var in struct {
		User chat.UserID `json:"user"`
	}
	if err := readJSON(w, r, maxSmallBody, &in); err != nil {
		return nil, err
	}
	return s.cfg.Chat.OpenDirect(r.Context(), whoIs(r), in.User)
}

func (s *Server) createGroup(w http.ResponseWriter, r *http.Request) (any, error) {
	var in struct {
		Key     chat.ClientMsgID `json:"key"`
		Name    string           `json:"name"`
		Members []chat.UserID    `json:"members"`
		Limit   int              `json:"limit"`
	}
	if err := readJSON(w, r, maxMembersBody, &in); err != nil {
		return nil, err
	}
	c, err := s.cfg.Chat.CreateGroup(r.Context(), whoIs(r), chat.GroupDraft{Key: in.Key, Name: in.Name, Members: in.Members, Limit: in.Limit})
	return made{c}, err
}

// maxMembersBody holds the ids of a full group.
const maxMembersBody = 256 << 10

func (s *Server) channel(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathChannel(r)
	if err != nil {
		return nil, err
	}
	return s.cfg.Chat.Channel(r.Context(), whoIs(r), id)
}

func (s *Server) editChannel(w http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathChannel(r)
	if err != nil {
		return nil, err
	}
	var in struct {
		Name  *string `json:"name"`
		Limit *int    `json:"limit"`
	}
	if err := readJSON(w, r, maxSmallBody, &in); err != nil {
		return nil, err
	}
	if in.Name == nil && in.Limit == nil {
		return s.cfg.Chat.Channel(r.Context(), whoIs(r), id)
	}
	var c chat.Channel
	if in.Limit != nil {
		g := chat.Governance{Kind: chat.GovernLimit, Channel: id, Limit: *in.Limit}
		if c, err = s.cfg.Chat.Govern(r.Context(), whoIs(r), g); err != nil {
			return nil, err
		}
	}
	if in.Name != nil {
		g := chat.Governance{Kind: chat.GovernRename, Channel: id, Name: *in.Name}
		c, err = s.cfg.Chat.Govern(r.Context(), whoIs(r), g)
	}
	return c, err
}

func (s *Server) members(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathChannel(r)
	if err != nil {
		return nil, err
	}
	members, users, err := s.cfg.Chat.Members(r.Context(), whoIs(r), id)
	return struct {
		Members []chat.Member `json:"members"`
		Users   []chat.User   `json:"users"`
	}{list(members), list(users)}, err
}

func (s *Server) addMembers(w http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathChannel(r)
	if err != nil {
		return nil, err
	}
	var in struct {
		Users []chat.UserID `json:"users"`
	}
	if err := readJSON(w, r, maxMembersBody, &in); err != nil {
		return nil, err
	}
	return s.cfg.Chat.Govern(r.Context(), whoIs(r), chat.Governance{Kind: chat.GovernAdd, Channel: id, Users: in.Users})
}

func (s *Server) setRole(w http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathChannel(r)
	if err != nil {
		return nil, err
	}
	user, err := pathUser(r, "user")
	if err != nil {
		return nil, err
	}
	var in struct {
		Role chat.Role `json:"role"`
	}
	if err := readJSON(w, r, maxSmallBody, &in); err != nil {
		return nil, err
	}
	g := chat.Governance{Kind: chat.GovernRole, Channel: id, Users: []chat.UserID{user}, Role: in.Role}
	return s.cfg.Chat.Govern(r.Context(), whoIs(r), g)
}

func (s *Server) removeMember(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathChannel(r)
	if err != nil {
		return nil, err
	}
	user, err := pathUser(r, "user")
	if err != nil {
		return nil, err
	}
	g := chat.Governance{Kind: chat.GovernRemove, Channel: id, Users: []chat.UserID{user}}
	if user == whoIs(r).User {
		g.Kind, g.Users = chat.GovernLeave, nil
	}
	_, err = s.cfg.Chat.Govern(r.Context(), whoIs(r), g)
	return nil, err
}

func (s *Server) invites(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathChannel(r)
	if err != nil {
		return nil, err
	}
	invites, err := s.cfg.Chat.Invites(r.Context(), whoIs(r), id)
	return struct {
		Invites []chat.Invite `json:"invites"`
	}{list(invites)}, err
}

func (s *Server) createInvite(w http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathChannel(r)
	if err != nil {
		return nil, err
	}
	var in struct {
		MaxUses   int         `json:"max_uses"`
		ExpiresAt chat.Millis `json:"expires_at"`
	}
	if err := readJSON(w, r, maxSmallBody, &in); err != nil {
		return nil, err
	}
	invite, err := s.cfg.Chat.Invite(r.Context(), whoIs(r), id, in.MaxUses, in.ExpiresAt.Time())
	return made{invite}, err
}

func (s *Server) revokeInvite(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathChannel(r)
	if err != nil {
		return nil, err
	}
	invite, err := canonicalInt(chi.URLParam(r, "invite"), 1)
	if err != nil {
		return nil, err
	}
	return nil, s.cfg.Chat.RevokeInvite(r.Context(), whoIs(r), id, invite)
}

func (s *Server) previewInvite(_ http.ResponseWriter, r *http.Request) (any, error) {
	code, err := pathText(r, "code")
	if err != nil {
		return nil, err
	}
	return s.cfg.Chat.PreviewInvite(r.Context(), code)
}

func (s *Server) join(_ http.ResponseWriter, r *http.Request) (any, error) {
	code, err := pathText(r, "code")
	if err != nil {
		return nil, err
	}
	return s.cfg.Chat.Join(r.Context(), whoIs(r), code)
}

// list is l, or an empty list: lists on the wire are never null.
func list[T any](l []T) []T {
	if l == nil {
		return []T{}
	}
	return l
}
