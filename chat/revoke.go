package chat

import (
	"context"
	"slices"
	"time"
)

// RevocationKind says what was taken away. Its numbers are kept by the store.
type RevocationKind int16

// The kinds of revocation.
const (
	RevokedLogin   RevocationKind = 1 // a login ended
	RevokedAccount RevocationKind = 2 // a login ended as its account was disabled; Login 0: the account itself
	RevokedMember  RevocationKind = 3 // a user is no longer a member of a channel
)

// Revocation is one thing taken away from a user.
type Revocation struct {
	ID      int64 // unique for ever; 0 when heard from another node
	Kind    RevocationKind
	User    UserID
	Login   LoginID
	Channel ChannelID
	Version int64 // RevokedMember: the member version since which the user is out
}

// RevokedSince is how far each part of a store was read, by its own clock. Nil:
// from now on.
type RevokedSince map[string]time.Time

// RevokedPage is what was read of revocations, in no order.
type RevokedPage struct {
	List   []Revocation
	Since  RevokedSince // for the next time
	Lost   bool         // more happened since the last time than is remembered
	Missed []string     // parts that did not answer
}

// endLogins ends sessions and long polls of logins that are committed as ended,
// here at once and on the other nodes. Login 0 stands for the user's account
// and all its sessions.
func (svc *Service) endLogins(kind RevocationKind, user UserID, reason string, ids ...LoginID) {
	if len(ids) == 0 {
		return
	}
	list := make([]Revocation, len(ids))
	for i, id := range ids {
		list[i] = Revocation{Kind: kind, User: user, Login: id}
	}
	for some := range slices.Chunk(list, maxTidingFrames) {
		svc.toAll(endedTiding(some))
	}
	code := kind.closeCode()
	if slices.Contains(ids, 0) {
		svc.hub.CloseUser(user, code, reason)
	}
	svc.endHere(user, code, reason, ids...)
}

func (k RevocationKind) closeCode() CloseCode {
	if k == RevokedAccount {
		return CloseDisabled
	}
	return CloseRevoked
}

func (k RevocationKind) reason() string {
	if k == RevokedAccount {
		return "the account was disabled"
	}
	return "the login was ended"
}

// endHere forgets ended logins on this node and closes their sessions.
func (svc *Service) endHere(user UserID, code CloseCode, reason string, ids ...LoginID) {
	if svc.forget != nil {
		svc.forget(user, ids)
	}
	svc.hub.CloseLogins(user, code, reason, ids...)
}

// applyRevocations does on this node what revocations ask for. Doing it again
// changes nothing.
func (svc *Service) applyRevocations(list []Revocation) {
	for _, r := range list {
		switch {
		case r.Kind == RevokedMember:
			svc.expelled(r.Channel, r.Version, []UserID{r.User})
		case r.Kind != RevokedLogin && r.Kind != RevokedAccount:
		case r.Login != 0:
			svc.endHere(r.User, r.Kind.closeCode(), r.Kind.reason(), r.Login)
		case r.Kind == RevokedAccount:
			svc.shutOut(r.User)
		}
	}
}

// shutOut closes all sessions of an account, unless it has been let in again
// meanwhile. When that cannot be found out they are closed to be sure: whoever
// may come back does.
func (svc *Service) shutOut(user UserID) {
	svc.profiles.forget(user)
	if !svc.hub.awaited(user) {
		return
	}
	asked := svc.errand(func(ctx context.Context) {
		self, err := svc.people.Self(ctx, user)
		switch {
		case err != nil:
			svc.hub.CloseUser(user, CloseSlow, "resume")
		case self.Disabled:
			svc.hub.CloseUser(user, CloseDisabled, RevokedAccount.reason())
		}
	})
	if !asked {
		svc.hub.CloseUser(user, CloseSlow, "resume")
	}
}

// expelled takes a channel away from users who are out of it since a version,
// but for those who have come back by a newer one.
func (svc *Service) expelled(id ChannelID, version int64, users []UserID) {
	known := svc.versions.raise(id, version)
	here := make([]UserID, 0, len(users))
	for _, u := range users {
		if svc.hub.Online(u) {
			here = append(here, u)
		}
	}
	if len(here) == 0 {
		return
	}
	svc.hub.takeBack(id, here) // also from who has come back: they see a gap and fetch it
	if known <= version {
		svc.hub.Expel(id, here)
		return
	}
	asked := svc.errand(func(ctx context.Context) {
		members, err := svc.members(ctx, id, version)
		if err == nil {
			back := among(members, here)
			here = slices.DeleteFunc(here, func(u UserID) bool { return slices.Contains(back, u) })
		}
		svc.hub.Expel(id, here)
	})
	if !asked {
		svc.hub.Expel(id, here)
	}
}
