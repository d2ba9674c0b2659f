package api

import (
	"io"
	"log/slog"
	"testing"

	"github.com/alexedwards/argon2id"

	"gori/chat"
)

// nothing is a store without a working method: enough for what never asks it.
type nothing struct {
	chat.Log
	chat.Directory
	chat.Roster
	chat.Inboxes
	invitesPort
	chat.People
	chat.Contacts
	chat.Accounts
	loginsPort
	chat.Avatars
}

// These ports have a method of their own name.
type (
	invitesPort interface{ chat.Invites }
	loginsPort  interface{ chat.Logins }
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// cheap makes password hashes fast in tests.
var cheap = &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 8, KeyLength: 16}

// newBareServer is a server of which only the routes are looked at.
func newBareServer(t testing.TB) *Server {
	t.Helper()
	n := nothing{}
	svc, err := chat.NewService(chat.Deps{Log: n, Directory: n, Roster: n, Inboxes: n, Invites: n, People: n, Contacts: n,
		Hub: chat.NewHub(chat.HubConfig{}), Node: "n1", Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	people, err := chat.NewPeople(chat.PeopleDeps{Accounts: n, Logins: n, People: n, Avatars: n, Service: svc, Logger: quiet, Password: cheap})
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(Config{Chat: svc, People: people, Node: "n1", PublicURLs: []string{"http://chat.test"}, Logger: quiet})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
