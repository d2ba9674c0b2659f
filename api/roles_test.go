package api

import (
	"fmt"
	"strings"
	"testing"
)

// stage is a system with a group and someone in every role towards it.
type stage struct {
	*system
	root                                    actor // admin of the service, in no group
	stranger, member, admin, owner, removed actor
	disabled, extra, second                 actor
	group, direct, invite, inviteID         string
	memberSeq, ownerSeq, removedSeq         int
}

func newStage(t testing.TB) *stage {
	sys := newSystem(t, nil)
	st := &stage{system: sys}
	for name, who := range map[string]*actor{"root": &st.root} {
		*who = sys.signUp(name)
	}
	for name, who := range map[string]*actor{"stranger": &st.stranger, "member": &st.member, "gadmin": &st.admin, "owner": &st.owner,
		"removed": &st.removed, "disabled": &st.disabled, "extra": &st.extra, "second": &st.second} {
		*who = sys.signUp(name)
	}
	st.group = sys.must(st.owner, "POST", "/channels", object{"key": uuid(1), "name": "g",
		"members": []string{st.member.id, st.admin.id, st.removed.id, st.disabled.id, st.second.id}}).text("id")
	at := "/channels/" + st.group
	sys.must(st.owner, "PATCH", at+"/members/"+st.admin.id, object{"role": 2})
	st.memberSeq = sys.say(st.member, st.group, 1, "by the member")
	st.ownerSeq = sys.say(st.owner, st.group, 2, "by the owner")
	st.removedSeq = sys.say(st.removed, st.group, 3, "by the removed")
	sys.must(st.owner, "DELETE", at+"/members/"+st.removed.id, nil)
	made := sys.must(st.owner, "POST", at+"/invites", object{})
	st.invite, st.inviteID = made.text("code"), made.text("id")
	st.direct = sys.must(st.owner, "POST", "/direct", object{"user": st.extra.id}).text("id")
	sys.say(st.owner, st.direct, 4, "private")
	sys.must(st.root, "POST", "/admin/users/"+st.disabled.id+"/disable", nil)
	return st
}

func (st *stage) roles() map[string]actor {
	return map[string]actor{"anonymous": {}, "stranger": st.stranger, "member": st.member, "admin": st.admin, "owner": st.owner,
		"removed": st.removed, "disabled": st.disabled, "root": st.root}
}

// fill puts the stage's ids into a path or body.
func (st *stage) fill(s string, who actor) string {
	if who.id == "" {
		who.id = "1" // nobody
	}
	return strings.NewReplacer("{G}", st.group, "{D}", st.direct, "{member}", st.member.id, "{second}", st.second.id, "{extra}", st.extra.id,
		"{owner}", st.owner.id, "{self}", who.id, "{code}", st.invite, "{invite}", st.inviteID, "{root}", st.root.id,
		"{memberSeq}", fmt.Sprint(st.memberSeq), "{ownerSeq}", fmt.Sprint(st.ownerSeq), "{removedSeq}", fmt.Sprint(st.removedSeq)).Replace(s)
}

// roleCase is one route and what each role is answered: stranger, member,
// group admin, owner, removed member, service admin. Nobody and the disabled
// are always answered 401.
type roleCase struct {
	method, path, body string
	want               [6]int
}

var roleCases = []roleCase{
	{"GET", "/me", "", [6]int{200, 200, 200, 200, 200, 200}},
	{"PATCH", "/me", `{"status_line":"x"}`, [6]int{200, 200, 200, 200, 200, 200}},
	{"DELETE", "/me/avatar", "", [6]int{200, 200, 200, 200, 200, 200}},
	{"GET", "/discover", "", [6]int{200, 200, 200, 200, 200, 200}},
	{"GET", "/logins", "", [6]int{200, 200, 200, 200, 200, 200}},
	{"POST", "/logins/revoke_others", "", [6]int{204, 204, 204, 204, 204, 204}},
	{"POST", "/logout", "", [6]int{204, 204, 204, 204, 204, 204}},
	{"POST", "/password", `{"old":"not the password","new":"another password"}`, [6]int{401, 401, 401, 401, 401, 401}},
	{"GET", "/users?find=mem", "", [6]int{200, 200, 200, 200, 200, 200}},
	{"GET", "/users/{member}", "", [6]int{200, 200, 200, 200, 200, 200}},
	{"GET", "/users/{member}/avatar", "", [6]int{404, 404, 404, 404, 404, 404}},
	{"GET", "/friends", "", [6]int{200, 200, 200, 200, 200, 200}},
	{"PUT", "/friends/{extra}", "", [6]int{200, 200, 200, 200, 200, 200}},
	{"DELETE", "/friends/{extra}", "", [6]int{204, 204, 204, 204, 204, 204}},
	{"PUT", "/blocks/{extra}", "", [6]int{204, 204, 204, 204, 204, 204}},
	{"DELETE", "/blocks/{extra}", "", [6]int{204, 204, 204, 204, 204, 204}},
	{"POST", "/presence", `{"users":["{member}"]}`, [6]int{200, 200, 200, 200, 200, 200}},
	{"GET", "/inbox", "", [6]int{200, 200, 200, 200, 200, 200}},
	{"POST", "/direct", `{"user":"{extra}"}`, [6]int{200, 200, 200, 200, 200, 200}},
	{"POST", "/direct", `{"user":"{self}"}`, [6]int{400, 400, 400, 400, 400, 400}},
	{"POST", "/channels", `{"key":"0190b0c4-7e6b-7c3a-9d3f-0000000000aa","name":"n","members":[]}`, [6]int{201, 201, 201, 201, 201, 201}},

	{"GET", "/channels/{G}", "", [6]int{404, 200, 200, 200, 404, 404}},
	{"PATCH", "/channels/{G}", `{"name":"x"}`, [6]int{404, 403, 200, 200, 404, 404}},
	{"PATCH", "/channels/{G}", `{"limit":50}`, [6]int{404, 403, 403, 200, 404, 404}},
	{"PATCH", "/channels/{G}", `{}`, [6]int{404, 200, 200, 200, 404, 404}},
	{"GET", "/channels/{G}/members", "", [6]int{404, 200, 200, 200, 404, 404}},
	{"POST", "/channels/{G}/members", `{"users":["{extra}"]}`, [6]int{404, 403, 200, 200, 404, 404}},
	{"PATCH", "/channels/{G}/members/{second}", `{"role":2}`, [6]int{404, 403, 403, 200, 404, 404}},
	{"PATCH", "/channels/{G}/members/{self}", `{"role":3}`, [6]int{404, 403, 403, 200, 404, 404}},
	{"DELETE", "/channels/{G}/members/{second}", "", [6]int{404, 403, 204, 204, 404, 404}},
	{"DELETE", "/channels/{G}/members/{owner}", "", [6]int{404, 403, 403, 409, 404, 404}},
	{"DELETE", "/channels/{G}/members/{self}", "", [6]int{404, 204, 204, 409, 404, 404}},
	{"PUT", "/channels/{G}/read", `{"seq":1}`, [6]int{404, 200, 200, 200, 404, 404}},
	{"PATCH", "/channels/{G}/preference", `{"level":2}`, [6]int{404, 200, 200, 200, 404, 404}},
	{"GET", "/channels/{G}/invites", "", [6]int{404, 403, 200, 200, 404, 404}},
	{"POST", "/channels/{G}/invites", `{}`, [6]int{404, 403, 201, 201, 404, 404}},
	{"DELETE", "/channels/{G}/invites/{invite}", "", [6]int{404, 403, 204, 204, 404, 404}},
	{"GET", "/invites/{code}", "", [6]int{200, 200, 200, 200, 200, 200}},
	{"POST", "/invites/{code}", "", [6]int{200, 200, 200, 200, 200, 200}},
	{"GET", "/channels/{G}/messages", "", [6]int{404, 200, 200, 200, 404, 404}},
	{"GET", "/channels/{G}/messages?around={removedSeq}", "", [6]int{404, 200, 200, 200, 404, 404}},
	{"GET", "/channels/{G}/changes?after=0&up_to=9", "", [6]int{404, 200, 200, 200, 404, 404}},
	{"POST", "/channels/{G}/messages", `{"body":"x"}`, [6]int{404, 201, 201, 201, 404, 404}},
	{"PATCH", "/channels/{G}/messages/{memberSeq}", `{"body":"x"}`, [6]int{404, 200, 403, 403, 404, 404}},
	{"PATCH", "/channels/{G}/messages/{ownerSeq}", `{"body":"x"}`, [6]int{404, 403, 403, 200, 404, 404}},
	{"PATCH", "/channels/{G}/messages/{removedSeq}", `{"body":"x"}`, [6]int{404, 403, 403, 403, 404, 404}},
	{"DELETE", "/channels/{G}/messages/{memberSeq}", "", [6]int{404, 200, 200, 200, 404, 404}},
	{"DELETE", "/channels/{G}/messages/{ownerSeq}", "", [6]int{404, 403, 200, 200, 404, 404}},
	{"DELETE", "/channels/{G}/messages/{removedSeq}", "", [6]int{404, 403, 200, 200, 404, 404}},
	{"PATCH", "/channels/{G}/messages/1", `{"body":"x"}`, [6]int{404, 403, 403, 403, 404, 404}},
	{"PUT", "/channels/{G}/messages/{ownerSeq}/reactions/%F0%9F%91%8D", "", [6]int{404, 200, 200, 200, 404, 404}},
	{"DELETE", "/channels/{G}/messages/{ownerSeq}/reactions/%F0%9F%91%8D", "", [6]int{404, 200, 200, 200, 404, 404}},

	// Someone else's direct channel: as if it were not there.
	{"GET", "/channels/{D}", "", [6]int{404, 404, 404, 200, 404, 404}},
	{"GET", "/channels/{D}/messages", "", [6]int{404, 404, 404, 200, 404, 404}},
	{"GET", "/channels/{D}/changes?after=0&up_to=9", "", [6]int{404, 404, 404, 200, 404, 404}},
	{"GET", "/channels/{D}/members", "", [6]int{404, 404, 404, 200, 404, 404}},
	{"POST", "/channels/{D}/messages", `{"body":"x"}`, [6]int{404, 404, 404, 201, 404, 404}},
	{"DELETE", "/channels/{D}/messages/1", "", [6]int{404, 404, 404, 200, 404, 404}},
	{"PUT", "/channels/{D}/messages/1/reactions/x", "", [6]int{404, 404, 404, 200, 404, 404}},
	{"PUT", "/channels/{D}/read", `{"seq":1}`, [6]int{404, 404, 404, 200, 404, 404}},
	{"PATCH", "/channels/{D}/preference", `{"pinned":true}`, [6]int{404, 404, 404, 200, 404, 404}},
	{"POST", "/channels/{D}/members", `{"users":["{member}"]}`, [6]int{404, 404, 404, 403, 404, 404}},
	{"POST", "/channels/{D}/invites", `{}`, [6]int{404, 404, 404, 403, 404, 404}},
	{"PATCH", "/channels/{D}", `{"name":"x"}`, [6]int{404, 404, 404, 403, 404, 404}},

	{"POST", "/admin/signup_invites", `{}`, [6]int{403, 403, 403, 403, 403, 201}},
	{"POST", "/admin/users/{extra}/disable", "", [6]int{403, 403, 403, 403, 403, 204}},
	{"POST", "/admin/users/{extra}/enable", "", [6]int{403, 403, 403, 403, 403, 204}},
	{"POST", "/admin/users/{root}/disable", "", [6]int{403, 403, 403, 403, 403, 403}},
	{"POST", "/admin/import/people", `{"source":"s","names":["a"]}`, [6]int{403, 403, 403, 403, 403, 200}},
	{"POST", "/admin/import/channels", `{"source":"s","name":"n","members":[]}`, [6]int{403, 403, 403, 403, 403, 200}},
	{"POST", "/admin/import/channels/{G}/messages", `{"messages":[]}`, [6]int{403, 403, 403, 403, 403, 200}},
	{"POST", "/admin/import/channels/{G}/messages", `{"messages":[{"sender":"{member}","client_msg_id":"0190b0c4-7e6b-7c3a-9d3f-0000000000ab","body":"x","orig_at":1}]}`, [6]int{403, 403, 403, 403, 403, 404}},
}

var roleOrder = [6]string{"stranger", "member", "admin", "owner", "removed", "root"}

func TestEveryRouteForEveryRole(t *testing.T) {
	for _, c := range roleCases {
		t.Run(c.method+" "+strings.ReplaceAll(c.path, "/", "."), func(t *testing.T) {
			want := map[string]int{"anonymous": 401, "disabled": 401}
			for i, role := range roleOrder {
				want[role] = c.want[i]
			}
			// Those who are refused share a stage, since they change nothing;
			// the others come after them, each with a stage of its own.
			shared := newStage(t)
			for role, status := range want {
				if status >= 400 {
					shared.try(c, role, status)
				}
			}
			for role, status := range want {
				switch {
				case status >= 400:
				case c.method == "GET":
					shared.try(c, role, status)
				default:
					newStage(t).try(c, role, status)
				}
			}
		})
	}
}

func (st *stage) try(c roleCase, role string, want int) {
	st.t.Helper()
	who := st.roles()[role]
	var body any
	if c.body != "" {
		body = st.fill(c.body, who)
	}
	a := st.do(who, c.method, st.fill(c.path, who), body, "Idempotency-Key", uuid(99))
	if a.status != want {
		st.t.Errorf("%s %s %s as %s: %d, want %d: %s", c.method, c.path, c.body, role, a.status, want, a.body)
	}
}

// What is refused because of who asks tells nothing of what is there: another's
// channel and one that does not exist are answered alike.
func TestAForeignChannelLooksLikeNone(t *testing.T) {
	st := newStage(t)
	for _, c := range roleCases {
		if !strings.HasPrefix(c.path, "/channels/{G}") {
			continue
		}
		ask := func(path string) answered {
			var body any
			if c.body != "" {
				body = st.fill(c.body, st.stranger)
			}
			return st.do(st.stranger, c.method, st.fill(path, st.stranger), body, "Idempotency-Key", uuid(99))
		}
		there, none := ask(c.path), ask(strings.Replace(c.path, "{G}", "999999999", 1))
		if there.status != none.status || string(there.body) != string(none.body) {
			t.Errorf("%s %s: %s and, where nothing is, %s", c.method, c.path, there.body, none.body)
		}
	}
}
