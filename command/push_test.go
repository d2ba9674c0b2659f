package command

import (
	"fmt"
	"strings"
	"testing"

	"gori/config"
	"gori/notify/notifytest"
)

// Through the whole node, with its real times: a message whose receiver is away
// is pushed once and decrypts to what opens it; one that was read on another
// device first is not pushed; once read, the push is taken back.
func TestPushThroughANode(t *testing.T) {
	t.Parallel()
	e := startEdge(t, func(c *config.Config) {
		c.Push = config.Push{Subject: "owner@example.com", AllowNetworks: []string{"127.0.0.0/8"}}
	})
	ann, bob := e.signUp("ann"), e.signUp("bob")
	key := e.must(bob.token, "GET", "/push", "", "")["vapid_key"].(string)
	service := notifytest.NewService(t, key)
	sub := service.Subscribe("/bob")
	device := e.must(bob.token, "POST", "/push/devices",
		fmt.Sprintf(`{"kind":"webpush","endpoint":%q,"p256dh":%q,"auth":%q,"name":"폰"}`, sub.Endpoint, sub.P256dh, sub.Auth), "")
	e.must(bob.token, "POST", "/push/devices/"+device["id"].(string)+"/test", "", "")
	if got := service.Pushes(); len(got) != 1 || got[0].Text("kind") != "test" {
		t.Fatalf("the test push: %+v", got)
	}

	direct := e.must(ann.token, "POST", "/direct", fmt.Sprintf(`{"user":%q}`, bob.id), "")["id"].(string)
	group := e.must(ann.token, "POST", "/channels", fmt.Sprintf(`{"key":%q,"name":"모임","members":[%q]}`, msgID(1), bob.id), "")["id"].(string)
	read := e.must(ann.token, "POST", "/channels/"+group+"/messages", `{"body":"다른 기기에서 읽음"}`, msgID(2))
	e.must(bob.token, "PUT", "/channels/"+group+"/read", fmt.Sprintf(`{"seq":%v}`, read["seq"]), "")
	e.must(ann.token, "POST", "/channels/"+direct+"/messages", `{"body":"첫째"}`, msgID(3))
	sent := e.must(ann.token, "POST", "/channels/"+direct+"/messages", `{"body":"둘째"}`, msgID(4))

	await := func(n int) notifytest.Push {
		t.Helper()
		eventually(t, fmt.Sprint(n, " pushes"), func() bool { return len(service.Pushes()) >= n })
		return service.Pushes()[n-1]
	}
	p := await(2)
	if p.Text("kind") != "message" || p.Text("channel") != direct || p.Payload["seq"] != sent["seq"] || p.Text("body") != "둘째" || p.Text("sender") != "ann" {
		t.Errorf("push %s", p.Raw)
	}
	e.must(bob.token, "PUT", "/channels/"+direct+"/read", fmt.Sprintf(`{"seq":%v}`, sent["seq"]), "")
	if p = await(3); p.Text("kind") != "clear" || p.Text("channel") != direct {
		t.Errorf("after reading: %s", p.Raw)
	}
	for _, p := range service.Pushes() {
		if p.Text("channel") == group || strings.Contains(string(p.Raw), "읽음") {
			t.Errorf("pushed although read elsewhere: %s", p.Raw)
		}
	}
}
