package chat_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"gori/chat"
)

// askedLogins counts what is read of logins.
type askedLogins struct {
	keptLogins
	reads int
}

type keptLogins = chat.Logins // has a method of its own name

func (a *askedLogins) Authenticate(ctx context.Context, user chat.UserID, hash [32]byte) (chat.Identity, error) {
	a.reads++
	return a.keptLogins.Authenticate(ctx, user, hash)
}

// halfBlind reads not all of what was taken away while it is on.
type halfBlind struct {
	chat.Revocations
	on atomic.Bool
}

func (h *halfBlind) Revoked(ctx context.Context, since chat.RevokedSince, away time.Duration) (chat.RevokedPage, error) {
	page, err := h.Revocations.Revoked(ctx, since, away)
	if h.on.Load() {
		err = errors.New("a part does not answer")
	}
	return page, err
}

// A login is read once in half a minute while the node reads what is taken away,
// and twice a second while it cannot read all of that.
func TestALoginIsReadSeldomWhileRevocationsAreRead(t *testing.T) {
	blind := &halfBlind{}
	inCluster(t, 1, 1, func(c *cluster) {
		node := c.Nodes[0]
		ann, err := node.People.SignUp(c.ctx, chat.SignUp{LoginName: "ann", Password: "a good password"})
		c.must(err)
		asked := &askedLogins{keptLogins: c.Memory}
		people, err := chat.NewPeople(chat.PeopleDeps{Accounts: c.Memory, Logins: asked, People: c.Memory, Avatars: c.Memory, Service: node.Service})
		c.must(err)
		reads := func(d time.Duration) int {
			before := asked.reads
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
				_, err := people.Authenticate(c.ctx, ann.Token)
				c.must(err)
			}
			return asked.reads - before
		}
		time.Sleep(time.Second) // it has looked
		if n := reads(2 * time.Minute); n != 4 {
			t.Errorf("read %d times in two minutes", n)
		}
		blind.on.Store(true)
		time.Sleep(time.Second)
		if n := reads(10 * time.Second); n != 20 {
			t.Errorf("read %d times in ten seconds without knowing of all revocations", n)
		}
		blind.on.Store(false)
		time.Sleep(time.Second)
		if n := reads(20 * time.Second); n > 1 {
			t.Errorf("read %d times when they were read again", n)
		}
	}, func(_ int, d *chat.Deps) {
		blind.Revocations = d.Revocations
		d.Revocations = blind
	})
}
