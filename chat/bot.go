package chat

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"time"
)

// Limits of programs.
const (
	MaxBots         = 20 // of one person
	MaxHooks        = 10 // incoming webhooks of one channel
	MaxHookName     = MaxDisplayName
	makeEvery       = 3 * time.Minute // new program accounts of one person, beyond makeBurst
	makeBurst       = 30
	hookBurst       = 30 // messages of one hook at once, and one a second
	hookPrefix      = "hook-"
	hookNameEntropy = 10 // bytes
)

// Bots keeps the accounts that programs act by. Each belongs to a person, who
// answers for it; nobody can log in to it with a password.
type Bots interface {
	// MakeBot makes the account, of a.BotOf, and its login. hook is the channel
	// whose incoming webhook speaks by it, 0: none. Errors: CodeNameTaken,
	// CodeForbidden (the owner is a bot, or may not log in), CodeTooLong (the
	// owner has MaxBots, hooks' aside).
	MakeBot(ctx context.Context, a NewAccount, hook ChannelID) (User, LoginID, error)
	// Bots lists the bots of a person, hooks' aside, the oldest first.
	Bots(ctx context.Context, owner UserID) ([]User, error)
	// OwnBot tells whether the bot is the owner's, and no hook's: else
	// CodeNotFound; CodeForbidden as MakeBot.
	OwnBot(ctx context.Context, owner, bot UserID) error
	// RenewBot replaces all logins of a bot by one, and returns it and those
	// that ended. Errors: as OwnBot, and CodeForbidden if it is disabled.
	RenewBot(ctx context.Context, owner, bot UserID, tokenHash [32]byte, device string) (LoginID, []LoginID, error)
	// EndBot disables a bot for good, a hook's too, and returns the logins that
	// ended. CodeNotFound if the owner has no such bot.
	EndBot(ctx context.Context, owner, bot UserID) ([]LoginID, error)
}

// BotWebhooks tells bots of what concerns them, at URLs of theirs. Package
// notify implements it. Who may do so is judged before.
type BotWebhooks interface {
	// SetBotWebhook replaces the URL and returns the secret of its signatures,
	// this once.
	SetBotWebhook(ctx context.Context, bot UserID, url string) (secret string, err error)
	RemoveBotWebhook(ctx context.Context, bot UserID) error
}

// ProgramDeps is what a ProgramService is made of. The first four are required.
type ProgramDeps struct {
	Bots     Bots
	Hooks    Hooks
	People   *PeopleService
	Service  *Service
	Webhooks BotWebhooks // nil: bots are called nowhere

	Now    func() time.Time // time.Now
	Rand   io.Reader        // that of People
	Logger *slog.Logger     // slog.Default()
}

// ProgramService lets programs take part: bots, and incoming webhooks of
// channels. Its methods may be called from any goroutine.
type ProgramService struct {
	// static
	bots     Bots
	hooks    Hooks
	people   *PeopleService
	svc      *Service
	webhooks BotWebhooks
	now      func() time.Time
	random   io.Reader
	logger   *slog.Logger

	// own locks
	making *limiter[UserID]
	posts  *limiter[HookID]
}

// NewPrograms makes a ProgramService, or tells which part is missing.
func NewPrograms(d ProgramDeps) (*ProgramService, error) {
	for name, missing := range map[string]bool{"Bots": d.Bots == nil, "Hooks": d.Hooks == nil,
		"People": d.People == nil, "Service": d.Service == nil} {
		if missing {
			return nil, fmt.Errorf("chat: NewPrograms needs %s", name)
		}
	}
	p := &ProgramService{bots: d.Bots, hooks: d.Hooks, people: d.People, svc: d.Service, webhooks: d.Webhooks,
		now: d.Now, random: d.Rand, logger: d.Logger,
		making: newLimiter[UserID](1/makeEvery.Seconds(), makeBurst, 100_000),
		posts:  newLimiter[HookID](1, hookBurst, 100_000)}
	if p.now == nil {
		p.now = time.Now
	}
	if p.random == nil {
		p.random = d.People.random
	}
	if p.logger == nil {
		p.logger = slog.Default()
	}
	return p, nil
}

// BotAdmission is a bot with a login just made. Token is shown once and not
// kept.
type BotAdmission struct {
	Bot   User
	Login LoginID
	Token string
}

// MakeBot makes a bot of a person. Bots make no bots.
func (p *ProgramService) MakeBot(ctx context.Context, who Identity, loginName, displayName string) (BotAdmission, error) {
	a := NewAccount{BotOf: who.User, DeviceName: "token"}
	var err error
	if a.LoginName, err = CanonicalLoginName(loginName); err != nil {
		return BotAdmission{}, err
	}
	if displayName == "" {
		displayName = a.LoginName
	}
	if a.DisplayName, err = NormalLine("display name", displayName, 1, MaxDisplayName); err != nil {
		return BotAdmission{}, err
	}
	if err := p.mayMake(who); err != nil {
		return BotAdmission{}, err
	}
	secret, hash, err := newSecret(p.random)
	if err != nil {
		return BotAdmission{}, err
	}
	a.TokenHash = hash
	bot, login, err := p.bots.MakeBot(ctx, a, 0)
	if err != nil {
		return BotAdmission{}, err
	}
	p.note(ctx, who, "bot.made", bot.ID.String())
	return BotAdmission{Bot: bot, Login: login, Token: formatToken(bot.ID, secret)}, nil
}

// mayMake takes from a person's budget of new accounts: those of ended bots
// stay for ever.
func (p *ProgramService) mayMake(who Identity) error {
	if wait := p.making.take(who.User, p.now()); wait > 0 {
		return Retryable(CodeRateLimited, wait, nil, "too many programs; wait a little")
	}
	return nil
}

// Bots lists a person's bots.
func (p *ProgramService) Bots(ctx context.Context, who Identity) ([]User, error) {
	return p.bots.Bots(ctx, who.User)
}

// RenameBot changes a bot's display name.
func (p *ProgramService) RenameBot(ctx context.Context, who Identity, bot UserID, displayName string) (User, error) {
	if err := p.bots.OwnBot(ctx, who.User, bot); err != nil {
		return User{}, err
	}
	self, err := p.people.EditProfile(ctx, Identity{User: bot}, ProfileEdit{DisplayName: &displayName})
	return self.User, err
}

// RenewBot gives a bot a new token; the earlier one is worth nothing any more.
func (p *ProgramService) RenewBot(ctx context.Context, who Identity, bot UserID) (LoginID, string, error) {
	secret, hash, err := newSecret(p.random)
	if err != nil {
		return 0, "", err
	}
	login, ended, err := p.bots.RenewBot(ctx, who.User, bot, hash, "token")
	if err != nil {
		return 0, "", err
	}
	p.people.ended(bot, CloseRevoked, "the bot has a new token", ended...)
	p.note(ctx, who, "bot.token", bot.String())
	return login, formatToken(bot, secret), nil
}

// EndBot disables a bot for good.
func (p *ProgramService) EndBot(ctx context.Context, who Identity, bot UserID) error {
	if err := p.bots.OwnBot(ctx, who.User, bot); err != nil {
		return err
	}
	if err := p.endBot(ctx, who.User, bot); err != nil {
		return err
	}
	p.note(ctx, who, "bot.ended", bot.String())
	return nil
}

func (p *ProgramService) endBot(ctx context.Context, owner, bot UserID) error {
	ended, err := p.bots.EndBot(ctx, owner, bot)
	if err != nil {
		return err
	}
	p.people.ended(bot, CloseDisabled, "the bot has ended", append(ended, 0)...)
	p.svc.profiles.forget(bot)
	p.svc.toAll(usersTiding(TidingProfile, bot))
	return nil
}

// SetBotWebhook has a bot told, at a URL, of every mention of it and every
// direct message to it, and returns the secret of the signatures, this once.
// The owner is looked at once more at the end: who is shut out meanwhile must
// not go on hearing.
func (p *ProgramService) SetBotWebhook(ctx context.Context, who Identity, bot UserID, url string) (secret string, err error) {
	if err := p.bots.OwnBot(ctx, who.User, bot); err != nil {
		return "", err
	}
	if p.webhooks == nil {
		return "", Errorf(CodeNotFound, "bots are called nowhere here")
	}
	if secret, err = p.webhooks.SetBotWebhook(ctx, bot, url); err != nil {
		return "", err
	}
	if err := p.bots.OwnBot(ctx, who.User, bot); err != nil {
		p.svc.logFault(ctx, "a webhook of someone who was shut out", p.webhooks.RemoveBotWebhook(context.WithoutCancel(ctx), bot))
		return "", err
	}
	p.note(ctx, who, "bot.webhook", bot.String())
	return secret, nil
}

// RemoveBotWebhook ends a bot's webhook; none is no error.
func (p *ProgramService) RemoveBotWebhook(ctx context.Context, who Identity, bot UserID) error {
	if err := p.bots.OwnBot(ctx, who.User, bot); err != nil || p.webhooks == nil {
		return err
	}
	if err := p.webhooks.RemoveBotWebhook(ctx, bot); err != nil {
		return err
	}
	p.note(ctx, who, "bot.webhook.ended", bot.String())
	return nil
}

func (p *ProgramService) note(ctx context.Context, who Identity, action, subject string) {
	p.people.note(ctx, who.User, action, subject, netip.Addr{})
}
