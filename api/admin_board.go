package api

import (
	"net/http"

	"gori/chat"
)

const (
	maxHot   = 100 // channels
	maxAudit = 200 // lines
	maxName  = 100 // characters
)

// boarded lets requests through where there is a board.
func (s *Server) boarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.cfg.Board == nil || s.cfg.Reshards == nil {
			s.fail(w, r, errNoRoute)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) ringView(_ http.ResponseWriter, r *http.Request) (any, error) {
	return s.cfg.Board.Ring(r.Context())
}

func (s *Server) shardViews(_ http.ResponseWriter, r *http.Request) (any, error) {
	shards, err := s.cfg.Board.Shards(r.Context())
	return struct {
		Shards []ShardView `json:"shards"`
	}{list(shards)}, err
}

func (s *Server) hotChannels(_ http.ResponseWriter, r *http.Request) (any, error) {
	q := readQuery(r, "limit")
	limit := q.limit(maxHot)
	if q.err != nil {
		return nil, q.err
	}
	if limit == 0 {
		limit = 20
	}
	channels, err := s.cfg.Board.Hot(r.Context(), limit)
	return struct {
		Channels []HotChannel `json:"channels"`
	}{list(channels)}, err
}

func (s *Server) where(_ http.ResponseWriter, r *http.Request) (any, error) {
	query, err := whereQuery(r)
	if err != nil {
		return nil, err
	}
	places, err := s.cfg.Board.Where(r.Context(), query)
	return struct {
		Places []Place `json:"places"`
	}{list(places)}, err
}

// whereQuery reads the one parameter that says what to look for.
func whereQuery(r *http.Request) (where WhereQuery, err error) {
	q := readQuery(r, "channel", "user", "name")
	if q.err != nil {
		return where, q.err
	}
	if len(q.v) != 1 {
		return where, chat.Errorf(chat.CodeBadRequest, "ask for one of channel, user and name")
	}
	switch {
	case q.has("channel"):
		where.Channel, err = chat.ParseChannelID(q.text("channel"))
	case q.has("user"):
		where.User, err = chat.ParseUserID(q.text("user"))
	default:
		where.Name, err = chat.NormalLine("name", q.text("name"), 1, maxName)
	}
	return where, err
}

func (s *Server) auditLog(_ http.ResponseWriter, r *http.Request) (any, error) {
	q := readQuery(r, "before", "limit")
	before, limit := q.number("before", 1, 0), q.limit(maxAudit)
	if q.err != nil {
		return nil, q.err
	}
	if limit == 0 {
		limit = 50
	}
	page, err := s.cfg.Board.Audit(r.Context(), before, limit)
	page.Lines, page.Missing = list(page.Lines), list(page.Missing)
	return page, err
}
