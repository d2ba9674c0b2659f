package chat

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/alexedwards/argon2id"
)

// PeopleDeps is what a PeopleService is made of. Accounts, Logins, People,
// Avatars and Service are required.
type PeopleDeps struct {
	Accounts Accounts
	Logins   Logins
	People   People
	Avatars  Avatars
	Service  *Service // told of what changes; its hub loses ended logins
	Audit    Auditor  // nil: not kept

	InviteOnly bool             // sign-up needs an invitation, but for the first account
	Now        func() time.Time // time.Now
	Rand       io.Reader        // crypto/rand
	Logger     *slog.Logger     // slog.Default()
	Password   *argon2id.Params // cost of a password hash; nil: 19 MiB, 2 passes
}

// PeopleService decides who gets in: sign-up, login, passwords, sessions of a
// user, profiles and friends. Its methods may be called from any goroutine.
type PeopleService struct {
	// static
	accounts   Accounts
	logins     Logins
	people     People
	avatars    Avatars
	svc        *Service
	audit      Auditor
	inviteOnly bool
	now        func() time.Time
	random     io.Reader
	logger     *slog.Logger
	hasher     *hasher
	decoding   chan struct{} // pictures being decoded: each may take 100 MB

	// own locks
	byAccount *limiter[string]
	byAddress *limiter[netip.Addr]
	overall   *limiter[struct{}]
	signUps   *limiter[netip.Addr]
	known     authCache
}

// NewPeople makes a PeopleService, or tells which part is missing.
func NewPeople(d PeopleDeps) (*PeopleService, error) {
	for name, missing := range map[string]bool{"Accounts": d.Accounts == nil, "Logins": d.Logins == nil,
		"People": d.People == nil, "Avatars": d.Avatars == nil, "Service": d.Service == nil} {
		if missing {
			return nil, fmt.Errorf("chat: NewPeople needs %s", name)
		}
	}
	p := &PeopleService{accounts: d.Accounts, logins: d.Logins, people: d.People, avatars: d.Avatars, svc: d.Service,
		audit: d.Audit, inviteOnly: d.InviteOnly, now: d.Now, random: d.Rand, logger: d.Logger,
		decoding:  make(chan struct{}, 1),
		byAccount: newLimiter[string](1.0/20, 10, 100_000),
		byAddress: newLimiter[netip.Addr](1, 60, 100_000),
		overall:   newLimiter[struct{}](100, 1000, 1),
		signUps:   newLimiter[netip.Addr](1.0/30, 20, 100_000),
	}
	if p.now == nil {
		p.now = time.Now
	}
	if p.random == nil {
		p.random = rand.Reader
	}
	if p.logger == nil {
		p.logger = slog.Default()
	}
	params := passwordParams
	if d.Password != nil {
		params = *d.Password
	}
	p.known.init()
	d.Service.forget, d.Service.forgetAll = p.forget, p.forgetAll
	var err error
	p.hasher, err = newHasher(params)
	return p, err
}

// SignUp is a wish for an account.
type SignUp struct {
	LoginName, Password, DisplayName string
	Lang, Invite, DeviceName         string
	Address                          netip.Addr // where the wish comes from
}

// LogIn is a wish for a login of an account that exists.
type LogIn struct {
	LoginName, Password, DeviceName string
	Address                         netip.Addr
}

// Admission is a login just made. Token is shown once and not kept.
type Admission struct {
	Self  Self
	Login LoginID
	Token string
}

// InviteOnly tells whether sign-up needs an invitation.
func (p *PeopleService) InviteOnly() bool { return p.inviteOnly }

// SignUp makes an account and its first login.
func (p *PeopleService) SignUp(ctx context.Context, in SignUp) (Admission, error) {
	a, err := p.newAccount(in)
	if err != nil {
		return Admission{}, err
	}
	if err := p.admit(p.signUps, in.Address); err != nil {
		return Admission{}, err
	}
	if err := p.needInvite(ctx, in.Invite); err != nil {
		return Admission{}, err
	}
	if a.PasswordHash, err = p.hasher.hash(ctx, a.PasswordHash); err != nil {
		return Admission{}, err
	}
	secret, hash, err := newSecret(p.random)
	if err != nil {
		return Admission{}, err
	}
	a.TokenHash = hash
	self, login, err := p.accounts.SignUp(ctx, a)
	if err != nil {
		return Admission{}, err
	}
	p.note(ctx, self.ID, "signup", self.LoginName, in.Address)
	return Admission{Self: self, Login: login, Token: formatToken(self.ID, secret)}, nil
}

// needInvite refuses a sign-up without the invitation that it needs. The first
// account of all needs none: somebody must make the invitations.
func (p *PeopleService) needInvite(ctx context.Context, invite string) error {
	if !p.inviteOnly || invite != "" {
		return nil
	}
	founded, err := p.Founded(ctx)
	if err != nil || !founded {
		return err
	}
	return Errorf(CodeInviteNeeded, "signing up needs an invitation")
}

// Founded tells whether there is an account; whoever makes the first one is
// the admin, so people and tools may want to know before they do. It is true
// when the accounts cannot tell.
func (p *PeopleService) Founded(ctx context.Context) (bool, error) {
	if f, ok := p.accounts.(Founder); ok {
		return f.Founded(ctx)
	}
	return true, nil
}

// newAccount checks a sign-up. PasswordHash holds the password still.
func (p *PeopleService) newAccount(in SignUp) (a NewAccount, err error) {
	if a.LoginName, err = CanonicalLoginName(in.LoginName); err != nil {
		return a, err
	}
	if in.DisplayName == "" {
		in.DisplayName = in.LoginName
	}
	if a.DisplayName, err = NormalLine("display name", in.DisplayName, 1, MaxDisplayName); err != nil {
		return a, err
	}
	if a.PasswordHash, err = normalPassword(in.Password); err != nil {
		return a, err
	}
	if a.DeviceName, err = deviceName(in.DeviceName); err != nil {
		return a, err
	}
	if err := checkLang(in.Lang); err != nil {
		return a, err
	}
	a.Lang = in.Lang
	if in.Invite != "" {
		if err := checkInviteCode(in.Invite); err != nil {
			return a, err
		}
	}
	a.Invite = in.Invite
	return a, nil
}

// deviceName shortens what a device calls itself.
func deviceName(s string) (string, error) {
	if len(s) > 1000 {
		s = s[:1000]
	}
	s, err := NormalText(s)
	if err != nil {
		return "", Errorf(CodeBadText, "the device name is not a text")
	}
	return NormalLine("device name", Cut(s, 80), 0, 80)
}

func checkLang(s string) error {
	if s != "" && s != "ko" && s != "en" {
		return Errorf(CodeBadRequest, "lang is ko, en or empty")
	}
	return nil
}

// LogIn checks a password and makes a login. Unknown names, wrong passwords,
// disabled accounts and accounts without a password get the same answer after
// the same work.
func (p *PeopleService) LogIn(ctx context.Context, in LogIn) (Admission, error) {
	wrong := Errorf(CodeBadCredentials, "wrong name or password")
	device, err := deviceName(in.DeviceName)
	if err != nil {
		return Admission{}, err
	}
	if err := p.admit(p.byAddress, in.Address); err != nil {
		return Admission{}, err
	}
	name, badName := CanonicalLoginName(in.LoginName)
	password, badPassword := normalPassword(in.Password)
	if badName == nil {
		if wait := p.byAccount.take(name, p.now()); wait > 0 {
			return Admission{}, Retryable(CodeRateLimited, wait, nil, "too many tries; wait a little")
		}
	}
	var cred Credentials
	if badName == nil && badPassword == nil {
		if cred, err = p.accounts.Credentials(ctx, name); err != nil && CodeOf(err) != CodeNotFound {
			return Admission{}, err
		}
	}
	match, err := p.hasher.check(ctx, password, cred.PasswordHash)
	if err != nil {
		return Admission{}, err
	}
	if !match || cred.Disabled {
		p.note(ctx, 0, "login.failed", Cut(name, MaxLoginName), in.Address)
		return Admission{}, wrong
	}
	p.byAccount.give(name)
	return p.login(ctx, cred.User, device, in.Address)
}

// login makes a login of a user whose password was right.
func (p *PeopleService) login(ctx context.Context, user UserID, device string, from netip.Addr) (Admission, error) {
	secret, hash, err := newSecret(p.random)
	if err != nil {
		return Admission{}, err
	}
	id, ended, err := p.logins.CreateLogin(ctx, user, hash, device)
	if err != nil {
		return Admission{}, err
	}
	p.ended(user, CloseRevoked, "there are too many logins; this one was the oldest", ended...)
	self, err := p.people.Self(ctx, user)
	if err != nil {
		return Admission{}, err
	}
	p.note(ctx, user, "login.ok", id.String(), from)
	return Admission{Self: self, Login: id, Token: formatToken(user, secret)}, nil
}

// admit takes from the budget of an address and from the one of all. Programs
// on this host have no budget of their own: they are the owner's.
func (p *PeopleService) admit(l *limiter[netip.Addr], from netip.Addr) error {
	now := p.now()
	wait := p.overall.take(struct{}{}, now)
	if wait == 0 && !from.IsLoopback() {
		wait = l.take(wide(from), now)
	}
	if wait > 0 {
		return Retryable(CodeRateLimited, wait, nil, "too many tries; wait a little")
	}
	return nil
}

// wide counts the IPv6 addresses of one network as one.
func wide(a netip.Addr) netip.Addr {
	a = a.Unmap()
	if a.Is6() {
		if prefix, err := a.Prefix(64); err == nil {
			return prefix.Addr()
		}
	}
	return a
}

// ChangePassword replaces the password and ends all other logins of the user.
func (p *PeopleService) ChangePassword(ctx context.Context, who Identity, old, new string, from netip.Addr) error {
	password, err := normalPassword(new)
	if err != nil {
		return err
	}
	if wait := p.byAccount.take(who.User.String(), p.now()); wait > 0 { // digits alone cannot be told from a name, which is no harm
		return Retryable(CodeRateLimited, wait, nil, "too many tries; wait a little")
	}
	cred, err := p.accounts.CredentialsByID(ctx, who.User)
	if err != nil {
		return err
	}
	oldText, _ := normalPassword(old)
	match, err := p.hasher.check(ctx, oldText, cred.PasswordHash)
	if err != nil {
		return err
	}
	if !match {
		p.note(ctx, who.User, "password.failed", who.User.String(), from)
		return Errorf(CodeBadCredentials, "the old password is wrong")
	}
	hash, err := p.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	ended, err := p.accounts.SetPassword(ctx, who.User, hash, who.Login)
	if err != nil {
		return err
	}
	p.ended(who.User, CloseRevoked, "the password was changed", ended...)
	p.note(ctx, who.User, "password.changed", who.User.String(), from)
	return nil
}

func (p *PeopleService) note(ctx context.Context, actor UserID, action, subject string, from netip.Addr) {
	if p.audit == nil {
		return
	}
	address := ""
	if from.IsValid() {
		address = from.String()
	}
	err := p.audit.Audit(ctx, AuditEvent{At: p.now(), Actor: actor, Action: action, Subject: subject, Address: address})
	if err != nil && !errors.Is(err, context.Canceled) {
		p.logger.WarnContext(ctx, "audit", "action", action, "err", err)
	}
}
