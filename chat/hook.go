package chat

import (
	"context"
	"encoding/base32"
	"fmt"
	"io"
	"strings"
)

// HookID identifies an incoming webhook of a channel.
type HookID int64

func (id HookID) String() string { return fmt.Sprint(int64(id)) }

// Hook is an incoming webhook: whoever knows its URL may write in the channel,
// by an account of the hook's own, and do nothing else.
type Hook struct {
	ID        HookID    `json:"id,string"`
	Channel   ChannelID `json:"channel"`
	Name      string    `json:"name"`
	Bot       UserID    `json:"bot"` // the account that speaks
	CreatedBy UserID    `json:"created_by"`
	CreatedAt Millis    `json:"created_at"`
}

// Hooks keeps incoming webhooks, on the channel's shard. Those who may govern
// them are the admins and owners of a group.
type Hooks interface {
	// CreateHook keeps a hook whose account is made. Errors: CodeNotMember,
	// CodeForbidden, CodeTooLong (MaxHooks).
	CreateHook(ctx context.Context, actor UserID, h Hook, tokenHash [32]byte) (Hook, error)
	// Hooks lists the hooks that take messages. CodeNotMember, CodeForbidden.
	Hooks(ctx context.Context, actor UserID, id ChannelID) ([]Hook, error)
	// ShutHook makes the hook's token worthless and returns the hook, also when
	// it was shut before. CodeNotFound, CodeNotMember, CodeForbidden.
	ShutHook(ctx context.Context, actor UserID, id ChannelID, hook HookID) (Hook, error)
	// DropHook forgets a hook that was shut.
	DropHook(ctx context.Context, id ChannelID, hook HookID) error
	// HookByToken finds the hook that takes messages with a token. CodeNotFound.
	HookByToken(ctx context.Context, id ChannelID, tokenHash [32]byte) (Hook, error)
}

// Hooks lists a channel's incoming webhooks, for its admins.
func (p *ProgramService) Hooks(ctx context.Context, who Identity, id ChannelID) ([]Hook, error) {
	return p.hooks.Hooks(ctx, who.User, id)
}

// MakeHook makes an incoming webhook and the account that speaks for it, which
// becomes a member of the channel. The token is shown once and not kept.
func (p *ProgramService) MakeHook(ctx context.Context, who Identity, id ChannelID, name string) (Hook, string, error) {
	name, err := NormalLine("name", name, 1, MaxHookName)
	if err != nil {
		return Hook{}, "", err
	}
	if err := p.roomForHook(ctx, who, id); err != nil {
		return Hook{}, "", err
	}
	if err := p.mayMake(who); err != nil {
		return Hook{}, "", err
	}
	login, err := p.hookLoginName()
	if err != nil {
		return Hook{}, "", err
	}
	bot, _, err := p.bots.MakeBot(ctx, NewAccount{LoginName: login, DisplayName: name, BotOf: who.User, NoLogin: true}, id)
	if err != nil {
		return Hook{}, "", err
	}
	h, secret, err := p.openHook(ctx, who, Hook{Channel: id, Name: name, Bot: bot.ID, CreatedBy: who.User})
	if err != nil {
		p.svc.logFault(ctx, "the account of a hook that was not made", p.endBot(ctx, who.User, bot.ID))
		return Hook{}, "", err
	}
	p.note(ctx, who, "hook.made", id.String()+" "+h.ID.String())
	return h, id.String() + "." + secret, nil
}

// roomForHook refuses early what would be refused after an account was made.
func (p *ProgramService) roomForHook(ctx context.Context, who Identity, id ChannelID) error {
	hooks, err := p.hooks.Hooks(ctx, who.User, id)
	if err != nil {
		return err
	}
	if len(hooks) >= MaxHooks {
		return Errorf(CodeTooLong, "a channel has at most %d incoming webhooks", MaxHooks)
	}
	ch, err := p.svc.Channel(ctx, who, id)
	if err == nil && ch.MemberCount >= ch.MemberLimit {
		err = Errorf(CodeChannelFull, "the channel holds at most %d members", ch.MemberLimit)
	}
	return err
}

// hookLoginName draws a name that nobody has.
func (p *ProgramService) hookLoginName() (string, error) {
	var b [hookNameEntropy]byte
	if _, err := io.ReadFull(p.random, b[:]); err != nil {
		return "", fmt.Errorf("draw a name: %w", err)
	}
	return hookPrefix + strings.ToLower(base32.StdEncoding.EncodeToString(b[:])), nil
}

// openHook keeps the hook and makes its account a member; if that cannot be,
// there is no hook.
func (p *ProgramService) openHook(ctx context.Context, who Identity, h Hook) (Hook, string, error) {
	secret, hash, err := newSecret(p.random)
	if err != nil {
		return Hook{}, "", err
	}
	if h, err = p.hooks.CreateHook(ctx, who.User, h, hash); err != nil {
		return Hook{}, "", err
	}
	_, err = p.svc.Govern(ctx, who, Governance{Kind: GovernAdd, Channel: h.Channel, Users: []UserID{h.Bot}})
	if err != nil {
		p.svc.logFault(ctx, "a hook that was not made", p.hooks.DropHook(ctx, h.Channel, h.ID))
		return Hook{}, "", err
	}
	return h, secret, nil
}

// EndHook ends an incoming webhook: its URL first, then the membership and the
// account. It may be repeated; an unknown hook is ignored.
func (p *ProgramService) EndHook(ctx context.Context, who Identity, id ChannelID, hook HookID) error {
	h, err := p.hooks.ShutHook(ctx, who.User, id, hook)
	if CodeOf(err) == CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	p.note(ctx, who, "hook.ended", id.String()+" "+hook.String())
	if _, err := p.svc.Govern(ctx, who, Governance{Kind: GovernRemove, Channel: id, Users: []UserID{h.Bot}}); err != nil {
		return err
	}
	if err := p.endBot(ctx, h.CreatedBy, h.Bot); err != nil && CodeOf(err) != CodeNotFound {
		return err
	}
	return p.hooks.DropHook(ctx, id, hook)
}

var errNoHook = Errorf(CodeNotFound, "there is no such hook")

// PostHook writes a message by a hook, and returns it as it was sent. A zero
// key is drawn. Whatever is wrong with the token is CodeNotFound.
func (p *ProgramService) PostHook(ctx context.Context, token, text string, key ClientMsgID) (Draft, Receipt, error) {
	id, hash, ok := parseSecret(token)
	if !ok {
		return Draft{}, Receipt{}, errNoHook
	}
	h, err := p.hooks.HookByToken(ctx, ChannelID(id), hash)
	if err != nil {
		return Draft{}, Receipt{}, err
	}
	if wait := p.posts.take(h.ID, p.now()); wait > 0 {
		return Draft{}, Receipt{}, Retryable(CodeRateLimited, wait, nil, "too many messages by this hook")
	}
	for key == (ClientMsgID{}) {
		if _, err := io.ReadFull(p.random, key[:]); err != nil {
			return Draft{}, Receipt{}, fmt.Errorf("draw a client_msg_id: %w", err)
		}
		key[6], key[8] = key[6]&0x0F|0x40, key[8]&0x3F|0x80 // UUID version 4
	}
	d := Draft{Channel: h.Channel, Sender: h.Bot, ClientMsgID: key, Body: text}
	r, err := p.svc.Send(ctx, Identity{User: h.Bot}, d)
	if CodeOf(err) == CodeNotMember { // its account was removed from the channel
		err = errNoHook
	}
	return d, r, err
}
