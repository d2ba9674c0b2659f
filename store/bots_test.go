package store

import (
	"context"
	"crypto/sha256"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

func (w *world) bot(owner chat.UserID, name string, hook chat.ChannelID) (chat.UserID, error) {
	a := account(name)
	a.BotOf, a.PasswordHash, a.NoLogin = owner, "", hook != 0
	bot, _, err := w.MakeBot(context.Background(), a, hook)
	return bot.ID, err
}

func (w *world) lets(user chat.UserID, name string) bool {
	_, err := w.Authenticate(context.Background(), user, sha256.Sum256([]byte(name)))
	return err == nil
}

// shutOut disables an account as SetDisabled does before it carries out what it
// owes: a node that dies right after its commit.
func (w *world) shutOut(user chat.UserID, disabled bool) {
	w.t.Helper()
	err := w.write(context.Background(), shard.Of(user), func(ctx context.Context, tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `UPDATE data.users SET disabled = $3 WHERE partition = $1 AND user_id = $2`, shard.Of(user), user, disabled); err != nil {
			return err
		}
		var owed []effect
		return w.owe(ctx, tx, shard.Of(user), &owed, outEffect{User: user})
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

func TestProgramsEndThoughTheNodeDied(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, func(c *Config) { c.SweepEvery = 10 * time.Millisecond })
	ctx := context.Background()
	out, back := w.person("out"), w.person("back")
	group := w.group(out, back)
	bot := sure(w.bot(out, "outsbot", 0))
	speaker := sure(w.bot(out, "speaker", group))
	other := sure(w.bot(back, "backsbot", 0))
	if _, err := w.CreateHook(ctx, out, chat.Hook{Channel: group, Name: "h", Bot: speaker, CreatedBy: out}, [32]byte{1}); err != nil {
		t.Fatal(err)
	}
	since := sure(w.Revoked(ctx, nil, 0)).Since
	w.shutOut(out, true)
	w.shutOut(back, false) // is back before anybody looked
	w.ahead.Store(int64(effectStale + time.Second))
	w.quiet()
	if w.lets(bot, "outsbot") {
		t.Error("the bot of someone who was shut out may log in")
	}
	if _, err := w.HookByToken(ctx, group, [32]byte{1}); chat.CodeOf(err) != chat.CodeNotFound {
		t.Errorf("their hook takes messages: %v", err)
	}
	if !w.lets(other, "backsbot") {
		t.Error("the bot of someone who is back lost its login")
	}
	told := false
	for _, r := range sure(w.Revoked(ctx, since, 0)).List {
		told = told || r.User == bot && r.Kind == chat.RevokedLogin
	}
	if !told {
		t.Error("the other nodes are not told of the bot's login")
	}
}

// A hook's account that an admin shuts out takes its hook along.
func TestAHooksAccountThatIsShutOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := context.Background()
	owner := w.person("owner")
	group := w.group(owner)
	speaker := sure(w.bot(owner, "speaker", group))
	if _, err := w.CreateHook(ctx, owner, chat.Hook{Channel: group, Name: "h", Bot: speaker, CreatedBy: owner}, [32]byte{1}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.SetDisabled(ctx, speaker, true); err != nil {
		t.Fatal(err)
	}
	w.quiet()
	if _, err := w.HookByToken(ctx, group, [32]byte{1}); chat.CodeOf(err) != chat.CodeNotFound {
		t.Errorf("the hook takes messages: %v", err)
	}
}

// Bots made at once are as many as one may have, and a row whose account was
// never made gives its place free.
func TestBotsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3)
	ctx := context.Background()
	owner := w.person("owner")
	half := chat.UserID(newUserID(w.now(), 7))
	if err := w.reserveBot(ctx, owner, half, 0); err != nil {
		t.Fatal(err)
	}
	var made atomic.Int64
	var wg sync.WaitGroup
	for i := range chat.MaxBots + 10 {
		wg.Go(func() {
			switch _, err := w.bot(owner, fmt.Sprint("bot-", i), 0); chat.CodeOf(err) {
			case "":
				made.Add(1)
			case chat.CodeTooLong:
			default:
				t.Errorf("bot %d: %v", i, err)
			}
		})
	}
	wg.Wait()
	if n := made.Load(); n != chat.MaxBots-1 {
		t.Errorf("%d bots beside the one half made", n)
	}
	if list := sure(w.Bots(ctx, owner)); len(list) != chat.MaxBots-1 {
		t.Errorf("%d bots are listed", len(list))
	}
	if _, err := w.bot(owner, "too-early", 0); chat.CodeOf(err) != chat.CodeTooLong {
		t.Errorf("while the half one may still be made: %v", err)
	}
	w.ahead.Store(int64(botReserve + time.Second))
	if list := sure(w.Bots(ctx, owner)); len(list) != chat.MaxBots-1 {
		t.Errorf("%d bots are listed", len(list))
	}
	if _, err := w.bot(owner, "in-its-place", 0); err != nil {
		t.Errorf("the place of the half one: %v", err)
	}
}
