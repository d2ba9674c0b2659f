package api

import (
	"fmt"
	"os"
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
	bot, hook, speaker                      string
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
	st.bot = sys.must(st.owner, "POST", "/bots", object{"login_name": "ownersbot"}).text("user", "id")
	hook := sys.must(st.owner, "POST", at+"/hooks", object{"name": "builds"})
	st.hook, st.speaker = hook.text("id"), hook.text("bot")
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
		"{bot}", st.bot, "{hook}", st.hook, "{speaker}", st.speaker,
		"{memberSeq}", fmt.Sprint(st.memberSeq), "{ownerSeq}", fmt.Sprint(st.ownerSeq), "{removedSeq}", fmt.Sprint(st.removedSeq)).Replace(s)
}

// roleCase is one route and what each role is answered: stranger, member,
// group admin, owner, removed member, service admin. Nobody and the disabled
// are always answered 401.
type roleCase struct {
	method, path, body string
	want               [6]int
}

// roleCases reads testdata/roles.tsv.
func roleCases(t testing.TB) []roleCase {
	t.Helper()
	b, err := os.ReadFile("testdata/roles.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var cases []roleCase
	for line := range strings.Lines(string(b)) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		cells := strings.Split(line, "\t")
		c := roleCase{method: cells[0], path: cells[1]}
		if cells[2] != "-" {
			c.body = cells[2]
		}
		n, err := fmt.Sscan(cells[3], &c.want[0], &c.want[1], &c.want[2], &c.want[3], &c.want[4], &c.want[5])
		if n != len(c.want) {
			t.Fatalf("%s: %v", line, err)
		}
		cases = append(cases, c)
	}
	return cases
}

var roleOrder = [6]string{"stranger", "member", "admin", "owner", "removed", "root"}

func TestEveryRouteForEveryRole(t *testing.T) {
	for _, c := range roleCases(t) {
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
	for _, c := range roleCases(t) {
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
