package bench

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"gori/client"
)

// signUpsAtOnce bounds sign-ups under way: each costs the server a slow hash.
const signUpsAtOnce = 4

// account is one made user.
type account struct {
	User  client.UserID `json:"user"`
	Token string        `json:"token"`
}

// people gives clients that are logged in: those of the users file first, new
// ones for the rest, which the file keeps for the next run.
func (o Options) people(ctx context.Context, n int) ([]*client.Client, error) {
	kept := o.readUsers()
	list := make([]*client.Client, n)
	known := make([]account, n)
	copy(known, kept)
	run := strings.ToLower(rand.Text()[:8])
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(signUpsAtOnce)
	var mu sync.Mutex
	made, done := 0, 0
	for i := range n {
		g.Go(func() error {
			c, fresh, err := o.person(gctx, known[i], fmt.Sprintf("b%s-%d", run, i))
			if err != nil {
				return fmt.Errorf("person %d of %d: %w", i+1, n, err)
			}
			list[i] = c
			known[i] = account{c.Me().ID, c.Token()}
			mu.Lock()
			defer mu.Unlock()
			if done++; fresh {
				made++
			}
			if made > 0 && done%100 == 0 {
				o.say("%d of %d people", done, n)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if made > 0 && len(kept) <= n {
		o.writeUsers(known)
	}
	return list, nil
}

func (o Options) person(ctx context.Context, known account, name string) (c *client.Client, fresh bool, err error) {
	c, err = client.New(o.URL, client.Options{HTTP: o.http, Token: known.Token, UserAgent: "gori bench"})
	if err != nil {
		return nil, false, err
	}
	if known.Token != "" {
		if _, err := c.Self(ctx); err == nil {
			return c, false, nil
		} else if client.CodeOf(err) != "unauthenticated" {
			return nil, false, err
		}
		if c, err = client.New(o.URL, client.Options{HTTP: o.http, UserAgent: "gori bench"}); err != nil {
			return nil, false, err
		}
	}
	err = c.SignUp(ctx, client.NewUser{LoginName: name, Password: rand.Text(), DisplayName: "Bench " + name})
	return c, true, err
}

// readUsers reads the users file; one that is missing or of another system is
// as none.
func (o Options) readUsers() []account {
	var list []account
	if o.UsersFile == "" {
		return nil
	}
	text, err := os.ReadFile(o.UsersFile)
	if err == nil && json.Unmarshal(text, &list) != nil {
		o.say("%s is damaged and will be replaced", o.UsersFile)
		return nil
	}
	return list
}

// writeUsers keeps the tokens, as the secrets they are, for the next run.
func (o Options) writeUsers(list []account) {
	if o.UsersFile == "" {
		return
	}
	text, err := json.Marshal(list)
	if err == nil {
		err = os.WriteFile(o.UsersFile, text, 0o600)
	}
	if err != nil {
		o.say("the people of this run are not kept: %v", err)
	}
}
