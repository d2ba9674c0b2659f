package client

import (
	"context"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// pollFor is how long one request of WaitInbox waits, in seconds: shorter than
// callDeadline and than what proxies allow.
const pollFor = 25

// WaitInbox reads what changed after pos like Inbox, but while nothing has it
// waits for up to most, in whole seconds; then the page has no entries. It is for programs that
// cannot have a WebSocket. Several may wait at once, up to 8 for one user.
func (c *Client) WaitInbox(ctx context.Context, after Pos, limit int, most time.Duration) (InboxPage, error) {
	end := time.Now().Add(most)
	for {
		left := time.Until(end)
		seconds := max(0, min(pollFor, int64((left+time.Second-1)/time.Second)))
		q := url.Values{"after": {strconv.FormatInt(int64(after), 10)}, "wait": {strconv.FormatInt(seconds, 10)}}
		if limit > 0 {
			q.Set("limit", strconv.Itoa(limit))
		}
		var out InboxPage
		err := c.do(ctx, call{method: http.MethodGet, path: "/inbox", query: q, out: &out, repeatable: true})
		// A position that went back is of another system: the caller should see it.
		if err != nil || len(out.Entries) > 0 || out.Pos < after || !time.Now().Before(end) {
			return out, err
		}
	}
}
