package clienttest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gori/client"
)

// Server is the system. Its fields are set before use.
type Server struct {
	*httptest.Server
	// Lose drops a frame to a user; nil: none.
	Lose func(user client.UserID, op string) bool
	// Refuse answers a send with a nack instead of storing it; nil: none.
	Refuse func(o client.Outgoing) *client.Error
	// Fault refuses an HTTP call; nil: none.
	Fault func(r *http.Request) *client.Error
	// Swallow acknowledges a send without storing it; nil: none.
	Swallow func(o client.Outgoing) bool
	// Forget stores a send and gives no answer; nil: none.
	Forget func(o client.Outgoing) bool

	mu       sync.Mutex
	users    map[client.UserID]*user
	names    map[string]client.UserID
	channels map[client.ChannelID]*channel
	keys     map[string]client.ChannelID
	nextUser client.UserID
	sessions map[*session]struct{}
	Logins   int // successful logins and sign-ups
	Resumes  int // sockets of devices that said they have a position
}

type user struct {
	client.User
	password string
	inbox    map[client.ChannelID]client.InboxEntry
	pos      client.Pos
}

type channel struct {
	client.Channel
	members  []client.UserID
	messages []client.Message
	known    map[string]client.Receipt
}

// New starts a Server that the test stops.
func New(t testing.TB) *Server {
	s := &Server{
		users: map[client.UserID]*user{}, names: map[string]client.UserID{},
		channels: map[client.ChannelID]*channel{}, keys: map[string]client.ChannelID{},
		nextUser: 100, sessions: map[*session]struct{}{},
	}
	s.Server = httptest.NewServer(s.routes())
	t.Cleanup(func() {
		s.CutAll()
		s.Server.CloseClientConnections()
		s.Server.Close()
	})
	return s
}

func (s *Server) routes() http.Handler {
	m := http.NewServeMux()
	const v1 = "/api/v1"
	m.HandleFunc("POST "+v1+"/signup", s.signUp)
	m.HandleFunc("POST "+v1+"/login", s.logIn)
	m.HandleFunc("GET "+v1+"/discover", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, 200, map[string]any{"node": "fake", "ws": v1 + "/ws"})
	})
	m.HandleFunc("GET "+v1+"/ws", s.socket)
	m.HandleFunc("GET "+v1+"/me", s.as(func(u *user, _ *http.Request) (any, error) {
		return client.Self{User: u.User, Admin: u.ID == 100}, nil
	}))
	m.HandleFunc("POST "+v1+"/direct", s.as(s.direct))
	m.HandleFunc("POST "+v1+"/channels", s.as(s.createGroup))
	m.HandleFunc("GET "+v1+"/channels/{id}", s.as(s.readChannel))
	m.HandleFunc("POST "+v1+"/channels/{id}/members", s.as(s.addMembers))
	m.HandleFunc("GET "+v1+"/channels/{id}/messages", s.as(s.history))
	m.HandleFunc("GET "+v1+"/channels/{id}/changes", s.as(s.changes))
	m.HandleFunc("POST "+v1+"/channels/{id}/messages", s.as(s.post))
	m.HandleFunc("PATCH "+v1+"/channels/{id}/messages/{seq}", s.as(s.edit))
	m.HandleFunc("GET "+v1+"/inbox", s.as(s.inbox))
	m.HandleFunc("POST "+v1+"/admin/import/people", s.as(s.importPeople))
	m.HandleFunc("POST "+v1+"/admin/import/channels", s.as(s.importChannel))
	m.HandleFunc("POST "+v1+"/admin/import/channels/{id}/messages", s.as(s.importMessages))
	return m
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone
}

func refuse(w http.ResponseWriter, e *client.Error) {
	status := e.Status
	if status == 0 {
		status = 400
	}
	answer(w, status, map[string]any{"error": map[string]any{"code": e.Code, "message": e.Message, "retry": e.Retry}})
}

var notMember = &client.Error{Status: 404, Code: "not_member"}

// as authenticates, runs f under the lock and writes what it gives.
func (s *Server) as(f func(*user, *http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		u := s.who(r)
		if u == nil {
			s.mu.Unlock()
			refuse(w, &client.Error{Status: 401, Code: "unauthenticated"})
			return
		}
		var out any
		var err error
		if s.Fault != nil {
			if e := s.Fault(r); e != nil {
				err = e
			}
		}
		if err == nil {
			out, err = f(u, r)
		}
		s.mu.Unlock()
		if e, ok := err.(*client.Error); ok {
			refuse(w, e)
			return
		}
		if err != nil {
			refuse(w, &client.Error{Code: "bad_request", Message: err.Error()})
			return
		}
		answer(w, 200, out)
	}
}

func (s *Server) who(r *http.Request) *user {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	id, _, _ := strings.Cut(token, ".")
	n, _ := strconv.ParseInt(id, 10, 64)
	return s.users[client.UserID(n)]
}

func (s *Server) signUp(w http.ResponseWriter, r *http.Request) {
	var in client.NewUser
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		refuse(w, &client.Error{Code: "bad_request"})
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, taken := s.names[in.LoginName]; taken {
		refuse(w, &client.Error{Status: 409, Code: "name_taken"})
		return
	}
	u := s.addUser(in.LoginName, in.DisplayName, in.Password)
	s.loggedIn(w, 201, u)
}

func (s *Server) addUser(name, display, password string) *user {
	u := &user{User: client.User{ID: s.nextUser, LoginName: name, DisplayName: display}, password: password,
		inbox: map[client.ChannelID]client.InboxEntry{}}
	s.nextUser++
	s.users[u.ID], s.names[name] = u, u.ID
	return u
}

func (s *Server) logIn(w http.ResponseWriter, r *http.Request) {
	var in client.NewUser
	_ = json.NewDecoder(r.Body).Decode(&in) // device_name and the like do not matter here
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.users[s.names[in.LoginName]]
	if u == nil || u.password != in.Password {
		refuse(w, &client.Error{Status: 401, Code: "bad_credentials"})
		return
	}
	s.loggedIn(w, 200, u)
}

func (s *Server) loggedIn(w http.ResponseWriter, status int, u *user) {
	s.Logins++
	answer(w, status, map[string]any{"me": client.Self{User: u.User, Admin: u.ID == 100}, "login": "1",
		"token": u.ID.String() + ".secret"})
}

func decode(r *http.Request, in any) error { return json.NewDecoder(r.Body).Decode(in) }

func (s *Server) direct(u *user, r *http.Request) (any, error) {
	var in struct{ User client.UserID }
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	a, b := min(u.ID, in.User), max(u.ID, in.User)
	return s.channel(fmt.Sprint("direct ", a, b), client.KindDirect, "", []client.UserID{a, b}).Channel, nil
}

func (s *Server) createGroup(u *user, r *http.Request) (any, error) {
	var in client.NewGroup
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	return s.channel("group "+in.Key.String(), client.KindGroup, in.Name, append([]client.UserID{u.ID}, in.Members...)).Channel, nil
}

func (s *Server) channel(key string, kind int, name string, members []client.UserID) *channel {
	if id, ok := s.keys[key]; ok {
		c := s.channels[id]
		for _, m := range members {
			if !slices.Contains(c.members, m) {
				c.members = append(c.members, m)
			}
		}
		return c
	}
	id := client.ChannelID(1000 + len(s.keys))
	c := &channel{Channel: client.Channel{ID: id, Kind: kind, Name: name}, members: members, known: map[string]client.Receipt{}}
	c.MemberLimit, c.MemberCount = max(100, len(members)), len(members)
	s.keys[key], s.channels[id] = id, c
	s.noticeAll(c)
	return c
}

func (s *Server) member(u *user, r *http.Request) (*channel, error) {
	n, _ := strconv.ParseInt(r.PathValue("id"), 10, 64)
	c := s.channels[client.ChannelID(n)]
	if c == nil || !slices.Contains(c.members, u.ID) {
		return nil, notMember
	}
	return c, nil
}

func (s *Server) readChannel(u *user, r *http.Request) (any, error) {
	c, err := s.member(u, r)
	if err != nil {
		return nil, err
	}
	return c.Channel, nil
}

func (s *Server) addMembers(u *user, r *http.Request) (any, error) {
	c, err := s.member(u, r)
	if err != nil {
		return nil, err
	}
	var in struct{ Users []client.UserID }
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	for _, m := range in.Users {
		if !slices.Contains(c.members, m) {
			c.members = append(c.members, m)
		}
	}
	s.noticeAll(c)
	return c.Channel, nil
}

func integer(r *http.Request, name string) int64 {
	n, _ := strconv.ParseInt(r.URL.Query().Get(name), 10, 64)
	return n
}

func (s *Server) history(u *user, r *http.Request) (any, error) {
	c, err := s.member(u, r)
	if err != nil {
		return nil, err
	}
	limit := int(integer(r, "limit"))
	if limit == 0 {
		limit = 50
	}
	after := int(integer(r, "after"))
	if !r.URL.Query().Has("after") {
		after = max(0, len(c.messages)-limit)
	}
	end := min(len(c.messages), after+limit)
	page := client.Page{Messages: []client.Message{}, LastSeq: c.LastSeq, LastChange: c.LastChange, MoreAfter: end < len(c.messages)}
	if after < end {
		page.Messages = c.messages[after:end]
	}
	return page, nil
}

func (s *Server) changes(u *user, r *http.Request) (any, error) {
	c, err := s.member(u, r)
	if err != nil {
		return nil, err
	}
	page := client.Page{Messages: []client.Message{}, LastSeq: c.LastSeq, LastChange: c.LastChange}
	for _, m := range c.messages {
		if m.Change > client.Change(integer(r, "after")) && m.Seq <= client.Seq(integer(r, "up_to")) {
			page.Messages = append(page.Messages, m)
		}
	}
	slices.SortFunc(page.Messages, func(a, b client.Message) int { return int(a.Change - b.Change) })
	return page, nil
}

func (s *Server) post(u *user, r *http.Request) (any, error) {
	c, err := s.member(u, r)
	if err != nil {
		return nil, err
	}
	var o client.Outgoing
	var in struct {
		Body    string
		ReplyTo client.Seq `json:"reply_to"`
		Thread  client.Seq
	}
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	o.Body, o.ReplyTo, o.Thread = in.Body, in.ReplyTo, in.Thread
	if err := o.ClientMsgID.UnmarshalText([]byte(r.Header.Get("Idempotency-Key"))); err != nil {
		return nil, err
	}
	return s.store(c, u.ID, o, 0)
}

// store keeps a message once and tells the members.
func (s *Server) store(c *channel, sender client.UserID, o client.Outgoing, at client.Millis) (client.Receipt, error) {
	key := sender.String() + o.ClientMsgID.String()
	if r, ok := c.known[key]; ok {
		r.Duplicate = true
		if c.messages[r.Seq-1].Body != o.Body {
			return r, &client.Error{Status: 409, Code: "client_msg_id_reused"}
		}
		return r, nil
	}
	c.LastSeq++
	c.LastCount++
	m := client.Message{Channel: c.ID, Seq: c.LastSeq, Count: c.LastCount, Sender: sender, ClientMsgID: o.ClientMsgID,
		Body: o.Body, ReplyTo: o.ReplyTo, Thread: o.Thread, At: client.Millis(time.Now().UnixMilli()), OrigAt: at}
	c.messages = append(c.messages, m)
	r := client.Receipt{Channel: c.ID, ClientMsgID: o.ClientMsgID, Seq: m.Seq, Count: m.Count, At: m.At}
	c.known[key] = r
	s.tell(c, "msg", map[string]any{"op": "msg", "message": m})
	s.noticeAll(c)
	return r, nil
}

func (s *Server) edit(u *user, r *http.Request) (any, error) {
	c, err := s.member(u, r)
	if err != nil {
		return nil, err
	}
	var in struct{ Body string }
	if err := decode(r, &in); err != nil {
		return nil, err
	}
	seq, _ := strconv.Atoi(r.PathValue("seq"))
	m := &c.messages[seq-1]
	c.LastChange++
	m.Body, m.Change = in.Body, c.LastChange
	s.tell(c, "change", map[string]any{"op": "change", "message": *m})
	s.noticeAll(c)
	return *m, nil
}
