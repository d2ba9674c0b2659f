package notify

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"gori/chat"
)

func TestOnlyPublicAddressesAreCalled(t *testing.T) {
	for addr, public := range map[string]bool{
		"8.8.8.8": true, "93.184.216.34": true, "172.15.255.255": true, "172.32.0.1": true, "100.63.255.255": true, "100.128.0.1": true,
		"192.167.1.1": true, "223.255.255.255": true, "2606:4700::1111": true, "2a00:1450:4001::1": true, "::ffff:8.8.8.8": true,

		"0.0.0.0": false, "0.1.2.3": false, "10.0.0.1": false, "10.255.255.255": false, "100.64.0.1": false, "100.127.255.255": false,
		"127.0.0.1": false, "127.8.8.8": false, "169.254.169.254": false, "169.254.0.1": false, "172.16.0.1": false, "172.31.255.255": false,
		"192.0.0.1": false, "192.0.0.170": false, "192.0.2.1": false, "192.88.99.1": false, "192.168.0.1": false, "198.18.0.1": false,
		"198.19.255.255": false, "198.51.100.1": false, "203.0.113.1": false, "224.0.0.1": false, "239.255.255.255": false, "240.0.0.1": false,
		"255.255.255.255": false,

		"::": false, "::1": false, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::ffff:169.254.169.254": false, "::127.0.0.1": false,
		"64:ff9b::8.8.8.8": false, "64:ff9b::7f00:1": false, "64:ff9b:1::1": false, "100::1": false, "2001::1": false, "2001:10::1": false,
		"2001:db8::1": false, "2002:7f00:1::1": false, "3fff::1": false, "5f00::1": false, "fc00::1": false, "fd00:ec2::254": false,
		"fe80::1": false, "fe80::1%eth0": false, "fec0::1": false, "ff02::1": false, "2606:4700::1111%eth0": false,
	} {
		if got := Public(netip.MustParseAddr(addr)); got != public {
			t.Errorf("Public(%s) = %t", addr, got)
		}
	}
	if Public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

// oneBook answers with one device.
type oneBook struct {
	Book
	d Device
}

func (b oneBook) Device(context.Context, chat.UserID, DeviceID) (Device, error) { return b.d, nil }
func (b oneBook) PushKeys(_ context.Context, fresh KeyPair) (KeyPair, error)    { return fresh, nil }

// caller makes a Notifier that calls one URL.
func testCaller(t *testing.T, allow ...netip.Prefix) *Notifier {
	t.Helper()
	n, err := New(Config{Book: oneBook{}, Vault: oneBook{}, Reader: noReader{}, Subject: "o@example.com", AllowNetworks: allow})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

type noReader struct{}

func (noReader) History(context.Context, chat.Identity, chat.HistoryQuery) (chat.Page, error) {
	return chat.Page{}, nil
}
func (noReader) Profiles(context.Context, []chat.UserID) ([]chat.User, error) { return nil, nil }

var loopback = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

func TestAnEndpointMayNotLeadInside(t *testing.T) {
	reached := false
	handler := http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached = true })
	secure, plain := httptest.NewTLSServer(handler), httptest.NewServer(handler)
	defer secure.Close()
	defer plain.Close()
	n := testCaller(t)
	_, port, err := net.SplitHostPort(strings.TrimPrefix(secure.URL, "https://"))
	if err != nil {
		t.Fatal(err)
	}
	for _, url := range []string{secure.URL, plain.URL, "https://localhost:" + port, "https://[::1]:" + port, "https://[::ffff:127.0.0.1]:" + port,
		"https://0.0.0.0:" + port, "https://127.1:" + port, "https://2130706433:" + port, "https://0x7f.1:" + port} {
		out := n.call(context.Background(), Device{Kind: Webhook, Endpoint: url, Secret: []byte("s")}, push{body: []byte("{}")})
		var refusedAddress *RefusedAddressError
		if out.verdict == delivered || reached {
			t.Errorf("%s was called", url)
		}
		// A name that does not resolve is no refusal, but no call either.
		if out.verdict == refused && !errors.As(out.err, &refusedAddress) {
			t.Errorf("%s: %v", url, out.err)
		}
	}
}

// The name is harmless when the endpoint is registered and leads inside when
// it is called: the address is checked at the moment of dialling.
func TestANameMayNotChangeItsMeaning(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("called") }))
	defer srv.Close()
	d := NewDialer(nil)
	var asked atomic.Int64 // A and AAAA are asked for side by side
	d.net.Resolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		asked.Add(1)
		return nil, errors.New("no resolver here")
	}}
	if _, err := d.net.DialContext(context.Background(), "tcp", "rebind.example:443"); err == nil || asked.Load() == 0 {
		t.Errorf("the name was not resolved when dialling: %v", err)
	}
	var refusedAddress *RefusedAddressError
	if _, err := d.net.DialContext(context.Background(), "tcp", strings.TrimPrefix(srv.URL, "http://")); !errors.As(err, &refusedAddress) {
		t.Errorf("dialled: %v", err)
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	inside := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer inside.Close()
	outside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, inside.URL, http.StatusTemporaryRedirect)
	}))
	defer outside.Close()
	n := testCaller(t, loopback...)
	out := n.call(context.Background(), Device{Kind: WebPush, Endpoint: outside.URL, P256dh: testPoint(t), Auth: make([]byte, 16)}, push{body: []byte("{}")})
	if out.verdict != refused || out.reason != "307" {
		t.Errorf("%+v", out)
	}
}

func TestProxiesOfTheEnvironmentAreNotAsked(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the proxy was asked") }))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	n := testCaller(t, loopback...)
	s, ok := n.client.Transport.(schemes)
	if !ok || s.plain.Proxy != nil || s.secure.Proxy != nil {
		t.Error("a transport has a proxy")
	}
}

func TestAnEndlessAnswerIsNotRead(t *testing.T) {
	stopped := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(stopped)
		w.WriteHeader(http.StatusCreated)
		for r.Context().Err() == nil {
			if _, err := w.Write(make([]byte, 4096)); err != nil {
				return
			}
		}
	}))
	defer srv.Close()
	n := testCaller(t, loopback...)
	out := n.call(context.Background(), Device{Kind: Webhook, Endpoint: srv.URL, Secret: []byte("s")}, push{body: []byte("{}")})
	if out.verdict != delivered {
		t.Errorf("%+v", out)
	}
	<-stopped
}

func TestPlainHTTPOnlyToAllowedNetworks(t *testing.T) {
	n := testCaller(t, loopback...)
	for url, ok := range map[string]bool{"http://127.0.0.1:1/x": true, "http://[::1]/x": true, "http://10.0.0.1/x": false, "http://8.8.8.8/x": false, "https://8.8.8.8/x": true} {
		if _, err := checkEndpoint(url, n.dialer.mayBePlain); (err == nil) != ok {
			t.Errorf("%s: %v", url, err)
		}
	}
	// A name may be anyone's: it is checked when it is dialled, and public
	// addresses are then refused without TLS.
	var refusedAddress *RefusedAddressError
	if _, err := n.dialer.plain.DialContext(context.Background(), "tcp", "8.8.8.8:80"); !errors.As(err, &refusedAddress) {
		t.Errorf("dialled a public address for plain http: %v", err)
	}
	if d := NewDialer([]netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")}); !d.allows(netip.MustParseAddr("10.1.2.3")) {
		t.Error("a mapped network does not allow its addresses")
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	for v, want := range map[string]time.Duration{"": 0, "5": 5 * time.Second, "-5": 0, "x": 0, "99999999": maxAfter, "99999999999999999999": 0,
		"Tue, 01 Jan 2030 00:01:00 GMT": time.Minute, "Mon, 31 Dec 2029 23:00:00 GMT": 0} {
		if got := retryAfter(v, now); got != want {
			t.Errorf("Retry-After %q: %s, want %s", v, got, want)
		}
	}
	for range 1000 {
		if w := retryWait(0, 0); w < firstRetry*3/4 || w > firstRetry*5/4 {
			t.Fatalf("first wait %s", w)
		}
		if w := retryWait(30, 0); w > longRetry*5/4 {
			t.Fatalf("late wait %s", w)
		}
		if w := retryWait(0, time.Hour); w < time.Hour {
			t.Fatalf("%s is less than was asked for", w)
		}
	}
}
