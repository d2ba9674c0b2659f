package api

import (
	"encoding/binary"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func addressOf(n uint32) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], n)
	return netip.AddrFrom4(b)
}

// However requests arrive, no window lets through more than the burst and what
// has come back since.
func TestLimiterNeverLetsThroughMoreThanItsRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := Rate{Burst: rapid.IntRange(1, 20).Draw(t, "burst"), Every: time.Duration(rapid.IntRange(1, 1000).Draw(t, "every")) * time.Millisecond}
		now := time.Unix(1_700_000_000, 0)
		l := newLimiter(rate, true, func() time.Time { return now })
		start, let := now, 0
		a := addressOf(1)
		for range rapid.IntRange(1, 200).Draw(t, "requests") {
			now = now.Add(time.Duration(rapid.IntRange(0, 2000).Draw(t, "pause")) * time.Millisecond)
			wait, ok := l.take(a)
			if ok {
				let++
				if most := rate.Burst + int(now.Sub(start)/rate.Every); let > most {
					t.Fatalf("let through %d, at most %d are due", let, most)
				}
				continue
			}
			if wait <= 0 {
				t.Fatal("refused without saying how long to wait")
			}
			now = now.Add(wait)
			if _, ok := l.take(a); !ok {
				t.Fatal("refused after the wait it named")
			}
			let++
		}
	})
}

func TestLimiterIsBounded(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	rate := Rate{Burst: 1, Every: time.Minute}
	for _, closed := range []bool{true, false} {
		l := newLimiter(rate, closed, func() time.Time { return now })
		for i := range uint32(maxLimitKeys + 1000) {
			_, ok := l.take(addressOf(i))
			if full := i >= maxLimitKeys; ok != (!full || !closed) {
				t.Fatalf("address %d of a full table: %v", i, ok)
			}
		}
		if len(l.whole) > maxLimitKeys {
			t.Errorf("%d addresses are remembered", len(l.whole))
		}
		now = now.Add(2 * time.Minute)
		if _, ok := l.take(addressOf(1 << 30)); !ok {
			t.Error("a stranger is refused although all others have waited long enough")
		}
	}
}

func TestClientAddress(t *testing.T) {
	s := &Server{cfg: Config{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("10.0.0.0/8")}}}
	cases := []struct {
		name, remote string
		forwarded    []string
		proto        string
		want         string
		https        bool
	}{
		{"direct", "203.0.113.7:1000", nil, "", "203.0.113.7", false},
		{"a stranger's header is ignored", "203.0.113.7:1000", []string{"1.2.3.4"}, "https", "203.0.113.7", false},
		{"through the proxy", "127.0.0.1:1000", []string{"203.0.113.7"}, "https", "203.0.113.7", true},
		{"the client's own claim stands left", "127.0.0.1:1000", []string{"1.2.3.4, 203.0.113.7"}, "", "203.0.113.7", false},
		{"in a header of its own", "127.0.0.1:1000", []string{"1.2.3.4", "203.0.113.7"}, "", "203.0.113.7", false},
		{"two proxies", "127.0.0.1:1000", []string{"1.2.3.4, 203.0.113.7, 10.1.1.1"}, "", "203.0.113.7", false},
		{"nonsense ends the search", "127.0.0.1:1000", []string{"203.0.113.7, <script>"}, "", "127.0.0.1", false},
		{"IPv4 in IPv6", "[::ffff:127.0.0.1]:1000", []string{"::ffff:203.0.113.7"}, "", "203.0.113.7", false},
		{"zone", "127.0.0.1:1000", []string{"fe80::1%eth0"}, "", "fe80::1", false},
		{"no header", "127.0.0.1:1000", nil, "http", "127.0.0.1", false},
	}
	for _, c := range cases {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.remote
		for _, f := range c.forwarded {
			r.Header.Add("X-Forwarded-For", f)
		}
		r.Header.Set("X-Real-IP", "9.9.9.9")
		r.Header.Set("Forwarded", "for=9.9.9.9")
		if c.proto != "" {
			r.Header.Set("X-Forwarded-Proto", c.proto)
		}
		if got := s.findClient(r); got.addr.String() != c.want || got.https != c.https {
			t.Errorf("%s: %s https=%v, want %s https=%v", c.name, got.addr, got.https, c.want, c.https)
		}
	}
	a, b := netip.MustParseAddr("2001:db8:1:2::1"), netip.MustParseAddr("2001:db8:1:2:ffff::1")
	if limitKey(a) != limitKey(b) || limitKey(a) == limitKey(netip.MustParseAddr("2001:db8:1:3::1")) {
		t.Error("an IPv6 subscriber is not limited by /64")
	}
}
