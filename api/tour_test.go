package api

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"testing"
	"time"
)

// picture is a small PNG.
func picture(t testing.TB) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 8, 8))
	for i := range 8 {
		img.Set(i, i, color.RGBA{200, 30, 60, 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// tour visits every route once with success.
func tour(sys *system) {
	root := sys.signUp("root")
	ann, bob, cat := sys.signUp("ann"), sys.signUp("bob"), sys.signUp("cat")
	tourAccounts(sys, root, ann, bob)
	tourPeople(sys, ann, bob, cat)
	group := tourChannels(sys, ann, bob, cat)
	tourMessages(sys, group, ann, bob)
	tourPush(sys, ann)
	tourPrograms(sys, group, ann)
	tourAdmin(sys, root, cat)
	tourBoard(sys, root)
	sys.must(ann, "POST", "/logout", nil)
	for _, path := range []string{"/healthz", "/readyz", "/api/openapi.yaml", "/api/frames.schema.json"} {
		sys.must(actor{}, "GET", path, nil)
	}
}

func tourAccounts(sys *system, root, ann, bob actor) {
	sys.must(actor{}, "GET", "/config", nil)
	sys.must(ann, "GET", "/discover", nil)
	sys.must(ann, "GET", "/me", nil)
	sys.must(ann, "PATCH", "/me", object{"display_name": "앤", "status_line": "회의 중", "avatar_color": 4, "lang": "ko"})
	second := sys.must(actor{}, "POST", "/login", object{"login_name": "ann", "password": testPassword, "device_name": "폰", "want_token": true})
	sys.must(ann, "GET", "/logins", nil)
	sys.must(ann, "DELETE", "/logins/"+second.text("login"), nil)
	sys.must(ann, "POST", "/logins/revoke_others", nil)
	sys.must(bob, "POST", "/password", object{"old": testPassword, "new": testPassword + "!"})
	sys.must(ann, "PUT", "/me/avatar", picture(sys.t), "Content-Type", "image/png")
	sys.must(bob, "GET", "/users/"+ann.id+"/avatar?v=1", nil)
	sys.must(root, "PUT", "/me/avatar", picture(sys.t), "Content-Type", "image/png")
	sys.must(root, "DELETE", "/me/avatar", nil)
}

func tourPeople(sys *system, ann, bob, cat actor) {
	sys.must(bob, "GET", "/users?find=an", nil)
	sys.must(bob, "GET", "/users?ids="+ann.id+","+cat.id, nil)
	sys.must(bob, "GET", "/users/"+ann.id, nil)
	sys.must(ann, "PUT", "/friends/"+bob.id, nil)
	sys.must(bob, "PUT", "/friends/"+ann.id, nil)
	sys.must(ann, "GET", "/friends", nil)
	sys.must(ann, "POST", "/presence", object{"users": []string{ann.id, bob.id, cat.id}})
	sys.must(bob, "DELETE", "/friends/"+ann.id, nil)
	sys.must(bob, "PUT", "/blocks/"+cat.id, nil)
	sys.must(bob, "DELETE", "/blocks/"+cat.id, nil)
}

func tourChannels(sys *system, ann, bob, cat actor) (group string) {
	direct := sys.must(ann, "POST", "/direct", object{"user": bob.id}).text("id")
	sys.say(ann, direct, 1, "안녕")
	group = sys.must(ann, "POST", "/channels", object{"key": uuid(1), "name": "팀", "members": []string{bob.id}, "limit": 50}).text("id")
	at := "/channels/" + group
	sys.must(ann, "GET", at, nil)
	sys.must(ann, "PATCH", at, object{"name": "우리 팀", "limit": 60})
	sys.must(ann, "POST", at+"/members", object{"users": []string{cat.id}})
	sys.must(ann, "PATCH", at+"/members/"+bob.id, object{"role": 2})
	sys.must(ann, "GET", at+"/members", nil)
	sys.must(ann, "DELETE", at+"/members/"+cat.id, nil)
	invite := sys.must(ann, "POST", at+"/invites", object{"max_uses": 5, "expires_at": time.Now().Add(time.Hour).UnixMilli()})
	sys.must(ann, "GET", at+"/invites", nil)
	sys.must(cat, "GET", "/invites/"+invite.text("code"), nil)
	sys.must(cat, "POST", "/invites/"+invite.text("code"), nil)
	sys.must(ann, "DELETE", at+"/invites/"+invite.text("id"), nil)
	sys.must(bob, "PATCH", at+"/preference", object{"level": 1, "pinned": true})
	return group
}

func tourMessages(sys *system, group string, ann, bob actor) {
	at := "/channels/" + group
	seq := func(who actor, n int, body object) string {
		return sys.must(who, "POST", at+"/messages", body, "Idempotency-Key", uuid(n)).text("seq")
	}
	root := seq(ann, 10, object{"body": "뿌리"})
	seq(ann, 10, object{"body": "뿌리"}) // again: 200
	seq(bob, 11, object{"body": "@앤 봐요", "mentions": []string{ann.id}, "mention_all": true, "reply_to": toInt(root)})
	seq(bob, 12, object{"body": "댓글", "thread": toInt(root)})
	gone := seq(ann, 13, object{"body": "지울 것"})
	sys.must(ann, "PATCH", at+"/messages/"+root, object{"body": "뿌리 2", "mentions": []string{bob.id}})
	sys.must(bob, "PUT", at+"/messages/"+root+"/reactions/👍", nil)
	sys.must(bob, "DELETE", at+"/messages/"+root+"/reactions/👍", nil)
	sys.must(bob, "PUT", at+"/messages/"+root+"/reactions/❤️", nil)
	sys.must(ann, "DELETE", at+"/messages/"+gone, nil)
	sys.must(bob, "GET", at+"/messages", nil)
	sys.must(bob, "GET", at+"/changes?after=0&up_to=100", nil)
	sys.must(ann, "GET", "/inbox?after=0", nil)
	sys.must(ann, "PUT", at+"/read", object{"seq": toInt(root)})
}

func tourAdmin(sys *system, root, cat actor) {
	sys.must(root, "GET", "/admin/nodes", nil)
	sys.must(root, "POST", "/admin/signup_invites", object{})
	sys.must(root, "POST", "/admin/users/"+cat.id+"/disable", nil)
	sys.must(root, "POST", "/admin/users/"+cat.id+"/enable", nil)
	people := sys.must(root, "POST", "/admin/import/people", object{"source": "irc", "names": []string{"zed", "yui"}})
	zed := people.field("users").([]any)[0].(object)["id"].(string)
	channel := sys.must(root, "POST", "/admin/import/channels", object{"source": "irc", "name": "#go", "members": []string{zed}}).text("id")
	sys.must(root, "POST", "/admin/import/channels/"+channel+"/messages", object{"messages": []object{
		{"sender": zed, "client_msg_id": uuid(20), "body": "hi", "orig_at": 1_000_000_000_000},
		{"sender": zed, "client_msg_id": uuid(21), "body": "hi again", "orig_at": 1_000_000_001_000, "reply_to_index": 0},
	}})
	sys.must(root, "GET", "/channels/"+channel+"/messages", nil)
}

func toInt(s string) int {
	n := 0
	for _, c := range s {
		n = n*10 + int(c-'0')
	}
	return n
}
