package chat_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/text/unicode/norm"

	"gori/chat"
)

var someone = netip.MustParseAddr("203.0.113.7")

func (w *world) signUp(name, password string) chat.Admission {
	w.Helper()
	a, err := w.people.SignUp(w.ctx, chat.SignUp{LoginName: name, Password: password, DisplayName: name, DeviceName: "phone"})
	w.must(err)
	return a
}

func TestSignUpAndLogIn(t *testing.T) {
	inWorld(t, func(w *world) {
		a := w.signUp("Min", "correct horse")
		if a.Self.LoginName != "min" || !a.Self.Admin || !strings.HasPrefix(a.Token, a.Self.ID.String()+".") || len(a.Token) != len(a.Self.ID.String())+44 {
			t.Fatalf("admission is %+v", a)
		}
		who, err := w.people.Authenticate(w.ctx, a.Token)
		w.must(err)
		if who != (chat.Identity{User: a.Self.ID, Login: a.Login, Admin: true}) {
			t.Fatalf("the token stands for %+v", who)
		}
		if w.signUp("jun", "password1").Self.Admin {
			t.Fatal("the second account is an admin")
		}
		_, err = w.people.SignUp(w.ctx, chat.SignUp{LoginName: "MIN", Password: "whatever1"})
		w.wantCode(err, chat.CodeNameTaken)
		b, err := w.people.LogIn(w.ctx, chat.LogIn{LoginName: "mIn", Password: "correct horse"})
		w.must(err)
		if b.Login == a.Login || b.Token == a.Token {
			t.Fatal("a second login is the first one")
		}
		for _, in := range []chat.LogIn{{LoginName: "min", Password: "wrong horse"}, {LoginName: "nobody", Password: "correct horse"},
			{LoginName: "min", Password: ""}, {LoginName: "", Password: "x"}, {LoginName: "min", Password: strings.Repeat("x", 1<<20)},
			{LoginName: "min\x00", Password: "correct horse"}} {
			_, err := w.people.LogIn(w.ctx, in)
			if e := chat.ErrorOf(err); e == nil || e.Code != chat.CodeBadCredentials || e.Message != "wrong name or password" {
				t.Errorf("%.20q: %v", in, err)
			}
		}
		for password, code := range map[string]chat.Code{"1234567": chat.CodeBadRequest, "": chat.CodeBadRequest, "가나다라마바사": chat.CodeBadRequest,
			strings.Repeat("x", chat.MaxPasswordBytes+1): chat.CodeTooLong, "12345678\x00": chat.CodeBadText} {
			_, err := w.people.SignUp(w.ctx, chat.SignUp{LoginName: "new", Password: password})
			w.wantCode(err, code)
		}
		if got := w.mem.Audited(); !slices.Contains(got, "login.failed") || !slices.Contains(got, "login.ok") || !slices.Contains(got, "signup") {
			t.Errorf("audit log is %v", got)
		}
	})
}

func TestPasswordsAreComparedInNFC(t *testing.T) {
	inWorld(t, func(w *world) {
		w.signUp("min", "비밀번호입니다요")
		_, err := w.people.LogIn(w.ctx, chat.LogIn{LoginName: "min", Password: norm.NFD.String("비밀번호입니다요")})
		w.must(err)
	})
}

func TestBadTokens(t *testing.T) {
	inWorld(t, func(w *world) {
		a := w.signUp("min", "password1")
		good := a.Token
		for _, token := range []string{"", ".", "1", good + "x", good[:len(good)-1], "0" + good, strings.Replace(good, ".", "..", 1), " " + good,
			"9223372036854775808." + strings.Repeat("A", 43), "-1." + strings.Repeat("A", 43), strings.Repeat("x", 1<<16),
			a.Self.ID.String() + "." + strings.Repeat("A", 43), "1" + good[strings.Index(good, "."):]} {
			_, err := w.people.Authenticate(w.ctx, token)
			w.wantCode(err, chat.CodeUnauthenticated)
		}
	})
}

func TestChangePasswordEndsOtherLogins(t *testing.T) {
	inWorld(t, func(w *world) {
		a := w.signUp("min", "password1")
		b, err := w.people.LogIn(w.ctx, chat.LogIn{LoginName: "min", Password: "password1"})
		w.must(err)
		me, err := w.people.Authenticate(w.ctx, a.Token)
		w.must(err)
		other, err := w.people.Authenticate(w.ctx, b.Token) // now in the cache
		w.must(err)
		mine, theirs := w.connect(me), w.connect(other)
		w.wantCode(w.people.ChangePassword(w.ctx, me, "wrong one", "password2", someone), chat.CodeBadCredentials)
		w.must(w.people.ChangePassword(w.ctx, me, "password1", "password2", someone))
		_, err = w.people.Authenticate(w.ctx, b.Token)
		w.wantCode(err, chat.CodeUnauthenticated)
		_, err = w.people.Authenticate(w.ctx, a.Token)
		w.must(err)
		synctest.Wait()
		if mine.closedWith() != 0 || theirs.closedWith() != chat.CloseRevoked {
			t.Fatalf("closed with %d and %d", mine.closedWith(), theirs.closedWith())
		}
		_, err = w.people.LogIn(w.ctx, chat.LogIn{LoginName: "min", Password: "password1"})
		w.wantCode(err, chat.CodeBadCredentials)
		_, err = w.people.LogIn(w.ctx, chat.LogIn{LoginName: "min", Password: "password2"})
		w.must(err)
	})
}

func TestLogOutAndDisable(t *testing.T) {
	inWorld(t, func(w *world) {
		a, b := w.signUp("admin", "password1"), w.signUp("min", "password1")
		admin, err := w.people.Authenticate(w.ctx, a.Token)
		w.must(err)
		min, err := w.people.Authenticate(w.ctx, b.Token)
		w.must(err)
		d := w.connect(min)
		w.wantCode(w.people.SetDisabled(w.ctx, min, admin.User, true), chat.CodeForbidden)
		w.wantCode(w.people.SetDisabled(w.ctx, admin, admin.User, true), chat.CodeForbidden)
		w.must(w.people.SetDisabled(w.ctx, admin, min.User, true))
		synctest.Wait()
		if d.closedWith() != chat.CloseDisabled {
			t.Fatalf("closed with %d", d.closedWith())
		}
		_, err = w.people.Authenticate(w.ctx, b.Token)
		w.wantCode(err, chat.CodeUnauthenticated)
		_, err = w.people.LogIn(w.ctx, chat.LogIn{LoginName: "min", Password: "password1"})
		w.wantCode(err, chat.CodeBadCredentials)
		w.must(w.people.SetDisabled(w.ctx, admin, min.User, false))
		c, err := w.people.LogIn(w.ctx, chat.LogIn{LoginName: "min", Password: "password1"})
		w.must(err)
		min, err = w.people.Authenticate(w.ctx, c.Token)
		w.must(err)
		logins, err := w.people.Logins(w.ctx, min)
		w.must(err)
		if len(logins) != 1 || !logins[0].Current {
			t.Fatalf("logins are %+v", logins)
		}
		w.must(w.people.LogOut(w.ctx, min))
		_, err = w.people.Authenticate(w.ctx, c.Token)
		w.wantCode(err, chat.CodeUnauthenticated)
	})
}

func TestGuessingIsLimited(t *testing.T) {
	inWorld(t, func(w *world) {
		w.signUp("min", "password1")
		try := func(name, password string, from netip.Addr) chat.Code {
			_, err := w.people.LogIn(w.ctx, chat.LogIn{LoginName: name, Password: password, Address: from})
			return chat.CodeOf(err)
		}
		addr := someone
		count := map[chat.Code]int{}
		for range 30 { // many addresses, one account
			addr = addr.Next()
			count[try("min", "guess-guess", addr)]++
		}
		if count[chat.CodeBadCredentials] != 10 || count[chat.CodeRateLimited] != 20 {
			t.Fatalf("guessing one account: %v", count)
		}
		if got := try("min", "password1", addr); got != chat.CodeRateLimited {
			t.Fatalf("the right password meanwhile: %q", got)
		}
		time.Sleep(time.Minute)
		if got := try("min", "password1", addr); got != "" {
			t.Fatalf("the right password after a minute: %q", got)
		}
		count = map[chat.Code]int{}
		net6 := netip.MustParseAddr("2001:db8::1")
		for i := range 100 { // one network, many accounts
			net6 = net6.Next()
			count[try("user"+strings.Repeat("x", i%20), "guess-guess", net6)]++
		}
		if count[chat.CodeBadCredentials] > 60 || count[chat.CodeRateLimited] < 40 {
			t.Fatalf("guessing from one network: %v", count)
		}
	})
}

func TestInviteOnly(t *testing.T) {
	inWorld(t, func(w *world) {
		people, err := chat.NewPeople(chat.PeopleDeps{Accounts: w.mem, Logins: w.mem, People: w.mem, Avatars: w.mem, Service: w.svc, InviteOnly: true})
		w.must(err)
		signUp := func(name, invite string) (chat.Admission, error) {
			return people.SignUp(w.ctx, chat.SignUp{LoginName: name, Password: "password1", Invite: invite})
		}
		first, err := signUp("admin", "") // somebody must make the invitations
		w.must(err)
		_, err = signUp("min", "")
		w.wantCode(err, chat.CodeInviteNeeded)
		_, err = signUp("min", "made-up")
		w.wantCode(err, chat.CodeInviteInvalid)
		admin, err := people.Authenticate(w.ctx, first.Token)
		w.must(err)
		code, _, err := people.CreateSignUpInvite(w.ctx, admin, time.Time{})
		w.must(err)
		second, err := signUp("min", code)
		w.must(err)
		_, err = signUp("jun", code)
		w.wantCode(err, chat.CodeInviteInvalid)
		min, err := people.Authenticate(w.ctx, second.Token)
		w.must(err)
		_, _, err = people.CreateSignUpInvite(w.ctx, min, time.Time{})
		w.wantCode(err, chat.CodeForbidden)
		code, _, err = people.CreateSignUpInvite(w.ctx, admin, time.Now().Add(time.Hour))
		w.must(err)
		time.Sleep(2 * time.Hour)
		_, err = signUp("late", code)
		w.wantCode(err, chat.CodeInviteInvalid)
	})
}

func TestUseOfLoginsIsWrittenInBulk(t *testing.T) {
	inWorld(t, func(w *world) {
		a := w.signUp("min", "password1")
		time.Sleep(time.Hour)
		who, err := w.people.Authenticate(w.ctx, a.Token)
		w.must(err)
		used := chat.MillisOf(time.Now())
		time.Sleep(time.Minute)
		logins, err := w.people.Logins(w.ctx, who)
		w.must(err)
		if logins[0].LastUsedAt != used {
			t.Fatalf("last used at %v, want %v", logins[0].LastUsedAt, used)
		}
	})
}

func TestImport(t *testing.T) {
	inWorld(t, func(w *world) {
		admin, plain := w.user("admin"), w.user("plain")
		names := []string{"Foo|away", "foo|away", "김철수", "[]", "Foo|away"}
		users, err := w.people.ImportPeople(w.ctx, admin, "irc/freenode", names)
		w.must(err)
		if users[0].ID != users[4].ID || users[0].ID == users[1].ID || users[0].DisplayName != "Foo|away" || !strings.HasPrefix(users[2].LoginName, "김철수-") {
			t.Fatalf("imported %+v", users)
		}
		again, err := w.people.ImportPeople(w.ctx, admin, "irc/freenode", names)
		w.must(err)
		other, err := w.people.ImportPeople(w.ctx, admin, "irc/oftc", names[:1])
		w.must(err)
		if !slices.Equal(users, again) || other[0].ID == users[0].ID {
			t.Fatalf("again %+v\nof another source %+v", again, other)
		}
		var ids []chat.UserID
		for _, u := range users {
			ids = append(ids, u.ID)
		}
		ch, err := w.svc.ImportChannel(w.ctx, admin, "irc/freenode", "#ubuntu", ids[:2])
		w.must(err)
		more, err := w.svc.ImportChannel(w.ctx, admin, "irc/freenode", "#ubuntu", ids)
		w.must(err)
		if more.ID != ch.ID || ch.MemberCount != 3 || more.MemberCount != 5 {
			t.Fatalf("channel %+v, then %+v", ch, more)
		}
		messages := []chat.ImportedMessage{
			{Sender: ids[0], ClientMsgID: w.key(), Body: "첫 줄", OrigAt: 1000, ReplyToIndex: -1},
			{Sender: ids[1], ClientMsgID: w.key(), Body: "answer", OrigAt: 2000, ReplyToIndex: 0},
		}
		r, err := w.svc.ImportMessages(w.ctx, admin, ch.ID, messages)
		w.must(err)
		r2, err := w.svc.ImportMessages(w.ctx, admin, ch.ID, messages)
		w.must(err)
		if len(r) != 2 || r2[1].Seq != r[1].Seq || !r2[1].Duplicate {
			t.Fatalf("receipts %+v, then %+v", r, r2)
		}
		page, err := w.svc.History(w.ctx, admin, chat.HistoryQuery{Channel: ch.ID, Limit: 1})
		w.must(err)
		if m := page.Messages[0]; m.ReplyTo != r[0].Seq || m.OrigAt != 2000 {
			t.Fatalf("stored %+v", m)
		}
		messages[0].ReplyToIndex = 1
		_, err = w.svc.ImportMessages(w.ctx, admin, ch.ID, messages)
		w.wantCode(err, chat.CodeBadRequest)
		_, err = w.people.ImportPeople(w.ctx, plain, "irc", names)
		w.wantCode(err, chat.CodeForbidden)
		_, err = w.svc.ImportChannel(w.ctx, plain, "irc", "x", nil)
		w.wantCode(err, chat.CodeForbidden)
		_, err = w.svc.ImportMessages(w.ctx, plain, ch.ID, messages)
		w.wantCode(err, chat.CodeForbidden)
	})
}

func TestImportChannelOfManyRaisesTheLimit(t *testing.T) {
	inWorld(t, func(w *world) {
		admin := w.user("admin")
		var names []string
		for i := range 130 {
			names = append(names, "nick"+strings.Repeat("x", i))
		}
		users, err := w.people.ImportPeople(w.ctx, admin, "irc", names)
		w.must(err)
		var ids []chat.UserID
		for _, u := range users {
			ids = append(ids, u.ID)
		}
		_, err = w.svc.ImportChannel(w.ctx, admin, "irc", "#big", ids[:50])
		w.must(err)
		ch, err := w.svc.ImportChannel(w.ctx, admin, "irc", "#big", ids)
		w.must(err)
		if ch.MemberCount != 131 || ch.MemberLimit < 131 {
			t.Fatalf("%d members, limit %d", ch.MemberCount, ch.MemberLimit)
		}
	})
}
