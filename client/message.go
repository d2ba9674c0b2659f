package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
)

// HistoryQuery asks for a page of a channel: at most one of After (with
// HasAfter), Before, Around and Date; none means the newest page.
type HistoryQuery struct {
	After    Seq
	HasAfter bool
	Before   Seq
	Around   Seq
	Date     Millis
	Thread   Seq
	Limit    int // to 200; 0: the server's default
}

func (q HistoryQuery) values() url.Values {
	v := url.Values{}
	set := func(name string, n int64) {
		if n != 0 {
			v.Set(name, strconv.FormatInt(n, 10))
		}
	}
	if q.HasAfter {
		v.Set("after", strconv.FormatInt(int64(q.After), 10))
	}
	set("before", int64(q.Before))
	set("around", int64(q.Around))
	set("date", int64(q.Date))
	set("thread", int64(q.Thread))
	set("limit", int64(q.Limit))
	return v
}

// History reads a page of messages.
func (c *Client) History(ctx context.Context, id ChannelID, q HistoryQuery) (Page, error) {
	return c.page(ctx, messages(id), q.values())
}

// Changes reads messages up to upTo that were altered after a Change, each once
// in its present state.
func (c *Client) Changes(ctx context.Context, id ChannelID, after Change, upTo Seq) (Page, error) {
	v := url.Values{"after": {strconv.FormatInt(int64(after), 10)}}
	if upTo > 0 {
		v.Set("up_to", strconv.FormatInt(int64(upTo), 10))
	}
	return c.page(ctx, "/channels/"+id.String()+"/changes", v)
}

func (c *Client) page(ctx context.Context, path string, v url.Values) (Page, error) {
	var out Page
	err := c.do(ctx, call{method: http.MethodGet, path: path, query: v, out: &out, repeatable: true})
	return out, err
}

func messages(id ChannelID) string { return "/channels/" + id.String() + "/messages" }

func message(id ChannelID, seq Seq) string {
	return messages(id) + "/" + strconv.FormatInt(int64(seq), 10)
}

// Post sends a message by HTTP and answers once it is stored. Repeating it with
// the same ClientMsgID stores nothing more.
func (c *Client) Post(ctx context.Context, o Outgoing) (Receipt, error) {
	if o.ClientMsgID == (ClientMsgID{}) {
		o.ClientMsgID = NewClientMsgID()
	}
	in := struct {
		Body       string   `json:"body"`
		ReplyTo    Seq      `json:"reply_to,omitempty"`
		Thread     Seq      `json:"thread,omitempty"`
		Mentions   []UserID `json:"mentions,omitempty"`
		MentionAll bool     `json:"mention_all,omitempty"`
	}{o.Body, o.ReplyTo, o.Thread, o.Mentions, o.MentionAll}
	var out Receipt
	err := c.do(ctx, call{method: http.MethodPost, path: messages(o.Channel), key: o.ClientMsgID,
		in: in, out: &out, repeatable: true})
	return out, err
}

// Edit replaces the body of one's own message.
func (c *Client) Edit(ctx context.Context, id ChannelID, seq Seq, body string) (Message, error) {
	return c.alter(ctx, call{method: http.MethodPatch, path: message(id, seq), in: map[string]any{"body": body}})
}

// Delete deletes a message for everyone.
func (c *Client) Delete(ctx context.Context, id ChannelID, seq Seq) (Message, error) {
	return c.alter(ctx, call{method: http.MethodDelete, path: message(id, seq)})
}

// React puts an emoji on a message.
func (c *Client) React(ctx context.Context, id ChannelID, seq Seq, emoji string) (Message, error) {
	return c.alter(ctx, call{method: http.MethodPut, path: message(id, seq) + "/reactions/" + emoji})
}

// Unreact takes it off.
func (c *Client) Unreact(ctx context.Context, id ChannelID, seq Seq, emoji string) (Message, error) {
	return c.alter(ctx, call{method: http.MethodDelete, path: message(id, seq) + "/reactions/" + emoji})
}

func (c *Client) alter(ctx context.Context, k call) (Message, error) {
	var out Message
	k.out, k.repeatable = &out, true
	err := c.do(ctx, k)
	return out, err
}
