package chat_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"gori/chat"
)

func TestAlterationsAreTold(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("a", "b")
		ch := w.group(u[0], u[1])
		seq := w.say(u[0], ch, "first").Seq
		b := w.connect(u[1])
		_, err := w.svc.Edit(w.ctx, u[0], ch, seq, "\u1112\u1161\u11ab", nil)
		w.must(err)
		_, err = w.svc.React(w.ctx, u[1], ch, seq, "👍")
		w.must(err)
		_, err = w.svc.React(w.ctx, u[1], ch, seq, "👍") // in force already: nothing to tell
		w.must(err)
		_, err = w.svc.Unreact(w.ctx, u[1], ch, seq, "👍")
		w.must(err)
		m, err := w.svc.Delete(w.ctx, u[0], ch, seq)
		w.must(err)
		synctest.Wait()
		got := b.take("change")
		if len(got) != 4 || got[0].get("message", "body") != "한" || got[1].get("message", "reactions") == nil ||
			got[3].get("message", "deleted") != true || got[3].num("message", "change") != 4 || !m.Deleted {
			t.Fatalf("changes are %v", got)
		}
		page, err := w.svc.Changes(w.ctx, u[1], chat.ChangesQuery{Channel: ch, UpTo: seq})
		w.must(err)
		if len(page.Messages) != 1 || page.Messages[0].Change != 4 {
			t.Fatalf("caught up with %+v", page)
		}
		_, err = w.svc.Edit(w.ctx, u[0], ch, seq, " ", nil)
		w.wantCode(err, chat.CodeEmpty)
		for emoji, code := range map[string]chat.Code{"": chat.CodeEmpty, "a b": chat.CodeBadText, "\n": chat.CodeEmpty, "👍\x00": chat.CodeBadText,
			fmt.Sprintf("%0100d", 1): chat.CodeTooLong} {
			_, err = w.svc.React(w.ctx, u[0], ch, seq, emoji)
			w.wantCode(err, code)
		}
	})
}

func TestQueriesAreChecked(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("a", "b", "outsider")
		ch := w.group(u[0], u[1])
		for _, q := range []chat.HistoryQuery{{Channel: ch, Limit: -1}, {Channel: ch, Limit: 201}, {Channel: ch, Before: -1},
			{Channel: ch, Before: 1, Around: 1}, {Channel: ch, HasAfter: true, After: -1}, {Channel: ch, Date: 1, Before: 3}} {
			_, err := w.svc.History(w.ctx, u[0], q)
			w.wantCode(err, chat.CodeBadRequest)
		}
		_, err := w.svc.History(w.ctx, u[2], chat.HistoryQuery{Channel: ch, Viewer: u[0].User})
		w.wantCode(err, chat.CodeNotMember) // the viewer is who asks, whatever the query says
		_, _, err = w.svc.Inbox(w.ctx, u[0], -1, 10)
		w.wantCode(err, chat.CodeBadRequest)
		_, _, err = w.svc.Inbox(w.ctx, u[0], 0, 501)
		w.wantCode(err, chat.CodeBadRequest)
		_, err = w.svc.Send(w.ctx, u[0], chat.Draft{Channel: ch, Body: "x"})
		w.wantCode(err, chat.CodeBadID)
		_, err = w.svc.Send(w.ctx, u[2], chat.Draft{Channel: ch, ClientMsgID: w.key(), Body: "x", Sender: u[0].User})
		w.wantCode(err, chat.CodeNotMember) // so is the sender
		_, err = w.svc.Send(w.ctx, u[0], chat.Draft{Channel: ch, ClientMsgID: w.key(), Body: "x", Mentions: make([]chat.UserID, chat.MaxMentions+1)})
		w.wantCode(err, chat.CodeTooLong)
		level := chat.Level(9)
		_, err = w.svc.Prefer(w.ctx, u[0], ch, chat.Preference{Level: &level})
		w.wantCode(err, chat.CodeBadRequest)
		for _, g := range []chat.Governance{{}, {Kind: chat.GovernRename}, {Kind: chat.GovernAdd}, {Kind: chat.GovernLimit, Limit: 1},
			{Kind: chat.GovernRole, Users: []chat.UserID{1}}, {Kind: chat.GovernRemove, Users: []chat.UserID{-1}}} {
			g.Channel = ch
			if _, err := w.svc.Govern(w.ctx, u[0], g); err == nil {
				t.Errorf("%+v was taken", g)
			}
		}
	})
}

func TestJoiningByInviteIsTold(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("owner", "b", "guest")
		ch := w.group(u[0], u[1])
		b, guest := w.connect(u[1]), w.connect(u[2])
		inv, err := w.svc.Invite(w.ctx, u[0], ch, 1, time.Now().Add(time.Hour))
		w.must(err)
		_, err = w.svc.Invite(w.ctx, u[0], ch, 1, time.Now().Add(-time.Hour))
		w.wantCode(err, chat.CodeBadRequest)
		c, err := w.svc.Join(w.ctx, u[2], inv.Code)
		w.must(err)
		synctest.Wait()
		for _, d := range []*device{b, guest} {
			if d.one("msg").get("message", "system", "event") != "joined" || d.one("channel").num("channel", "member_count") != 3 {
				t.Fatal("joining was not told right")
			}
		}
		if c.Role != chat.RoleMember {
			t.Fatalf("the guest's role is %d", c.Role)
		}
		_, err = w.svc.Join(w.ctx, u[2], "nonsense")
		w.wantCode(err, chat.CodeInviteInvalid)
	})
}

func TestAFaultEndsOneSessionOnly(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("a", "b")
		ch := w.group(u[0], u[1])
		a, b := w.connect(u[0]), w.connect(u[1])
		w.mem.BeforeAppend = func(d []chat.Draft) error {
			if d[0].Body == "boom" {
				panic("a fault")
			}
			return nil
		}
		a.send(ch, "boom")
		synctest.Wait()
		if a.closedWith() != 1011 {
			t.Fatalf("closed with %d", a.closedWith())
		}
		b.send(ch, "fine")
		synctest.Wait()
		b.one("ack")
		b.one("msg")
	})
}

func TestADeadShardHurtsOnlyItsChannels(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.users("a", "b")
		dead, fine := w.group(u[0], u[1]), w.group(u[0], u[1])
		a := w.connect(u[0])
		w.mem.BeforeAppend = func(d []chat.Draft) error {
			if d[0].Channel != dead {
				return nil
			}
			time.Sleep(time.Second)
			return chat.Retryable(chat.CodeShardDown, 500*time.Millisecond, nil, "the shard is down")
		}
		for range 20 {
			a.send(dead, "waits")
			a.send(fine, "goes")
		}
		synctest.Wait()
		if n := len(a.take("ack")); n != 20 {
			t.Fatalf("%d acks at once from the other channel", n)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		n := a.take("nack")
		if len(n) != 20 || n[0].get("code") != string(chat.CodeShardDown) || n[0].get("retry") != true || n[0].num("after_ms") != 500 {
			t.Fatalf("%d nacks: %v", len(n), n[:1])
		}
	})
}
