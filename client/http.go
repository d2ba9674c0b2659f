package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

const (
	maxAnswer    = 16 << 20 // bytes of an HTTP answer
	httpTries    = 6        // of one call that may be repeated
	callDeadline = 30 * time.Second
)

// Options of a Client; zero means the default.
type Options struct {
	// HTTP makes the requests. Many clients of one process share one; see
	// NewHTTP. Default: one for the process.
	HTTP *http.Client
	// Token of an earlier login.
	Token string
	// UserAgent of requests and the name of the device, default "gori client".
	UserAgent string
	// Others are more addresses of the same system: one that cannot be reached
	// is left for the next. Behind a proxy there is no need for any.
	Others []string
}

// Client is one login on one system, safe for use by several goroutines, except
// that SignUp and LogIn must not run beside other calls.
type Client struct {
	bases []*url.URL
	at    atomic.Uint32 // the one of bases in use, modulo their number
	http  *http.Client
	agent string
	token string
	login LoginID
	me    Self
}

var sharedHTTP = NewHTTP()

// NewHTTP makes an http.Client fit for many clients of one process: it keeps
// connections to one server, and follows no redirects with a token in hand.
func NewHTTP() *http.Client {
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.MaxIdleConns = 256
	tr.MaxIdleConnsPerHost = 128
	tr.IdleConnTimeout = 60 * time.Second
	tr.ResponseHeaderTimeout = callDeadline
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
}

// New makes a client of the system at base, such as http://localhost:8080.
func New(base string, opt Options) (*Client, error) {
	c := &Client{http: opt.HTTP, agent: opt.UserAgent, token: opt.Token}
	for _, base := range append([]string{base}, opt.Others...) {
		u, err := url.Parse(strings.TrimRight(base, "/"))
		if err != nil {
			return nil, fmt.Errorf("client: the address %q: %w", base, err)
		}
		if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			return nil, fmt.Errorf("client: the address %q is not http://HOST or https://HOST", base)
		}
		c.bases = append(c.bases, u)
	}
	if c.http == nil {
		c.http = sharedHTTP
	}
	if c.agent == "" {
		c.agent = "gori client"
	}
	return c, nil
}

// address is the one of the system's addresses in use, and leave gives it up for
// the next; left by several at once it is left once.
func (c *Client) address() (base *url.URL, leave func()) {
	at := c.at.Load()
	return c.bases[int(at)%len(c.bases)], func() { c.at.CompareAndSwap(at, at+1) }
}

// call is one HTTP call.
type call struct {
	method, path string
	query        url.Values
	key          ClientMsgID // Idempotency-Key, if not zero
	in, out      any
	// repeatable: the same call again has no further effect, so it is repeated
	// after an answer that says so and after a lost connection. Calls that are
	// not are repeated only after an answer that says nothing was done.
	repeatable bool
}

// do makes a call, repeating it as call says.
func (c *Client) do(ctx context.Context, k call) error {
	var body []byte
	if k.in != nil {
		var err error
		if body, err = json.Marshal(k.in); err != nil {
			return fmt.Errorf("client: %s %s: %w", k.method, k.path, err)
		}
	}
	var back Backoff
	for try := 1; ; try++ {
		err := c.once(ctx, k, body)
		if err == nil {
			return nil
		}
		var refused *Error
		isRefusal := errors.As(err, &refused)
		again := isRefusal && refused.Retry || !isRefusal && k.repeatable
		if !again || try == httpTries || ctx.Err() != nil {
			return fmt.Errorf("%s %s: %w", k.method, k.path, err)
		}
		after := time.Duration(0)
		if isRefusal {
			after = refused.After
		}
		if err := pause(ctx, back.Next(after)); err != nil {
			return err
		}
	}
}

func (c *Client) once(ctx context.Context, k call, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, callDeadline)
	defer cancel()
	base, leave := c.address()
	u := *base
	u.Path += "/api/v1" + k.path
	u.RawQuery = k.query.Encode()
	req, err := http.NewRequestWithContext(ctx, k.method, u.String(), bytes.NewReader(body))
	if err != nil {
		return err
	}
	if k.in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if k.key != (ClientMsgID{}) {
		req.Header.Set("Idempotency-Key", k.key.String())
	}
	c.sign(req.Header)
	res, err := c.http.Do(req)
	if err != nil {
		leave()
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return err
	}
	if len(answer) > maxAnswer {
		return fmt.Errorf("the answer is longer than %d bytes", maxAnswer)
	}
	if res.StatusCode >= 300 {
		return refusal(res.StatusCode, res.Header, answer)
	}
	if k.out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, k.out); err != nil {
		return &Error{Status: res.StatusCode, Code: "bad_answer", Message: err.Error()}
	}
	return nil
}

func (c *Client) sign(h http.Header) {
	h.Set("User-Agent", c.agent)
	if c.token != "" {
		h.Set("Authorization", "Bearer "+c.token)
	}
}

// refusal makes an Error of an answer that is not a success. An answer that is
// not Gori's own, such as a proxy's, is retryable if it is a 429 or 5xx of a
// server that could not be reached.
func refusal(status int, h http.Header, answer []byte) *Error {
	var e struct {
		Error struct {
			Code    string `json:"code"`
			Message string `json:"message"`
			Retry   bool   `json:"retry"`
			AfterMS int64  `json:"after_ms"`
		} `json:"error"`
	}
	if json.Unmarshal(answer, &e) != nil || e.Error.Code == "" {
		e.Error.Code = "http_" + strconv.Itoa(status)
		e.Error.Message = http.StatusText(status)
		e.Error.Retry = status == 429 || status == 502 || status == 503 || status == 504
	}
	r := &Error{Status: status, Code: e.Error.Code, Message: e.Error.Message, Retry: e.Error.Retry,
		After: time.Duration(e.Error.AfterMS) * time.Millisecond}
	if s, err := strconv.Atoi(h.Get("Retry-After")); err == nil && r.After == 0 {
		r.After = time.Duration(min(s, 3600)) * time.Second
	}
	return r
}
