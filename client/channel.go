package client

import (
	"context"
	"net/http"
)

// Direct finds or makes the direct channel with a user.
func (c *Client) Direct(ctx context.Context, user UserID) (Channel, error) {
	return c.channel(ctx, call{method: http.MethodPost, path: "/direct", in: map[string]any{"user": user}})
}

// NewGroup is a group to be made. The same Key makes it once only.
type NewGroup struct {
	Key     ClientMsgID `json:"key"` // zero: made by CreateGroup
	Name    string      `json:"name"`
	Members []UserID    `json:"members"` // besides oneself
	Limit   int         `json:"limit,omitempty"`
}

// CreateGroup makes a group.
func (c *Client) CreateGroup(ctx context.Context, g NewGroup) (Channel, error) {
	if g.Key == (ClientMsgID{}) {
		g.Key = NewClientMsgID()
	}
	if g.Members == nil {
		g.Members = []UserID{}
	}
	return c.channel(ctx, call{method: http.MethodPost, path: "/channels", in: g})
}

// Channel reads a channel one is a member of.
func (c *Client) Channel(ctx context.Context, id ChannelID) (Channel, error) {
	return c.channel(ctx, call{method: http.MethodGet, path: "/channels/" + id.String()})
}

// AddMembers adds users to a group.
func (c *Client) AddMembers(ctx context.Context, id ChannelID, users ...UserID) (Channel, error) {
	in := map[string]any{"users": users}
	return c.channel(ctx, call{method: http.MethodPost, path: "/channels/" + id.String() + "/members", in: in})
}

// channel makes a repeatable call that answers with a channel.
func (c *Client) channel(ctx context.Context, k call) (Channel, error) {
	var out Channel
	k.out, k.repeatable = &out, true
	err := c.do(ctx, k)
	return out, err
}

// RemoveMember takes a user out of a group; oneself: leave.
func (c *Client) RemoveMember(ctx context.Context, id ChannelID, user UserID) error {
	path := "/channels/" + id.String() + "/members/" + user.String()
	return c.do(ctx, call{method: http.MethodDelete, path: path, repeatable: true})
}

// Members lists a channel's members and their profiles.
func (c *Client) Members(ctx context.Context, id ChannelID) ([]Member, []User, error) {
	var out struct {
		Members []Member `json:"members"`
		Users   []User   `json:"users"`
	}
	path := "/channels/" + id.String() + "/members"
	err := c.do(ctx, call{method: http.MethodGet, path: path, out: &out, repeatable: true})
	return out.Members, out.Users, err
}

// MarkRead moves the read mark of a channel, or of a thread in it, forward.
func (c *Client) MarkRead(ctx context.Context, id ChannelID, seq, thread Seq) (InboxEntry, error) {
	in := map[string]any{"seq": seq}
	if thread != 0 {
		in["thread"] = thread
	}
	var out InboxEntry
	path := "/channels/" + id.String() + "/read"
	err := c.do(ctx, call{method: http.MethodPut, path: path, in: in, out: &out, repeatable: true})
	return out, err
}
