package notify

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gori/chat"
)

func testPoint(t testing.TB) []byte {
	t.Helper()
	k, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k.PublicKey().Bytes()
}

func TestQuietHours(t *testing.T) {
	night := Settings{QuietFrom: 22 * 60, QuietTo: 7 * 60, Zone: "Asia/Seoul"}
	berlin := Settings{QuietFrom: 2*60 + 15, QuietTo: 3*60 + 30, Zone: "Europe/Berlin"}
	for _, c := range []struct {
		s    Settings
		at   string
		want bool
	}{
		{night, "2030-05-01T12:59:00Z", false}, // 21:59 in Seoul
		{night, "2030-05-01T13:00:00Z", true},
		{night, "2030-05-01T15:00:00Z", true}, // midnight
		{night, "2030-05-01T21:59:00Z", true},
		{night, "2030-05-01T22:00:00Z", false},
		{Settings{QuietFrom: 9 * 60, QuietTo: 17 * 60}, "2030-05-01T09:00:00Z", true},
		{Settings{QuietFrom: 9 * 60, QuietTo: 17 * 60}, "2030-05-01T17:00:00Z", false},
		{Settings{QuietFrom: 5, QuietTo: 5}, "2030-05-01T17:00:00Z", true}, // the whole day
		{DefaultSettings(), "2030-05-01T03:00:00Z", false},
		// In Berlin 02:00 becomes 03:00 on 2030-03-31: of the quiet hour the
		// clock shows only 03:00 to 03:30.
		{berlin, "2030-03-31T00:59:00Z", false}, // 01:59
		{berlin, "2030-03-31T01:00:00Z", true},  // 03:00
		{berlin, "2030-03-31T01:29:00Z", true},
		{berlin, "2030-03-31T01:30:00Z", false},
		// On 2030-10-27 03:00 becomes 02:00: the clock shows 02:15 twice.
		{berlin, "2030-10-27T00:14:00Z", false},
		{berlin, "2030-10-27T00:15:00Z", true},
		{berlin, "2030-10-27T01:14:00Z", false}, // 02:14 again
		{berlin, "2030-10-27T01:15:00Z", true},
		{berlin, "2030-10-27T02:30:00Z", false},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.s.quiet(at); got != c.want {
			t.Errorf("%+v at %s: %t", c.s, at.Format(time.RFC3339), got)
		}
	}
}

// somewhere is a presence with one answer.
type somewhere struct {
	live  bool
	grace time.Duration
}

func (s somewhere) Liveness(chat.UserID) (bool, time.Duration) { return s.live, s.grace }

func TestDecide(t *testing.T) {
	base := Wake{Member: true, Seq: 9, Age: 15 * time.Second, ReadSeq: 3, Settings: DefaultSettings()}
	with := func(edit func(*Wake)) Wake {
		w := base
		edit(&w)
		return w
	}
	for _, c := range []struct {
		why  string
		w    Wake
		p    somewhere
		tell chat.Seq
		wait bool
	}{
		{"told", base, somewhere{}, 9, false},
		{"read", with(func(w *Wake) { w.ReadSeq = 9 }), somewhere{}, 0, false},
		{"told", with(func(w *Wake) { w.ReadSeq, w.ThreadSeq, w.ThreadUnread = 9, 11, true }), somewhere{}, 11, false},
		{"read", with(func(w *Wake) { w.ReadSeq, w.ThreadSeq = 9, 11 }), somewhere{}, 0, false},
		{"level", with(func(w *Wake) { w.Level = chat.LevelNone }), somewhere{}, 0, false},
		{"level", with(func(w *Wake) { w.Level = chat.LevelMentions }), somewhere{}, 0, false},
		{"told", with(func(w *Wake) { w.Level, w.MentionSeq, w.MentionUnread = chat.LevelMentions, 7, true }), somewhere{}, 7, false},
		{"read", with(func(w *Wake) { w.Level, w.MentionSeq = chat.LevelMentions, 7 }), somewhere{}, 0, false},
		{"level", with(func(w *Wake) { w.Level, w.MentionSeq, w.MentionUnread = chat.LevelNone, 7, true }), somewhere{}, 0, false},
		{"gone", with(func(w *Wake) { w.Member = false }), somewhere{}, 0, false},
		{"gone", with(func(w *Wake) { w.Disabled = true }), somewhere{}, 0, false},
		{"quiet", with(func(w *Wake) { w.Settings.QuietFrom, w.Settings.QuietTo = 0, 0 }), somewhere{}, 0, false},
		{"quiet", with(func(w *Wake) {
			w.Settings.QuietFrom, w.Settings.QuietTo, w.MentionSeq, w.MentionUnread = 0, 0, 9, true
		}), somewhere{}, 0, false},
		{"waits", base, somewhere{live: true}, 0, true},
		{"waits", base, somewhere{grace: 4 * time.Second}, 0, true},
		{"live", with(func(w *Wake) { w.Age = sureAfter }), somewhere{live: true}, 0, false},
		{"told", with(func(w *Wake) { w.Bot, w.MentionSeq = true, 5 }), somewhere{live: true}, 5, false},
		{"told", with(func(w *Wake) { w.Bot, w.Direct = true, true }), somewhere{live: true}, 9, false},
	} {
		n := &Notifier{cfg: Config{Presence: c.p, Now: time.Now}}
		d, why := n.decide(c.w)
		if why != c.why || d.Tell != c.tell || (d.Wait > 0) != c.wait {
			t.Errorf("%+v with %+v: %s, told %d, wait %s; want %s, %d", c.w, c.p, why, d.Tell, d.Wait, c.why, c.tell)
		}
	}
}

func TestPayloadsFit(t *testing.T) {
	family := "👨‍👩‍👧‍👦"
	for name, body := range map[string]string{
		"short":     "안녕 <b>",
		"Hangul":    strings.Repeat("가나다라", 25_000),
		"jamo":      strings.Repeat("각", 30_000),
		"emoji":     strings.Repeat(family, 4_000),
		"flags":     strings.Repeat("🇰🇷", 10_000),
		"quotes":    strings.Repeat(`"\`, 50_000),
		"controls":  strings.Repeat("\n\u2028", 20_000),
		"one mark":  "a" + strings.Repeat("\u0301", 50_000),
		"long line": strings.Repeat("x", 100_000),
	} {
		p := payload{V: 1, Kind: "message", Channel: 1 << 62, Seq: 1 << 40, Title: strings.Repeat("방", 100), Sender: strings.Repeat("이", 40), Body: body}
		b := p.encode()
		if len(b) > maxPayload {
			t.Errorf("%s: %d bytes", name, len(b))
		}
		var back payload
		if err := json.Unmarshal(b, &back); err != nil || !utf8.Valid(b) {
			t.Fatalf("%s: %v", name, err)
		}
		kept := strings.TrimSuffix(back.Body, "…")
		if !strings.HasPrefix(body, kept) {
			t.Errorf("%s: %.40q is not its beginning", name, kept)
		}
		if name == "short" && (back.Body != body || !bytes.Contains(b, []byte("<b>"))) {
			t.Errorf("%s: %s", name, b)
		}
		if rest := body[len(kept):]; kept != "" && rest != "" {
			for name2, whole := range map[string]string{"jamo": "각", "emoji": family, "flags": "🇰🇷"} {
				if name == name2 && len(kept)%len(whole) != 0 {
					t.Errorf("%s is cut inside: …%q", name, kept[max(0, len(kept)-24):])
				}
			}
		}
	}
}

func TestPushesAreEncrypted(t *testing.T) {
	if id := topicOf(1, 2); len(id) != 32 || id == topicOf(2, 2) || id == topicOf(1, 3) {
		t.Errorf("topic %q", id)
	}
	// A subscription that cannot be encrypted for is refused, not retried.
	n := testCaller(t, loopback...)
	out := n.call(context.Background(), Device{Kind: WebPush, Endpoint: "http://127.0.0.1:1/", P256dh: make([]byte, 65), Auth: make([]byte, 16)}, push{body: []byte("{}")})
	if out.verdict != refused || out.reason != "subscription" {
		t.Errorf("%+v", out)
	}
	// Nobody listens: surely not delivered.
	out = n.call(context.Background(), Device{Kind: WebPush, Endpoint: "http://127.0.0.1:1/", P256dh: testPoint(t), Auth: make([]byte, 16)}, push{body: []byte("{}")})
	if out.verdict != failed || out.reason != "unreachable" {
		t.Errorf("%+v", out)
	}
}
