package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

func invited(name, code string) chat.NewAccount {
	a := account(name)
	a.Invite = code
	return a
}

func TestSignUpInviteIsUsedOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := t.Context()
	if founded, err := w.Founded(ctx); err != nil || founded {
		t.Fatalf("founded %v, %v", founded, err)
	}
	admin := w.person("admin")
	if founded, err := w.Founded(ctx); err != nil || !founded {
		t.Fatalf("founded %v, %v", founded, err)
	}
	if err := w.CreateSignUpInvite(ctx, admin, "code", w.now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var in atomic.Int32
	for i := range 12 {
		wg.Go(func() {
			_, _, err := w.SignUp(ctx, invited(fmt.Sprintf("guest%d", i), "code"))
			if err == nil {
				in.Add(1)
			} else if chat.CodeOf(err) != chat.CodeInviteInvalid {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := in.Load(); n != 1 {
		t.Fatalf("%d accounts by one invitation", n)
	}
	_, _, err := w.SignUp(ctx, invited("late", "code"))
	wantCode(t, err, chat.CodeInviteInvalid)
	_, _, err = w.SignUp(ctx, invited("guesser", "other"))
	wantCode(t, err, chat.CodeInviteInvalid)
}

func TestSignUpInviteComesBackWithATakenName(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := t.Context()
	admin := w.person("admin")
	if err := w.CreateSignUpInvite(ctx, admin, "code", w.now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	_, _, err := w.SignUp(ctx, invited("admin", "code"))
	wantCode(t, err, chat.CodeNameTaken)
	if _, _, err := w.SignUp(ctx, invited("guest", "code")); err != nil {
		t.Fatal(err)
	}
	if err := w.CreateSignUpInvite(ctx, admin, "short", w.now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	w.ahead.Add(int64(2 * time.Hour))
	_, _, err = w.SignUp(ctx, invited("late", "short"))
	wantCode(t, err, chat.CodeInviteInvalid)
}

// A sign-up that dies after reserving its invitation leaves it to others after
// a while; if it was only slow, one of the two gets in.
func TestSignUpInviteIsTakenOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ctx := t.Context()
	admin := w.person("admin")
	if err := w.CreateSignUpInvite(ctx, admin, "code", w.now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	home := shard.OfName("slow")
	slow := newUserID(w.now(), home)
	if err := w.reserveSignUpInvite(ctx, "code", slow); err != nil {
		t.Fatal(err)
	}
	_, _, err := w.SignUp(ctx, invited("guest", "code"))
	wantCode(t, err, chat.CodeInviteInvalid)
	w.ahead.Add(int64(reserveLimit + time.Second))
	if _, _, err := w.SignUp(ctx, invited("guest", "code")); err != nil {
		t.Fatal(err)
	}
	err = w.write(ctx, home, func(ctx context.Context, tx pgx.Tx) error {
		return w.insertAccount(ctx, tx, slow, 0, chat.NewAccount{LoginName: "slow", Invite: "code", NoLogin: true})
	})
	wantCode(t, err, chat.CodeInviteInvalid)
	_, err = w.Credentials(ctx, "slow")
	wantCode(t, err, chat.CodeNotFound)
	// And the other way round: an account that was made keeps its invitation.
	w.ahead.Add(int64(reserveLimit + time.Second))
	_, _, err = w.SignUp(ctx, invited("third", "code"))
	wantCode(t, err, chat.CodeInviteInvalid)
}
