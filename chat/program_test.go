package chat_test

import (
	"context"
	"strings"
	"testing"

	"gori/chat"
)

// refusing is a Directory that refuses changes of groups while told to.
type refusing struct {
	chat.Directory
	why error
}

func (r *refusing) Govern(ctx context.Context, g chat.Governance) (chat.Governed, error) {
	if r.why != nil {
		return chat.Governed{}, r.why
	}
	return r.Directory.Govern(ctx, g)
}

func (w *world) programs() *chat.ProgramService {
	w.Helper()
	p, err := chat.NewPrograms(chat.ProgramDeps{Bots: w.mem, Hooks: w.mem, People: w.people, Service: w.svc})
	w.must(err)
	return p
}

// A hook whose account cannot become a member is no hook, and leaves nothing
// that could speak.
func TestAHookThatCannotBeMade(t *testing.T) {
	dir := &refusing{}
	inWorld(t, func(w *world) {
		u := w.user("a")
		ch := w.group(u)
		p := w.programs()
		dir.why = chat.Errorf(chat.CodeChannelFull, "full meanwhile")
		_, _, err := p.MakeHook(w.ctx, u, ch, "builds")
		w.wantCode(err, chat.CodeChannelFull)
		dir.why = nil
		if hooks, err := p.Hooks(w.ctx, u, ch); err != nil || len(hooks) != 0 {
			t.Errorf("hooks: %+v, %v", hooks, err)
		}
		found, _, err := w.people.Find(w.ctx, u, "builds")
		w.must(err)
		for _, f := range found {
			if !f.Disabled {
				t.Errorf("%+v may speak", f)
			}
		}
	}, func(d *chat.Deps) { dir.Directory, d.Directory = d.Directory, dir })
}

// Ending a hook shuts its URL first, and may be repeated until all is done.
func TestEndingAHookGoesOn(t *testing.T) {
	dir := &refusing{}
	inWorld(t, func(w *world) {
		u := w.user("a")
		ch := w.group(u)
		p := w.programs()
		h, token, err := p.MakeHook(w.ctx, u, ch, "builds")
		w.must(err)
		_, _, err = p.PostHook(w.ctx, token, "one", chat.ClientMsgID{})
		w.must(err)
		dir.why = chat.Retryable(chat.CodeShardDown, 0, nil, "not now")
		w.wantCode(p.EndHook(w.ctx, u, ch, h.ID), chat.CodeShardDown)
		_, _, err = p.PostHook(w.ctx, token, "two", chat.ClientMsgID{})
		w.wantCode(err, chat.CodeNotFound)
		dir.why = nil
		w.must(p.EndHook(w.ctx, u, ch, h.ID))
		members, _, err := w.svc.Members(w.ctx, u, ch)
		w.must(err)
		if len(members) != 1 {
			t.Errorf("members: %+v", members)
		}
		if users, err := w.svc.Profiles(w.ctx, []chat.UserID{h.Bot}); err != nil || len(users) != 1 || !users[0].Disabled {
			t.Errorf("its account: %+v, %v", users, err)
		}
		w.must(p.EndHook(w.ctx, u, ch, h.ID))
	}, func(d *chat.Deps) { dir.Directory, d.Directory = d.Directory, dir })
}

// A hook whose account was removed from the group by hand takes no messages.
func TestAHookWhoseAccountWasRemoved(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.user("a")
		ch := w.group(u)
		p := w.programs()
		h, token, err := p.MakeHook(w.ctx, u, ch, "builds")
		w.must(err)
		_, err = w.svc.Govern(w.ctx, u, chat.Governance{Kind: chat.GovernRemove, Channel: ch, Users: []chat.UserID{h.Bot}})
		w.must(err)
		_, _, err = p.PostHook(w.ctx, token, "x", chat.ClientMsgID{})
		w.wantCode(err, chat.CodeNotFound)
		w.must(p.EndHook(w.ctx, u, ch, h.ID))
	})
}

// Sessions and long polls of a bot end with its token.
func TestABotsTokenEndsItsSessions(t *testing.T) {
	inWorld(t, func(w *world) {
		u := w.user("a")
		p := w.programs()
		made, err := p.MakeBot(w.ctx, u, "helper", "")
		w.must(err)
		who, err := w.people.Authenticate(w.ctx, made.Token)
		w.must(err)
		d := w.connect(who)
		_, token, err := p.RenewBot(w.ctx, u, made.Bot.ID)
		w.must(err)
		<-d.done
		_, err = w.people.Authenticate(w.ctx, made.Token)
		w.wantCode(err, chat.CodeUnauthenticated)
		if who, err = w.people.Authenticate(w.ctx, token); err != nil {
			t.Fatal(err)
		}
		d = w.connect(who)
		w.must(p.EndBot(w.ctx, u, made.Bot.ID))
		<-d.done
		_, err = w.people.Authenticate(w.ctx, token)
		w.wantCode(err, chat.CodeUnauthenticated)
	})
}

// Tokens are read strictly, whatever stands there.
func FuzzHookToken(f *testing.F) {
	f.Add("1." + strings.Repeat("A", 43))
	f.Add("9223372036854775807." + strings.Repeat("_", 43))
	f.Add(".")
	w := newWorld(f)
	u := w.user("a")
	ch := w.group(u)
	p := w.programs()
	_, good, err := p.MakeHook(w.ctx, u, ch, "builds")
	w.must(err)
	f.Add(good)
	f.Fuzz(func(t *testing.T, token string) {
		_, _, err := p.PostHook(context.Background(), token, "x", chat.ClientMsgID{})
		if token == good {
			return
		}
		if chat.CodeOf(err) != chat.CodeNotFound {
			t.Errorf("%q: %v", token, err)
		}
	})
}
