package api

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"gori/chat"
)

func (s *Server) serviceConfig(_ http.ResponseWriter, r *http.Request) (any, error) {
	// The shard that knows may be down: nobody should be kept from logging in
	// by that, so then it is left open.
	var founded *bool
	if is, err := s.cfg.People.Founded(r.Context()); err == nil {
		founded = &is
	}
	signUp := "open"
	if s.cfg.People.InviteOnly() {
		signUp = "invite"
	}
	return struct {
		SignUp  string      `json:"signup"`
		Founded *bool       `json:"founded,omitempty"`
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Limits  chat.Limits `json:"limits"`
	}{signUp, founded, s.cfg.Name, s.cfg.Version, chat.PublicLimits()}, nil
}

// loggedIn is the answer to a sign-up or log-in. It names the node to use, if
// one takes people now.
type loggedIn struct {
	place
	Me    chat.Self    `json:"me"`
	Login chat.LoginID `json:"login"`
	Token string       `json:"token,omitempty"`
}

// mayGetCookie refuses to set a cookie for a page that is not ours: without it
// a foreign page could log its visitor in as someone else.
func (s *Server) mayGetCookie(r *http.Request, wantToken bool) error {
	if present, allowed := s.origins.check(r); wantToken || (present && allowed) {
		return nil
	}
	return chat.Errorf(chat.CodeForbidden, "a cookie is only given to an allowed Origin; programs ask with want_token")
}

func (s *Server) admit(w http.ResponseWriter, r *http.Request, a chat.Admission, wantToken bool) loggedIn {
	out := loggedIn{Me: a.Self, Login: a.Login}
	// It has happened; a strange region is no reason to fail it.
	if p, ok, err := s.placeFor(r); ok && err == nil {
		out.place = p
	}
	if wantToken {
		out.Token = a.Token
	} else {
		setCookie(w, r, a.Token)
	}
	return out
}

func (s *Server) signUp(w http.ResponseWriter, r *http.Request) (any, error) {
	var in struct {
		LoginName   string `json:"login_name"`
		Password    string `json:"password"`
		DisplayName string `json:"display_name"`
		Lang        string `json:"lang"`
		Invite      string `json:"invite"`
		DeviceName  string `json:"device_name"`
		WantToken   bool   `json:"want_token"`
	}
	if err := readJSON(w, r, maxSmallBody, &in); err != nil {
		return nil, err
	}
	if err := s.mayGetCookie(r, in.WantToken); err != nil {
		return nil, err
	}
	a, err := s.cfg.People.SignUp(r.Context(), chat.SignUp{
		LoginName: in.LoginName, Password: in.Password, DisplayName: in.DisplayName,
		Lang: in.Lang, Invite: in.Invite, DeviceName: in.DeviceName, Address: clientOf(r).addr,
	})
	if err != nil {
		return nil, err
	}
	return made{s.admit(w, r, a, in.WantToken)}, nil
}

func (s *Server) logIn(w http.ResponseWriter, r *http.Request) (any, error) {
	var in struct {
		LoginName  string `json:"login_name"`
		Password   string `json:"password"`
		DeviceName string `json:"device_name"`
		WantToken  bool   `json:"want_token"`
	}
	if err := readJSON(w, r, maxSmallBody, &in); err != nil {
		return nil, err
	}
	if err := s.mayGetCookie(r, in.WantToken); err != nil {
		return nil, err
	}
	a, err := s.cfg.People.LogIn(r.Context(), chat.LogIn{
		LoginName: in.LoginName, Password: in.Password, DeviceName: in.DeviceName, Address: clientOf(r).addr,
	})
	if err != nil {
		return nil, err
	}
	return s.admit(w, r, a, in.WantToken), nil
}

func (s *Server) logOut(w http.ResponseWriter, r *http.Request) (any, error) {
	if err := s.cfg.People.LogOut(r.Context(), whoIs(r)); err != nil {
		return nil, err
	}
	if !bearing(r) {
		setCookie(w, r, "")
	}
	return nil, nil
}

func (s *Server) changePassword(w http.ResponseWriter, r *http.Request) (any, error) {
	var in struct {
		Old string `json:"old"`
		New string `json:"new"`
	}
	if err := readJSON(w, r, maxSmallBody, &in); err != nil {
		return nil, err
	}
	return nil, s.cfg.People.ChangePassword(r.Context(), whoIs(r), in.Old, in.New, clientOf(r).addr)
}

func (s *Server) me(_ http.ResponseWriter, r *http.Request) (any, error) {
	return s.cfg.People.Self(r.Context(), whoIs(r))
}

func (s *Server) editMe(w http.ResponseWriter, r *http.Request) (any, error) {
	var in struct {
		DisplayName *string `json:"display_name"`
		StatusLine  *string `json:"status_line"`
		AvatarColor *int    `json:"avatar_color"`
		Lang        *string `json:"lang"`

		PresenceTo *chat.PresenceTo `json:"presence_to"`
	}
	if err := readJSON(w, r, maxSmallBody, &in); err != nil {
		return nil, err
	}
	return s.cfg.People.EditProfile(r.Context(), whoIs(r), chat.ProfileEdit{
		DisplayName: in.DisplayName, StatusLine: in.StatusLine, AvatarColor: in.AvatarColor, Lang: in.Lang,
		PresenceTo: in.PresenceTo,
	})
}

func (s *Server) logins(_ http.ResponseWriter, r *http.Request) (any, error) {
	logins, err := s.cfg.People.Logins(r.Context(), whoIs(r))
	return struct {
		Logins []chat.Login `json:"logins"`
	}{list(logins)}, err
}

func (s *Server) revokeLogin(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := canonicalInt(chi.URLParam(r, "id"), 1)
	if err != nil {
		return nil, err
	}
	return nil, s.cfg.People.RevokeLogin(r.Context(), whoIs(r), chat.LoginID(id))
}

func (s *Server) revokeOthers(_ http.ResponseWriter, r *http.Request) (any, error) {
	return nil, s.cfg.People.RevokeOthers(r.Context(), whoIs(r))
}
