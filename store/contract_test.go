package store

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"gori/chat"
	"gori/chat/chattest"
)

// The contract of chat's ports, on PostgreSQL; package chattest runs it in
// memory.
func TestContract(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 3, asNodes)
	var n atomic.Int64
	chattest.Suite(t, func(t *testing.T) chattest.System {
		run := n.Add(1)
		return chattest.System{Log: w, Directory: w, Roster: w, Inboxes: w, Invites: w, Contacts: w,
			Bots: w, Hooks: w, Logins: w, People: w, Positions: w, Revocations: w, Accounts: w, Settle: w.settle,
			NewUser: func(t *testing.T, name string) chat.UserID {
				t.Helper()
				self, _, err := w.SignUp(context.Background(), chat.NewAccount{
					LoginName: fmt.Sprintf("%s-%d", name, run), DisplayName: name, NoLogin: true})
				if err != nil {
					t.Fatal(err)
				}
				return self.ID
			}}
	})
}

// settle waits until no fan-out of a channel is owed.
func (w *world) settle(t *testing.T, ch chat.ChannelID) {
	t.Helper()
	sh := sure(w.locate(partitionOf(ch)))
	eventually(t, "the channel's fan-outs are done", func() bool {
		var owed bool
		err := sh.pool().QueryRow(context.Background(), `SELECT EXISTS (SELECT FROM control.fanout_pending WHERE $1 = ANY(channels))`, int64(ch)).Scan(&owed)
		return err == nil && !owed
	})
}
