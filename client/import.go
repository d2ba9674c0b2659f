package client

import (
	"context"
	"net/http"
)

// MaxImport is the most people or messages of one import call.
const MaxImport = 500

// ImportedMessage is a message of an import. ReplyToIndex answers an earlier
// message of the same call, by its place from 0.
type ImportedMessage struct {
	Sender       UserID      `json:"sender"`
	ClientMsgID  ClientMsgID `json:"client_msg_id"`
	Body         string      `json:"body"`
	OrigAt       Millis      `json:"orig_at"`
	ReplyTo      Seq         `json:"reply_to,omitempty"`
	ReplyToIndex *int        `json:"reply_to_index,omitempty"`
}

// ImportPeople finds or makes an account without a password for each name of a
// source. Only an admin may.
func (c *Client) ImportPeople(ctx context.Context, source string, names []string) ([]User, error) {
	in := map[string]any{"source": source, "names": names}
	var out struct {
		Users []User `json:"users"`
	}
	err := c.do(ctx, call{method: http.MethodPost, path: "/admin/import/people", in: in, out: &out, repeatable: true})
	return out.Users, err
}

// ImportChannel finds or makes the channel of a source and name, with at least
// these members. Only an admin may.
func (c *Client) ImportChannel(ctx context.Context, source, name string, members []UserID) (Channel, error) {
	in := map[string]any{"source": source, "name": name, "members": members}
	return c.channel(ctx, call{method: http.MethodPost, path: "/admin/import/channels", in: in})
}

// ImportMessages stores messages in order, all or none. Repeating it stores
// nothing more and gives the same receipts. Only an admin may.
func (c *Client) ImportMessages(ctx context.Context, id ChannelID, list []ImportedMessage) ([]Receipt, error) {
	var out struct {
		Receipts []Receipt `json:"receipts"`
	}
	path := "/admin/import/channels/" + id.String() + "/messages"
	in := map[string]any{"messages": list}
	err := c.do(ctx, call{method: http.MethodPost, path: path, in: in, out: &out, repeatable: true})
	return out.Receipts, err
}
