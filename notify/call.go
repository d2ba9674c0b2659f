package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"sync/atomic"
	"time"

	webpush "github.com/SherClockHolmes/webpush-go"
)

const (
	maxAnswer  = 4 << 10        // bytes read of an answer, which nobody needs
	maxAfter   = 24 * time.Hour // the longest Retry-After that is heeded
	webPushTTL = 24 * time.Hour // how long a push service keeps a push for a device that is off
)

// verdict is what became of a call.
type verdict int

const (
	delivered verdict = iota // the other side took it
	gone                     // there is no such subscription any more
	refused                  // it will never be taken
	failed                   // it was surely not taken; later it may be
	unknown                  // it was sent, and no answer came
)

func (v verdict) String() string {
	return [...]string{"delivered", "gone", "refused", "failed", "unknown"}[v]
}

// outcome is the verdict of one call and why.
type outcome struct {
	verdict verdict
	reason  string        // for metrics: a status such as 429, or address, unreachable, timeout, keys
	after   time.Duration // with failed: how long to wait at least, as the other side said
	err     error
}

// push is a payload on its way.
type push struct {
	body    []byte
	topic   string // replaces an undelivered one of the same topic
	urgency webpush.Urgency
}

// call makes one attempt. It does not look at redirects: a subscription that
// moves is made anew by its browser.
func (n *Notifier) call(ctx context.Context, d Device, p push) outcome {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	c := &caller{client: n.client}
	var resp *http.Response
	var err error
	if d.Kind == WebPush {
		resp, err = n.callPushService(ctx, c, d, p)
	} else {
		resp, err = n.callWebhook(ctx, c, d, p)
	}
	if err != nil {
		return c.judge(err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, maxAnswer) // so that the connection can be used again
	return n.judgeStatus(d.Kind, resp)
}

func (n *Notifier) callPushService(ctx context.Context, c *caller, d Device, p push) (*http.Response, error) {
	keys, err := n.keys(ctx)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoKeys, err)
	}
	b64 := base64.RawURLEncoding
	sub := &webpush.Subscription{Endpoint: d.Endpoint, Keys: webpush.Keys{P256dh: b64.EncodeToString(d.P256dh), Auth: b64.EncodeToString(d.Auth)}}
	// The library pads every payload to the full record, so its length tells
	// nothing; it adds "mailto:" to what is no https URL by itself.
	return webpush.SendNotificationWithContext(ctx, p.body, sub, &webpush.Options{
		HTTPClient: c, Subscriber: n.cfg.Subject, VAPIDPublicKey: keys.Public, VAPIDPrivateKey: keys.Private,
		TTL: int(webPushTTL / time.Second), Topic: p.topic, Urgency: p.urgency,
	})
}

var errNoKeys = errors.New("the key pair cannot be read")

func (n *Notifier) callWebhook(ctx context.Context, c *caller, d Device, p push) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.Endpoint, bytes.NewReader(p.body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(SignatureHeader, Sign(d.Secret, n.cfg.Now(), p.body))
	return c.Do(req)
}

// SignatureHeader carries the signature of a webhook.
const SignatureHeader = "Gori-Signature"

// Sign makes the value of SignatureHeader: the time, and the HMAC-SHA-256 with
// the secret over the time in Unix seconds, a point and the body.
func Sign(secret []byte, at time.Time, body []byte) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(seconds + "."))
	mac.Write(body)
	return "t=" + seconds + ",v1=" + hex.EncodeToString(mac.Sum(nil))
}

// caller makes one request and notes how far it came.
type caller struct {
	client  *http.Client
	tried   bool
	written atomic.Bool // the other side may have got something
}

// Do implements webpush.HTTPClient.
func (c *caller) Do(req *http.Request) (*http.Response, error) {
	c.tried = true
	trace := &httptrace.ClientTrace{WroteHeaders: func() { c.written.Store(true) }}
	req = req.WithContext(httptrace.WithClientTrace(req.Context(), trace))
	req.Header.Set("User-Agent", "Gori")
	return c.client.Do(req)
}

// judge tells what an error means.
func (c *caller) judge(err error) outcome {
	var address *RefusedAddressError
	switch {
	case errors.Is(err, errNoKeys):
		return outcome{verdict: failed, reason: "keys", err: err}
	case !c.tried:
		return outcome{verdict: refused, reason: "subscription", err: err}
	case errors.As(err, &address):
		return outcome{verdict: refused, reason: "address", err: err}
	case c.written.Load():
		return outcome{verdict: unknown, reason: "timeout", err: err}
	}
	return outcome{verdict: failed, reason: "unreachable", err: err}
}

// judgeStatus tells what an answer means. A push service that refuses for good
// is believed; a webhook's owner may mend it, so all but 410 is tried again.
func (n *Notifier) judgeStatus(kind Kind, resp *http.Response) outcome {
	status := resp.StatusCode
	o := outcome{reason: strconv.Itoa(status), err: fmt.Errorf("answered with status %d", status)}
	switch {
	case status >= 200 && status < 300:
		return outcome{verdict: delivered}
	case status == http.StatusGone, status == http.StatusNotFound && kind == WebPush:
		o.verdict = gone
	case status == http.StatusTooManyRequests, status == http.StatusRequestTimeout, status >= 500, kind != WebPush:
		o.verdict, o.after = failed, retryAfter(resp.Header.Get("Retry-After"), n.cfg.Now())
	default:
		o.verdict = refused
	}
	return o
}

// retryAfter reads both forms of RFC 9110, 10.2.3; 0 if it says nothing.
func retryAfter(v string, now time.Time) time.Duration {
	var d time.Duration
	if s, err := strconv.ParseInt(v, 10, 32); err == nil {
		d = time.Duration(s) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), maxAfter)
}
