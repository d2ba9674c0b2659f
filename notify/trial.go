package notify

import (
	"context"
	"time"

	webpush "github.com/SherClockHolmes/webpush-go"

	"gori/chat"
)

// Test sends a push to a device of the user at once. Errors: CodeNotFound when
// there is no such device, or the push service knows it no longer, and then it
// is removed; CodePushFailed when the push was not taken.
func (n *Notifier) Test(ctx context.Context, who chat.Identity, id DeviceID) error {
	d, err := n.book.Device(ctx, who.User, id)
	if err != nil {
		return err
	}
	p := payload{V: 1, Kind: "test", At: chat.MillisOf(n.cfg.Now())}
	if d.Kind != WebPush {
		p.User = who.User
	}
	out := n.call(ctx, d, push{body: p.encode(), topic: topicOf(who.User, 0), urgency: webpush.UrgencyHigh})
	n.counts.called(out)
	switch out.verdict {
	case delivered:
		return nil
	case gone:
		if err := n.book.RemoveDevice(ctx, who.User, id); err != nil && chat.CodeOf(err) != chat.CodeNotFound {
			return err
		}
		return &chat.Error{Code: chat.CodeNotFound, Message: "the push service no longer knows this device; it is removed", Err: out.err}
	case refused:
		return &chat.Error{Code: chat.CodePushFailed, Message: "the push was refused (" + out.reason + ")", Err: out.err}
	}
	return chat.Retryable(chat.CodePushFailed, max(out.after, time.Second), out.err, "the push was not taken (%s)", out.reason)
}
