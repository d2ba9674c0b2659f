package api

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"gori/chat"
	"gori/notify"
	"gori/notify/notifytest"
)

// newPushes is a notifier over memory; it may call servers of this host.
func newPushes(t testing.TB, reader notify.Reader) *notify.Notifier {
	t.Helper()
	book := &notifytest.Book{}
	n, err := notify.New(notify.Config{Book: book, Vault: book, Reader: reader, Subject: "owner@example.com", Log: quiet,
		AllowNetworks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// testKey is the public key of RFC 8291's example receiver, testAuth its secret.
const (
	testKey  = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
	testAuth = "BTBZMqHH6r4Tts7J_aSIgg"
)

// service answers pushes with a status.
func pushService(t testing.TB, status *int) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(*status) }))
	t.Cleanup(srv.Close)
	return srv.URL
}

func tourPush(sys *system, ann actor) {
	status := http.StatusCreated
	url := pushService(sys.t, &status)
	sys.must(ann, "PUT", "/push/settings", object{"hide_body": true, "quiet_from": 1320, "quiet_to": 420, "zone": "Asia/Seoul"})
	made := sys.must(ann, "POST", "/push/devices", object{"kind": "webpush", "endpoint": url + "/x", "p256dh": testKey, "auth": testAuth, "name": "폰"})
	sys.must(ann, "POST", "/push/devices/"+made.text("id")+"/test", nil)
	sys.must(ann, "GET", "/push", nil)
	sys.must(ann, "DELETE", "/push/devices/"+made.text("id"), nil)
	sys.must(ann, "POST", "/push/devices", object{"kind": "webhook", "url": url + "/hook"})
}

func TestPushDevices(t *testing.T) {
	sys := newSystem(t, nil)
	ann, bob := sys.signUp("ann"), sys.signUp("bob")
	status := http.StatusCreated
	url := pushService(t, &status)
	device := object{"kind": "webpush", "endpoint": url + "/secret-path", "p256dh": testKey, "auth": testAuth}

	key := sys.must(ann, "GET", "/push", nil).text("vapid_key")
	if raw, err := base64.RawURLEncoding.DecodeString(key); err != nil || len(raw) != 65 || raw[0] != 4 {
		t.Errorf("vapid_key %q is not an uncompressed point: %v", key, err)
	}
	if again := sys.must(bob, "GET", "/push", nil).text("vapid_key"); again != key {
		t.Errorf("another user is told another key")
	}
	first := sys.must(ann, "POST", "/push/devices", device)
	if second := sys.must(ann, "POST", "/push/devices", device); first.text("id") != second.text("id") {
		t.Errorf("the same endpoint is another device: %s, %s", first.body, second.body)
	}
	list := sys.must(ann, "GET", "/push", nil)
	if devices := list.field("devices").([]any); len(devices) != 1 || devices[0].(object)["current"] != true {
		t.Errorf("devices: %s", list.body)
	}
	if strings.Contains(string(list.body), "secret-path") || strings.Contains(string(list.body), testAuth) {
		t.Errorf("the endpoint or its keys are shown: %s", list.body)
	}

	at := "/push/devices/" + first.text("id")
	if a := sys.do(bob, "DELETE", at, nil); a.code() != chat.CodeNotFound {
		t.Errorf("another user's device: %s", a.body)
	}
	if a := sys.do(bob, "POST", at+"/test", nil); a.code() != chat.CodeNotFound {
		t.Errorf("another user's device: %s", a.body)
	}
	for _, c := range []struct {
		answer, status int
		code           chat.Code
	}{{201, 202, ""}, {429, 502, chat.CodePushFailed}, {400, 502, chat.CodePushFailed}, {302, 502, chat.CodePushFailed}, {410, 404, chat.CodeNotFound}} {
		status = c.answer
		if a := sys.do(ann, "POST", at+"/test", nil); a.status != c.status || c.code != "" && a.code() != c.code {
			t.Errorf("the service answers %d: %d %s", c.answer, a.status, a.body)
		}
	}
	if devices := sys.must(ann, "GET", "/push", nil).field("devices").([]any); len(devices) != 0 {
		t.Errorf("a device that the service no longer knows stays: %v", devices)
	}
}

func TestPushDevicesThatCannotBe(t *testing.T) {
	sys := newSystem(t, nil)
	ann := sys.signUp("ann")
	for why, body := range map[string]object{
		"no kind":           {"endpoint": "https://push.example/x", "p256dh": testKey, "auth": testAuth},
		"unknown kind":      {"kind": "fcm", "endpoint": "https://push.example/x"},
		"both":              {"kind": "webpush", "endpoint": "https://push.example/x", "url": "https://push.example/x", "p256dh": testKey, "auth": testAuth},
		"http":              {"kind": "webpush", "endpoint": "http://93.184.216.34/x", "p256dh": testKey, "auth": testAuth},
		"file":              {"kind": "webhook", "url": "file:///etc/passwd"},
		"user in URL":       {"kind": "webhook", "url": "https://user:pw@example.com/"},
		"no host":           {"kind": "webhook", "url": "https:///x"},
		"opaque":            {"kind": "webhook", "url": "https:example.com"},
		"fragment":          {"kind": "webhook", "url": "https://example.com/#x"},
		"space":             {"kind": "webhook", "url": "https://example.com/ x"},
		"line end":          {"kind": "webhook", "url": "https://example.com/\r\nX: y"},
		"port":              {"kind": "webhook", "url": "https://example.com:0/"},
		"key off the curve": {"kind": "webpush", "endpoint": "https://push.example/x", "p256dh": "BAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "auth": testAuth},
		"short auth":        {"kind": "webpush", "endpoint": "https://push.example/x", "p256dh": testKey, "auth": "AA"},
		"webhook with keys": {"kind": "webhook", "url": "https://example.com/", "p256dh": testKey},
	} {
		if a := sys.do(ann, "POST", "/push/devices", body); a.status != 400 {
			t.Errorf("%s: %d %s", why, a.status, a.body)
		}
	}
	long := "https://example.com/" + strings.Repeat("x", notify.MaxEndpoint)
	if a := sys.do(ann, "POST", "/push/devices", object{"kind": "webhook", "url": long}); a.code() != chat.CodeTooLong {
		t.Errorf("a long URL: %s", a.body)
	}
	for why, body := range map[string]object{"one of two": {"quiet_from": 5}, "negative": {"quiet_from": -2, "quiet_to": -2},
		"no day": {"quiet_from": 1440, "quiet_to": 0}, "zone": {"zone": "../../etc/passwd"}, "local": {"zone": "Local"}} {
		if a := sys.do(ann, "PUT", "/push/settings", body); a.status != 400 {
			t.Errorf("%s: %d %s", why, a.status, a.body)
		}
	}
	for i := range notify.MaxDevices + 3 {
		sys.must(ann, "POST", "/push/devices", object{"kind": "webhook", "url": "https://example.com/" + uuid(i)})
	}
	if n := len(sys.must(ann, "GET", "/push", nil).field("devices").([]any)); n != notify.MaxDevices {
		t.Errorf("%d devices, the limit is %d", n, notify.MaxDevices)
	}
}
