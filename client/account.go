package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// NewUser is what a sign-up asks for.
type NewUser struct {
	LoginName   string `json:"login_name"`
	Password    string `json:"password"`
	DisplayName string `json:"display_name"`
	Lang        string `json:"lang,omitempty"`
	Invite      string `json:"invite,omitempty"`
	DeviceName  string `json:"device_name,omitempty"`
	WantToken   bool   `json:"want_token"` // set by SignUp
}

type loggedIn struct {
	Me    Self    `json:"me"`
	Login LoginID `json:"login"`
	Token string  `json:"token"`
}

// SignUp makes an account and logs in to it. The first account of a system is
// its admin.
func (c *Client) SignUp(ctx context.Context, n NewUser) error {
	n.WantToken = true
	if n.DeviceName == "" {
		n.DeviceName = c.agent
	}
	var out loggedIn
	if err := c.do(ctx, call{method: http.MethodPost, path: "/signup", in: n, out: &out}); err != nil {
		return err
	}
	c.token, c.me, c.login = out.Token, out.Me, out.Login
	return nil
}

// LogIn logs in with a password.
func (c *Client) LogIn(ctx context.Context, loginName, password string) error {
	in := map[string]any{"login_name": loginName, "password": password, "device_name": c.agent, "want_token": true}
	var out loggedIn
	if err := c.do(ctx, call{method: http.MethodPost, path: "/login", in: in, out: &out}); err != nil {
		return err
	}
	c.token, c.me, c.login = out.Token, out.Me, out.Login
	return nil
}

// LogOut ends this login on the server.
func (c *Client) LogOut(ctx context.Context) error {
	return c.do(ctx, call{method: http.MethodPost, path: "/logout"})
}

// Token of this login, to be kept as a secret; Options.Token takes it.
func (c *Client) Token() string { return c.token }

// Me is the account as of SignUp, LogIn or the last call of Self.
func (c *Client) Me() Self { return c.me }

// Self reads the account.
func (c *Client) Self(ctx context.Context) (Self, error) {
	err := c.do(ctx, call{method: http.MethodGet, path: "/me", out: &c.me, repeatable: true})
	return c.me, err
}

// EditProfile changes the account's profile; "" leaves as it is.
func (c *Client) EditProfile(ctx context.Context, displayName, statusLine string) error {
	in := map[string]any{}
	if displayName != "" {
		in["display_name"] = displayName
	}
	if statusLine != "" {
		in["status_line"] = statusLine
	}
	return c.do(ctx, call{method: http.MethodPatch, path: "/me", in: in, out: &c.me, repeatable: true})
}

// FindUsers searches names by prefix.
func (c *Client) FindUsers(ctx context.Context, prefix string) ([]User, error) {
	return c.users(ctx, url.Values{"find": {prefix}})
}

// Users reads profiles, up to 200.
func (c *Client) Users(ctx context.Context, ids ...UserID) ([]User, error) {
	list := make([]string, len(ids))
	for i, id := range ids {
		list[i] = id.String()
	}
	return c.users(ctx, url.Values{"ids": {strings.Join(list, ",")}})
}

func (c *Client) users(ctx context.Context, q url.Values) ([]User, error) {
	var out struct {
		Users []User `json:"users"`
	}
	err := c.do(ctx, call{method: http.MethodGet, path: "/users", query: q, out: &out, repeatable: true})
	return out.Users, err
}

// Friends lists the user's people and their profiles.
func (c *Client) Friends(ctx context.Context) ([]Friend, []User, error) {
	var out struct {
		Friends []Friend `json:"friends"`
		Users   []User   `json:"users"`
	}
	err := c.do(ctx, call{method: http.MethodGet, path: "/friends", out: &out, repeatable: true})
	return out.Friends, out.Users, err
}

// Befriend asks for a friendship, or accepts the one asked for.
func (c *Client) Befriend(ctx context.Context, user UserID) (Friend, error) {
	var out struct {
		Friend Friend `json:"friend"`
	}
	err := c.do(ctx, call{method: http.MethodPut, path: "/friends/" + user.String(), out: &out, repeatable: true})
	return out.Friend, err
}

// Unfriend ends a friendship, or refuses or withdraws a request.
func (c *Client) Unfriend(ctx context.Context, user UserID) error {
	return c.do(ctx, call{method: http.MethodDelete, path: "/friends/" + user.String(), repeatable: true})
}

// Presence asks for the states of up to 500 users.
func (c *Client) Presence(ctx context.Context, users ...UserID) ([]PresenceState, error) {
	var out struct {
		States []PresenceState `json:"states"`
	}
	in := map[string]any{"users": users}
	err := c.do(ctx, call{method: http.MethodPost, path: "/presence", in: in, out: &out, repeatable: true})
	return out.States, err
}

// Inbox reads what changed after pos, up to limit entries (0: the server's default).
func (c *Client) Inbox(ctx context.Context, after Pos, limit int) (InboxPage, error) {
	q := url.Values{"after": {strconv.FormatInt(int64(after), 10)}}
	if limit > 0 {
		q.Set("limit", strconv.Itoa(limit))
	}
	var out InboxPage
	err := c.do(ctx, call{method: http.MethodGet, path: "/inbox", query: q, out: &out, repeatable: true})
	return out, err
}

// ServiceConfig is what a system tells anyone.
type ServiceConfig struct {
	SignUp  string `json:"signup"`  // open, or invite
	Founded bool   `json:"founded"` // false until there is an account, which becomes the admin, and while that cannot be told
	Name    string `json:"name"`
	Version string `json:"version"`
}

// Config reads what the system tells anyone; no login is needed.
func (c *Client) Config(ctx context.Context) (ServiceConfig, error) {
	var out ServiceConfig
	err := c.do(ctx, call{method: http.MethodGet, path: "/config", out: &out, repeatable: true})
	return out, err
}
