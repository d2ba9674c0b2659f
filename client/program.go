package client

import (
	"context"
	"net/http"
	"strconv"
)

// MakeBot makes a bot of the account and returns it as a Client of its own.
func (c *Client) MakeBot(ctx context.Context, loginName, displayName string) (*Client, error) {
	in := map[string]any{"login_name": loginName, "display_name": displayName}
	var out struct {
		User  User    `json:"user"`
		Login LoginID `json:"login"`
		Token string  `json:"token"`
	}
	if err := c.do(ctx, call{method: http.MethodPost, path: "/bots", in: in, out: &out}); err != nil {
		return nil, err
	}
	bot := c.sibling()
	bot.token, bot.login, bot.me = out.Token, out.Login, Self{User: out.User}
	return bot, nil
}

// sibling is a Client of the same system, logged in as nobody.
func (c *Client) sibling() *Client {
	s := &Client{bases: c.bases, http: c.http, agent: c.agent}
	s.at.Store(c.at.Load())
	return s
}

// Bots lists the account's bots.
func (c *Client) Bots(ctx context.Context) ([]User, error) {
	var out struct {
		Bots []User `json:"bots"`
	}
	err := c.do(ctx, call{method: http.MethodGet, path: "/bots", out: &out, repeatable: true})
	return out.Bots, err
}

// RenewBot gives a bot of the account a new token; the earlier one ends.
func (c *Client) RenewBot(ctx context.Context, bot UserID) (token string, err error) {
	var out struct {
		Token string `json:"token"`
	}
	err = c.do(ctx, call{method: http.MethodPost, path: "/bots/" + bot.String() + "/token", out: &out})
	return out.Token, err
}

// EndBot disables a bot of the account for good.
func (c *Client) EndBot(ctx context.Context, bot UserID) error {
	return c.do(ctx, call{method: http.MethodDelete, path: "/bots/" + bot.String(), repeatable: true})
}

// Hook is an incoming webhook of a channel. URL, which writes there, is shown
// once.
type Hook struct {
	ID        int64     `json:"id,string"`
	Channel   ChannelID `json:"channel"`
	Name      string    `json:"name"`
	Bot       UserID    `json:"bot"`
	CreatedBy UserID    `json:"created_by"`
	CreatedAt Millis    `json:"created_at"`
	URL       string    `json:"url"`
}

// MakeHook makes an incoming webhook of a group; for its admins.
func (c *Client) MakeHook(ctx context.Context, id ChannelID, name string) (Hook, error) {
	var out Hook
	err := c.do(ctx, call{method: http.MethodPost, path: "/channels/" + id.String() + "/hooks", in: map[string]any{"name": name}, out: &out})
	return out, err
}

// Hooks lists a group's incoming webhooks, without their URLs.
func (c *Client) Hooks(ctx context.Context, id ChannelID) ([]Hook, error) {
	var out struct {
		Hooks []Hook `json:"hooks"`
	}
	err := c.do(ctx, call{method: http.MethodGet, path: "/channels/" + id.String() + "/hooks", out: &out, repeatable: true})
	return out.Hooks, err
}

// EndHook ends an incoming webhook.
func (c *Client) EndHook(ctx context.Context, id ChannelID, hook int64) error {
	path := "/channels/" + id.String() + "/hooks/" + strconv.FormatInt(hook, 10)
	return c.do(ctx, call{method: http.MethodDelete, path: path, repeatable: true})
}

// PostHook writes by an incoming webhook whose token, the last part of its URL,
// one knows. With a key it may be repeated without doubling the message, and it
// is; no login is needed.
func (c *Client) PostHook(ctx context.Context, token, text string, key ClientMsgID) (Receipt, error) {
	var out Receipt
	err := c.sibling().do(ctx, call{method: http.MethodPost, path: "/hooks/" + token, in: map[string]any{"text": text}, key: key,
		out: &out, repeatable: key != ClientMsgID{}})
	return out, err
}
