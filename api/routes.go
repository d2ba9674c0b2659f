package api

import (
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"

	"gori/chat"
)

// routes is the table of all public routes, as docs/PROTOCOL.md lists them;
// tests hold it against openapi.yaml in both directions.
func (s *Server) routes() http.Handler {
	r := chi.NewRouter()
	r.Use(s.withClient, s.logged, s.secured)
	r.NotFound(s.notFound)
	r.MethodNotAllowed(s.wrongMethod)
	r.Get("/healthz", s.healthz)
	r.Get("/readyz", s.readyz)
	r.Group(func(r chi.Router) {
		r.Use(s.limited(s.requestLimit))
		r.Get("/api/openapi.yaml", serveSpec)
		r.Get("/api/frames.schema.json", serveFrames)
		// Whoever knows the URL may: there is no login that a foreign page could use.
		r.Post("/api/v1/hooks/{token}", s.program(s.postHook))
		r.Group(func(r chi.Router) {
			r.Use(s.sameSite)
			r.Get("/n/{node}/ws", s.socket)
			r.Get("/api/v1/ws", s.socket)
			r.Route("/api/v1", s.version1)
		})
	})
	r.Get("/*", s.static.ServeHTTP)
	r.Head("/*", s.static.ServeHTTP)
	return r
}

func (s *Server) version1(r chi.Router) {
	r.Get("/config", s.do(s.serviceConfig))
	r.With(s.admitted).Post("/signup", s.do(s.signUp))
	r.With(s.admitted).Post("/login", s.do(s.logIn))
	r.Group(func(r chi.Router) {
		r.Use(s.authenticated)
		s.accountRoutes(r)
		s.peopleRoutes(r)
		s.channelRoutes(r)
		s.pushRoutes(r)
		s.programRoutes(r)
		r.Route("/admin", s.adminV1)
	})
}

func (s *Server) accountRoutes(r chi.Router) {
	r.Get("/discover", s.do(s.discover))
	r.Post("/logout", s.do(s.logOut))
	r.Post("/password", s.do(s.changePassword))
	r.Get("/me", s.do(s.me))
	r.Patch("/me", s.do(s.editMe))
	r.With(s.limited(s.uploadLimit)).Put("/me/avatar", s.do(s.setAvatar))
	r.Delete("/me/avatar", s.do(s.removeAvatar))
	r.Get("/logins", s.do(s.logins))
	r.Delete("/logins/{id}", s.do(s.revokeLogin))
	r.Post("/logins/revoke_others", s.do(s.revokeOthers))
}

func (s *Server) peopleRoutes(r chi.Router) {
	r.Get("/users", s.do(s.users))
	r.Get("/users/{id}", s.do(s.user))
	r.Get("/users/{id}/avatar", s.avatar)
	r.Get("/friends", s.do(s.friends))
	r.Put("/friends/{user}", s.do(s.befriend))
	r.Delete("/friends/{user}", s.do(s.unfriend))
	r.Put("/blocks/{user}", s.do(s.block))
	r.Delete("/blocks/{user}", s.do(s.unblock))
	r.Post("/presence", s.do(s.presence))
}

func (s *Server) channelRoutes(r chi.Router) {
	r.Get("/inbox", s.do(s.inbox))
	r.Post("/direct", s.do(s.openDirect))
	r.Post("/channels", s.do(s.createGroup))
	r.Get("/invites/{code}", s.do(s.previewInvite))
	r.Post("/invites/{code}", s.do(s.join))
	r.Get("/channels/{id}", s.do(s.channel))
	r.Patch("/channels/{id}", s.do(s.editChannel))
	r.Get("/channels/{id}/members", s.do(s.members))
	r.Post("/channels/{id}/members", s.do(s.addMembers))
	r.Patch("/channels/{id}/members/{user}", s.do(s.setRole))
	r.Delete("/channels/{id}/members/{user}", s.do(s.removeMember))
	r.Put("/channels/{id}/read", s.do(s.markRead))
	r.Patch("/channels/{id}/preference", s.do(s.prefer))
	r.Get("/channels/{id}/invites", s.do(s.invites))
	r.Post("/channels/{id}/invites", s.do(s.createInvite))
	r.Delete("/channels/{id}/invites/{invite}", s.do(s.revokeInvite))
	r.Get("/channels/{id}/messages", s.do(s.history))
	r.Post("/channels/{id}/messages", s.do(s.send))
	r.Get("/channels/{id}/changes", s.do(s.changes))
	r.Patch("/channels/{id}/messages/{seq}", s.do(s.editMessage))
	r.Delete("/channels/{id}/messages/{seq}", s.do(s.deleteMessage))
	r.Put("/channels/{id}/messages/{seq}/reactions/{emoji}", s.do(s.react))
	r.Delete("/channels/{id}/messages/{seq}/reactions/{emoji}", s.do(s.unreact))
}

func (s *Server) adminV1(r chi.Router) {
	r.Use(s.adminOnly)
	r.Get("/nodes", s.do(s.listNodes))
	r.Post("/signup_invites", s.do(s.createSignUpInvite))
	r.Post("/users/{id}/disable", s.do(s.disableUser))
	r.Post("/users/{id}/enable", s.do(s.enableUser))
	r.Post("/import/people", s.do(s.importPeople))
	r.Post("/import/channels", s.do(s.importChannel))
	r.Post("/import/channels/{id}/messages", s.do(s.importMessages))
	r.Group(s.boardRoutes)
}

func (s *Server) boardRoutes(r chi.Router) {
	r.Use(s.boarded)
	r.Get("/ring", s.do(s.ringView))
	r.Get("/shards", s.do(s.shardViews))
	r.Get("/channels/hot", s.do(s.hotChannels))
	r.Get("/where", s.do(s.where))
	r.Get("/audit", s.do(s.auditLog))
	r.Get("/reshard", s.do(s.reshardStatus))
	r.Post("/reshard", s.do(s.orderReshard))
	r.Post("/reshard/plan", s.do(s.previewReshard))
	r.Get("/receipts", s.do(s.receipts))
	r.Get("/receipts/{id}", s.do(s.receipt))
	r.Get("/receipts/{id}/file", s.receiptFile)
	r.Get("/receipts/{id}/verify", s.do(s.receiptCheck))
	r.Post("/receipts/{id}/verify", s.do(s.verifyReceipt))
}

// made is an answer with status 201.
type made struct{ body any }

// accepted is an answer with status 202 and nothing to say.
type accepted struct{}

// handler answers a request: nil is 204, made is 201, accepted 202, anything
// else 200.
type handler func(w http.ResponseWriter, r *http.Request) (any, error)

func (s *Server) do(h handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := s.steadily(w, r, h)
		if err != nil {
			s.fail(w, r, err)
			return
		}
		switch b := body.(type) {
		case nil:
			w.WriteHeader(http.StatusNoContent)
		case accepted:
			w.WriteHeader(http.StatusAccepted)
		case made:
			writeJSON(w, http.StatusCreated, b.body)
		default:
			writeJSON(w, http.StatusOK, b)
		}
	}
}

// againWithin is how long after a request came it is done again, if this node
// stood still over it; later whoever asked is told to ask again.
const againWithin = 10 * time.Second

// steadily calls h. What was read before a standstill of this node is not
// answered, but read again, for whoever asked may not see it any more. What is to
// change something and may have been asked before one is refused, to be asked again;
// what had begun then is done, and its outcome is answered.
func (s *Server) steadily(w http.ResponseWriter, r *http.Request, h handler) (any, error) {
	who := whoIs(r)
	if who == (chat.Identity{}) {
		return h(w, r)
	}
	if r.Method != http.MethodGet {
		if err := s.cfg.Chat.Takes(); err != nil {
			return nil, err
		}
		return h(w, r)
	}
	began := s.now()
	for first := true; ; first = false {
		still := s.cfg.Chat.Steady(r.Context())
		if !first {
			if _, err := s.authenticate(r); err != nil {
				return nil, err
			}
		}
		body, err := h(w, r)
		if err != nil || still() {
			return body, err
		}
		if s.now().Sub(began) > againWithin {
			return nil, chat.ErrStoodStill
		}
	}
}

var (
	errNoRoute     = chat.Errorf(chat.CodeNotFound, "there is nothing here")
	errWrongMethod = chat.Errorf(chat.CodeBadRequest, "this method is not allowed here")
)

func (s *Server) notFound(w http.ResponseWriter, r *http.Request) { s.fail(w, r, errNoRoute) }

// wrongMethod answers 405, the one status that has no code of its own.
func (s *Server) wrongMethod(w http.ResponseWriter, _ *http.Request) {
	writeError(w, http.StatusMethodNotAllowed, errWrongMethod)
}
