package api

import (
	"testing"

	"gori/chat"
)

// told reads presence frames until one says so of the user.
func (c *wsClient) told(user, state string) {
	c.t.Helper()
	for {
		for _, s := range c.next("presence")["states"].([]any) {
			if s := s.(object); s["user"] == user && s["state"] == state {
				return
			}
		}
	}
}

// seenAs asks for someone's presence.
func (sys *system) seenAs(who actor, user string) string {
	sys.t.Helper()
	s := sys.must(who, "POST", "/presence", object{"users": []string{user}}).field("states").([]any)[0].(object)
	if _, timed := s["last_active_at"]; timed && s["state"] == "offline" {
		return "offline since"
	}
	return s["state"].(string)
}

// TestPresenceTo: who may see someone counts by frame, in an open channel and by
// asking, at once; whom one has blocked sees nothing.
func TestPresenceTo(t *testing.T) {
	sys := newSystem(t, nil)
	addr := sys.listen()
	ann, bob, cat, eve := sys.signUp("ann"), sys.signUp("bob"), sys.signUp("cat"), sys.signUp("eve")
	sys.must(ann, "PUT", "/friends/"+bob.id, nil)
	sys.must(bob, "PUT", "/friends/"+ann.id, nil)
	group := sys.must(ann, "POST", "/channels", object{"key": uuid(1), "name": "g", "members": []string{bob.id, cat.id, eve.id}}).text("id")
	sys.must(ann, "PUT", "/blocks/"+eve.id, nil)
	a := mustDial(t, addr, ann)
	if me := a.resume()["me"].(object); me["presence_to"] != "everyone" {
		t.Errorf("a new account is seen by %v", me["presence_to"])
	}
	sessions := map[string]*wsClient{}
	for _, who := range []actor{bob, cat, eve} {
		c := mustDial(t, addr, who)
		c.resume()
		c.send(object{"op": "open", "channel": group})
		want := "online"
		if who == eve {
			want = "offline"
		}
		c.told(ann.id, want)
		sessions[who.name] = c
	}
	for _, step := range []struct{ to, bob, cat string }{{"friends", "online", "offline"}, {"nobody", "offline", "offline"}, {"everyone", "online", "online"}} {
		if got := sys.must(ann, "PATCH", "/me", object{"presence_to": step.to}).text("presence_to"); got != step.to {
			t.Fatalf("%s became %s", step.to, got)
		}
		if step.to != "friends" {
			sessions["bob"].told(ann.id, step.bob)
		}
		if step.to != "nobody" {
			sessions["cat"].told(ann.id, step.cat)
		}
		for who, want := range map[actor]string{bob: step.bob, cat: step.cat, eve: "offline", ann: "online"} {
			if got := sys.seenAs(who, ann.id); got != want {
				t.Errorf("%s: %s asks and sees %s, not %s", step.to, who.name, got, want)
			}
		}
	}
	if code := sys.do(ann, "PATCH", "/me", object{"presence_to": "enemies"}).code(); code != chat.CodeBadRequest {
		t.Errorf("enemies: %s", code)
	}
}
