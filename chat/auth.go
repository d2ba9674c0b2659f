package chat

import (
	"context"
	"encoding/base64"
	"io"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// Bounds of what is remembered of logins.
const (
	authFor     = 500 * time.Millisecond // how long a node trusts what it has read; what is taken away meanwhile it hears
	authWatched = 30 * time.Second       // and how long while it reads, all the time, what was taken away
	maxAuths    = 50_000
	touchEvery  = 30 * time.Second // last_used_at is written in bulk
	maxTouched  = 50_000
	inviteFor   = 7 * 24 * time.Hour
	maxInviteBy = 90 * 24 * time.Hour
)

// authCache remembers for a moment which tokens are good, so that a page that
// asks twenty things costs one look-up, and so do the devices of a node that has
// died, each of which asks where to go and then comes.
type authCache struct {
	mu      sync.Mutex
	gen     uint64 // grows with every revocation; what was read before is not kept
	byHash  map[[32]byte]knownLogin
	touched map[Identity]time.Time
}

type knownLogin struct {
	who  Identity
	read time.Time
}

func (c *authCache) init() {
	c.byHash = make(map[[32]byte]knownLogin)
	c.touched = make(map[Identity]time.Time)
}

// Authenticate finds whom a token stands for. CodeUnauthenticated if nobody.
func (p *PeopleService) Authenticate(ctx context.Context, token string) (Identity, error) {
	user, hash, err := parseToken(token)
	if err != nil {
		return Identity{}, err
	}
	c, now := &p.known, p.now()
	c.mu.Lock()
	gen := c.gen
	known, ok := c.byHash[hash]
	c.mu.Unlock()
	if ok && known.who.User == user && now.Sub(known.read) < p.trustFor(now) {
		return known.who, nil
	}
	who, err := p.logins.Authenticate(ctx, user, hash)
	if err != nil {
		return Identity{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gen == gen {
		if len(c.byHash) >= maxAuths {
			c.byHash = make(map[[32]byte]knownLogin)
		}
		c.byHash[hash] = knownLogin{who, now}
	}
	if _, known := c.touched[who]; known || len(c.touched) < maxTouched {
		c.touched[who] = now
	}
	return who, nil
}

// trustFor is how old what was read of a login may be now. As long as this node
// looks at what is taken away, and has read all of it of late, an ended login is
// forgotten as soon as its sockets are closed.
func (p *PeopleService) trustFor(now time.Time) time.Duration {
	if l := &p.svc.hub.lease; l.on.Load() && l.holds(now) && p.svc.watched.Load() {
		return authWatched
	}
	return authFor
}

// forget takes ended logins out of what this node remembers.
func (p *PeopleService) forget(user UserID, ids []LoginID) {
	c := &p.known
	c.mu.Lock()
	c.gen++
	for hash, known := range c.byHash {
		if known.who.User == user && slices.Contains(ids, known.who.Login) {
			delete(c.byHash, hash)
		}
	}
	c.mu.Unlock()
}

// forgetAll takes all logins out of it.
func (p *PeopleService) forgetAll() {
	c := &p.known
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen++
	c.byHash = make(map[[32]byte]knownLogin)
}

// ended ends what logins hold, on this node at once and on the others.
func (p *PeopleService) ended(user UserID, code CloseCode, reason string, ids ...LoginID) {
	kind := RevokedLogin
	if code == CloseDisabled {
		kind = RevokedAccount
	}
	p.svc.endLogins(kind, user, reason, ids...)
}

// Run writes in bulk when logins were last used, until ctx ends and once after.
func (p *PeopleService) Run(ctx context.Context) error {
	tick := time.NewTicker(touchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
			defer cancel()
			p.touch(last)
			return nil
		case <-tick.C:
			p.touch(ctx)
		}
	}
}

func (p *PeopleService) touch(ctx context.Context) {
	c := &p.known
	c.mu.Lock()
	used := c.touched
	c.touched = make(map[Identity]time.Time)
	c.mu.Unlock()
	if len(used) == 0 {
		return
	}
	if err := p.logins.TouchLogins(ctx, used); err != nil && ctx.Err() == nil {
		p.logger.WarnContext(ctx, "last use of logins not written", "logins", len(used), "err", err)
	}
}

// LogOut ends the login that asks.
func (p *PeopleService) LogOut(ctx context.Context, who Identity) error {
	return p.RevokeLogins(ctx, who, who.Login)
}

// Logins lists the user's logins, the one that asks marked as current.
func (p *PeopleService) Logins(ctx context.Context, who Identity) ([]Login, error) {
	list, err := p.logins.Logins(ctx, who.User)
	if err != nil {
		return nil, err
	}
	for i := range list {
		list[i].Current = list[i].ID == who.Login
	}
	if list == nil {
		list = []Login{}
	}
	return list, nil
}

// RevokeLogins ends logins of the user: when it returns, their sessions on this
// node are closed and their tokens worth nothing.
func (p *PeopleService) RevokeLogins(ctx context.Context, who Identity, ids ...LoginID) error {
	if len(ids) == 0 {
		return nil
	}
	if err := p.logins.RevokeLogins(ctx, who.User, ids...); err != nil {
		return err
	}
	p.ended(who.User, CloseRevoked, "the login was ended", ids...)
	for _, id := range ids {
		p.note(ctx, who.User, "login.revoked", id.String(), netip.Addr{})
	}
	return nil
}

// RevokeLogin ends one login of the user.
func (p *PeopleService) RevokeLogin(ctx context.Context, who Identity, id LoginID) error {
	return p.RevokeLogins(ctx, who, id)
}

// RevokeOthers ends all logins of the user but the one that asks.
func (p *PeopleService) RevokeOthers(ctx context.Context, who Identity) error {
	list, err := p.logins.Logins(ctx, who.User)
	if err != nil {
		return err
	}
	var ids []LoginID
	for _, l := range list {
		if l.ID != who.Login {
			ids = append(ids, l.ID)
		}
	}
	return p.RevokeLogins(ctx, who, ids...)
}

// SetDisabled shuts an account out, or lets it back in; for admins. When it
// returns, no session of it is left on this node.
func (p *PeopleService) SetDisabled(ctx context.Context, admin Identity, user UserID, disabled bool) error {
	if err := needAdmin(admin); err != nil {
		return err
	}
	if user == admin.User {
		return Errorf(CodeForbidden, "admins cannot shut themselves out")
	}
	ended, err := p.people.SetDisabled(ctx, user, disabled)
	if err != nil {
		return err
	}
	action := "user.enabled"
	if disabled {
		action = "user.disabled"
		p.ended(user, CloseDisabled, "the account was disabled", append(ended, 0)...)
	}
	p.svc.profiles.forget(user)
	p.svc.toAll(usersTiding(TidingProfile, user))
	p.note(ctx, admin.User, action, user.String(), netip.Addr{})
	return nil
}

func needAdmin(who Identity) error {
	if !who.Admin {
		return Errorf(CodeForbidden, "this is for admins")
	}
	return nil
}

// CreateSignUpInvite makes a single-use sign-up invitation; for admins. A zero
// expires means a week.
func (p *PeopleService) CreateSignUpInvite(ctx context.Context, admin Identity, expires time.Time) (code string, until time.Time, err error) {
	if err := needAdmin(admin); err != nil {
		return "", time.Time{}, err
	}
	now := p.now()
	if expires.IsZero() {
		expires = now.Add(inviteFor)
	}
	if !expires.After(now) || expires.After(now.Add(maxInviteBy)) {
		return "", time.Time{}, Errorf(CodeBadRequest, "an invitation lasts at most 90 days")
	}
	var b [15]byte
	if _, err := io.ReadFull(p.random, b[:]); err != nil {
		return "", time.Time{}, err
	}
	code = base64.RawURLEncoding.EncodeToString(b[:])
	if err := p.accounts.CreateSignUpInvite(ctx, admin.User, code, expires); err != nil {
		return "", time.Time{}, err
	}
	p.note(ctx, admin.User, "signup.invited", expires.UTC().Format(time.RFC3339), netip.Addr{})
	return code, expires, nil
}
