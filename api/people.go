package api

import (
	"net/http"
	"strconv"
	"strings"

	"gori/chat"
)

// users finds people by the beginning of a name, or reads profiles by id.
func (s *Server) users(_ http.ResponseWriter, r *http.Request) (any, error) {
	q := readQuery(r, "find", "ids")
	if q.err == nil && q.has("find") == q.has("ids") {
		q.err = chat.Errorf(chat.CodeBadRequest, "ask for either find or ids")
	}
	if q.err != nil {
		return nil, q.err
	}
	out := struct {
		Users   []chat.User `json:"users"`
		Partial bool        `json:"partial,omitempty"`
	}{}
	var err error
	if q.has("find") {
		out.Users, out.Partial, err = s.cfg.People.Find(r.Context(), whoIs(r), q.text("find"))
	} else {
		var ids []chat.UserID
		if ids, err = userIDs(q.text("ids")); err == nil {
			out.Users, err = s.cfg.Chat.Profiles(r.Context(), ids)
		}
	}
	out.Users = list(out.Users)
	return out, err
}

// userIDs reads ids with commas between.
func userIDs(text string) ([]chat.UserID, error) {
	if strings.Count(text, ",") >= chat.MaxProfilesPerCall {
		return nil, chat.Errorf(chat.CodeTooLong, "at most %d ids", chat.MaxProfilesPerCall)
	}
	var ids []chat.UserID
	for part := range strings.SplitSeq(text, ",") {
		id, err := chat.ParseUserID(part)
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func (s *Server) user(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathUser(r, "id")
	if err != nil {
		return nil, err
	}
	users, err := s.cfg.Chat.Profiles(r.Context(), []chat.UserID{id})
	if err != nil {
		return nil, err
	}
	if len(users) == 0 {
		return nil, chat.Errorf(chat.CodeNotFound, "there is no such user")
	}
	return users[0], nil
}

// maxAvatarBody is checked before anything is decoded.
const maxAvatarBody = chat.MaxAvatarUpload

// avatarTypes are the media types that may be claimed; what counts is what the
// decoder finds.
var avatarTypes = map[string]bool{"image/png": true, "image/jpeg": true, "image/gif": true, "image/webp": true}

type avatarVersion struct {
	Version int64 `json:"avatar_version"`
}

func (s *Server) setAvatar(w http.ResponseWriter, r *http.Request) (any, error) {
	if !avatarTypes[r.Header.Get("Content-Type")] {
		return nil, chat.Errorf(chat.CodeBadRequest, "a picture is image/png, image/jpeg, image/gif or image/webp")
	}
	b, err := readBody(w, r, maxAvatarBody)
	if err != nil {
		return nil, err
	}
	if len(b) == 0 {
		return nil, chat.Errorf(chat.CodeBadRequest, "there is no picture in the body")
	}
	version, err := s.cfg.People.SetAvatar(r.Context(), whoIs(r), b)
	return avatarVersion{version}, err
}

func (s *Server) removeAvatar(_ http.ResponseWriter, r *http.Request) (any, error) {
	version, err := s.cfg.People.SetAvatar(r.Context(), whoIs(r), nil)
	return avatarVersion{version}, err
}

// avatar sends a picture. It was re-encoded by us, yet it is sent so that no
// browser takes it for a page. With the right version it never changes.
func (s *Server) avatar(w http.ResponseWriter, r *http.Request) {
	id, err := pathUser(r, "id")
	if err != nil {
		s.fail(w, r, err)
		return
	}
	q := readQuery(r, "v")
	asked := q.number("v", 0, 0)
	if q.err != nil {
		s.fail(w, r, q.err)
		return
	}
	png, version, err := s.cfg.People.Avatar(r.Context(), id)
	if err == nil && len(png) == 0 {
		err = chat.Errorf(chat.CodeNotFound, "this user has no picture")
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "image/png")
	h.Set("Content-Disposition", `inline; filename="avatar.png"`)
	h.Set("Content-Length", strconv.Itoa(len(png)))
	if asked == version {
		h.Set("Cache-Control", "private, max-age=31536000, immutable")
	}
	_, _ = w.Write(png) // a client that has gone needs no answer
}

func (s *Server) friends(_ http.ResponseWriter, r *http.Request) (any, error) {
	friends, users, err := s.cfg.Chat.Friends(r.Context(), whoIs(r))
	return struct {
		Friends []chat.Friend `json:"friends"`
		Users   []chat.User   `json:"users"`
	}{list(friends), list(users)}, err
}

func (s *Server) befriend(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathUser(r, "user")
	if err != nil {
		return nil, err
	}
	friend, err := s.cfg.Chat.Befriend(r.Context(), whoIs(r), id)
	return struct {
		Friend chat.Friend `json:"friend"`
	}{friend}, err
}

func (s *Server) unfriend(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathUser(r, "user")
	if err != nil {
		return nil, err
	}
	return nil, s.cfg.Chat.Unfriend(r.Context(), whoIs(r), id)
}

func (s *Server) block(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathUser(r, "user")
	if err != nil {
		return nil, err
	}
	return nil, s.cfg.Chat.Block(r.Context(), whoIs(r), id)
}

func (s *Server) unblock(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathUser(r, "user")
	if err != nil {
		return nil, err
	}
	return nil, s.cfg.Chat.Unblock(r.Context(), whoIs(r), id)
}

// maxPresence is how many people's states one request may ask for.
const maxPresence = 500

func (s *Server) presence(w http.ResponseWriter, r *http.Request) (any, error) {
	var in struct {
		Users []chat.UserID `json:"users"`
	}
	if err := readJSON(w, r, maxSmallBody, &in); err != nil {
		return nil, err
	}
	if len(in.Users) > maxPresence {
		return nil, chat.Errorf(chat.CodeTooLong, "at most %d people at once", maxPresence)
	}
	states, err := s.states(r, in.Users)
	return struct {
		States []chat.PresenceState `json:"states"`
	}{list(states)}, err
}

// states asks presence. It still knows who is here when a shard is down; only
// the time of the last visit is then missing.
func (s *Server) states(r *http.Request, users []chat.UserID) ([]chat.PresenceState, error) {
	if s.cfg.Presence == nil || len(users) == 0 {
		return nil, nil
	}
	states, err := s.cfg.Presence.States(r.Context(), whoIs(r).User, users)
	if err != nil && len(states) == 0 {
		return nil, err
	}
	return states, nil
}
