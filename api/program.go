package api

import (
	"net/http"
	"strings"

	"github.com/go-chi/chi/v5"

	"gori/chat"
)

// programRoutes are for people: what they let programs do.
func (s *Server) programRoutes(r chi.Router) {
	r.Get("/bots", s.program(s.bots))
	r.Post("/bots", s.program(s.makeBot))
	r.Patch("/bots/{id}", s.program(s.renameBot))
	r.Delete("/bots/{id}", s.program(s.endBot))
	r.Post("/bots/{id}/token", s.program(s.renewBot))
	r.Put("/bots/{id}/webhook", s.program(s.setBotWebhook))
	r.Delete("/bots/{id}/webhook", s.program(s.removeBotWebhook))
	r.Get("/channels/{id}/hooks", s.program(s.hooks))
	r.Post("/channels/{id}/hooks", s.program(s.makeHook))
	r.Delete("/channels/{id}/hooks/{hook}", s.program(s.endHook))
}

// program answers only where programs are let in.
func (s *Server) program(h handler) http.HandlerFunc {
	return s.do(func(w http.ResponseWriter, r *http.Request) (any, error) {
		if s.cfg.Programs == nil {
			return nil, errNoRoute
		}
		return h(w, r)
	})
}

func (s *Server) bots(_ http.ResponseWriter, r *http.Request) (any, error) {
	bots, err := s.cfg.Programs.Bots(r.Context(), whoIs(r))
	return struct {
		Bots []chat.User `json:"bots"`
	}{list(bots)}, err
}

func (s *Server) makeBot(w http.ResponseWriter, r *http.Request) (any, error) {
	var in struct {
		LoginName   string `json:"login_name"`
		DisplayName string `json:"display_name"`
	}
	if err := readJSON(w, r, maxSmallBody, &in); err != nil {
		return nil, err
	}
	a, err := s.cfg.Programs.MakeBot(r.Context(), whoIs(r), in.LoginName, in.DisplayName)
	return made{struct {
		User  chat.User    `json:"user"`
		Login chat.LoginID `json:"login"`
		Token string       `json:"token"`
	}{a.Bot, a.Login, a.Token}}, err
}

func (s *Server) renameBot(w http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathUser(r, "id")
	if err != nil {
		return nil, err
	}
	var in struct {
		DisplayName string `json:"display_name"`
	}
	if err := readJSON(w, r, maxSmallBody, &in); err != nil {
		return nil, err
	}
	return s.cfg.Programs.RenameBot(r.Context(), whoIs(r), id, in.DisplayName)
}

func (s *Server) endBot(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathUser(r, "id")
	if err != nil {
		return nil, err
	}
	return nil, s.cfg.Programs.EndBot(r.Context(), whoIs(r), id)
}

func (s *Server) renewBot(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathUser(r, "id")
	if err != nil {
		return nil, err
	}
	login, token, err := s.cfg.Programs.RenewBot(r.Context(), whoIs(r), id)
	return struct {
		Login chat.LoginID `json:"login"`
		Token string       `json:"token"`
	}{login, token}, err
}

func (s *Server) setBotWebhook(w http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathUser(r, "id")
	if err != nil {
		return nil, err
	}
	var in struct {
		URL string `json:"url"`
	}
	if err := readJSON(w, r, maxSmallBody, &in); err != nil {
		return nil, err
	}
	secret, err := s.cfg.Programs.SetBotWebhook(r.Context(), whoIs(r), id, in.URL)
	return struct {
		Secret string `json:"secret"`
	}{secret}, err
}

func (s *Server) removeBotWebhook(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathUser(r, "id")
	if err != nil {
		return nil, err
	}
	return nil, s.cfg.Programs.RemoveBotWebhook(r.Context(), whoIs(r), id)
}

func (s *Server) hooks(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathChannel(r)
	if err != nil {
		return nil, err
	}
	hooks, err := s.cfg.Programs.Hooks(r.Context(), whoIs(r), id)
	return struct {
		Hooks []chat.Hook `json:"hooks"`
	}{list(hooks)}, err
}

func (s *Server) makeHook(w http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathChannel(r)
	if err != nil {
		return nil, err
	}
	var in struct {
		Name string `json:"name"`
	}
	if err := readJSON(w, r, maxSmallBody, &in); err != nil {
		return nil, err
	}
	h, token, err := s.cfg.Programs.MakeHook(r.Context(), whoIs(r), id, in.Name)
	return made{struct {
		chat.Hook
		URL string `json:"url"` // shown once
	}{h, s.publicURL(r) + "/api/v1/hooks/" + token}}, err
}

// publicURL is the address under which the asking browser reaches us, else the
// first one: never what the Host header claims.
func (s *Server) publicURL(r *http.Request) string {
	if _, allowed := s.origins.check(r); allowed {
		return r.Header.Get("Origin")
	}
	return strings.TrimRight(s.cfg.PublicURLs[0], "/")
}

func (s *Server) endHook(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathChannel(r)
	if err != nil {
		return nil, err
	}
	hook, err := canonicalInt(chi.URLParam(r, "hook"), 1)
	if err != nil {
		return nil, err
	}
	return nil, s.cfg.Programs.EndHook(r.Context(), whoIs(r), id, chat.HookID(hook))
}

// postHook takes a message from whoever knows the URL. Nothing else of the
// request says who it is from: no cookie and no Origin is looked at, as a page
// that knows the URL could send it from anywhere.
func (s *Server) postHook(w http.ResponseWriter, r *http.Request) (any, error) {
	var key chat.ClientMsgID
	if keys := r.Header.Values("Idempotency-Key"); len(keys) > 0 {
		var err error
		if key, err = idempotencyKey(keys); err != nil {
			return nil, err
		}
	}
	token, err := pathText(r, "token")
	if err != nil {
		return nil, err
	}
	var in struct {
		Text string `json:"text"`
	}
	if err := readJSON(w, r, maxSendBody, &in); err != nil {
		return nil, err
	}
	start := s.now()
	d, receipt, err := s.cfg.Programs.PostHook(r.Context(), token, in.Text, key)
	s.metrics.Sent(chat.CodeOf(err), s.now().Sub(start))
	if err != nil {
		return nil, err
	}
	return ackAnswer(d, receipt), nil
}
