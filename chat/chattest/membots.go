package chattest

import (
	"context"
	"slices"

	"gori/chat"
)

// MakeBot implements chat.Bots.
func (m *Memory) MakeBot(_ context.Context, a chat.NewAccount, hook chat.ChannelID) (chat.User, chat.LoginID, error) {
	defer m.lock()()
	if err := m.mayOwnBots(a.BotOf); err != nil {
		return chat.User{}, 0, err
	}
	if hook == 0 && len(m.botsOf(a.BotOf)) >= chat.MaxBots {
		return chat.User{}, 0, chat.Errorf(chat.CodeTooLong, "one person has at most %d bots", chat.MaxBots)
	}
	if _, taken := m.names[a.LoginName]; taken {
		return chat.User{}, 0, chat.Errorf(chat.CodeNameTaken, "the name %s is taken", a.LoginName)
	}
	u, login := m.addUser(a)
	u.hook = hook
	return u.User, login, nil
}

func (m *Memory) mayOwnBots(owner chat.UserID) error {
	switch o := m.users[owner]; {
	case o == nil || o.Disabled:
		return chat.Errorf(chat.CodeForbidden, "this account cannot have programs")
	case o.botOf != 0:
		return chat.Errorf(chat.CodeForbidden, "bots make no bots")
	}
	return nil
}

func (m *Memory) botsOf(owner chat.UserID) []chat.User {
	bots := []chat.User{}
	for _, u := range m.users {
		if u.botOf == owner && u.hook == 0 && !u.gone {
			bots = append(bots, u.User)
		}
	}
	slices.SortFunc(bots, func(a, b chat.User) int { return int(a.ID - b.ID) })
	return bots
}

// Bots implements chat.Bots.
func (m *Memory) Bots(_ context.Context, owner chat.UserID) ([]chat.User, error) {
	defer m.lock()()
	return m.botsOf(owner), nil
}

func (m *Memory) bot(owner, bot chat.UserID) (*user, error) {
	if u := m.users[bot]; u != nil && u.botOf == owner && owner != 0 {
		return u, nil
	}
	return nil, chat.Errorf(chat.CodeNotFound, "you have no such bot")
}

func (m *Memory) plainBot(owner, bot chat.UserID) (*user, error) {
	u, err := m.bot(owner, bot)
	if err == nil && u.hook != 0 {
		err = chat.Errorf(chat.CodeNotFound, "you have no such bot")
	}
	return u, err
}

// OwnBot implements chat.Bots.
func (m *Memory) OwnBot(_ context.Context, owner, bot chat.UserID) error {
	defer m.lock()()
	if err := m.mayOwnBots(owner); err != nil {
		return err
	}
	_, err := m.plainBot(owner, bot)
	return err
}

// RenewBot implements chat.Bots.
func (m *Memory) RenewBot(_ context.Context, owner, bot chat.UserID, token [32]byte, device string) (chat.LoginID, []chat.LoginID, error) {
	defer m.lock()()
	if err := m.mayOwnBots(owner); err != nil {
		return 0, nil, err
	}
	u, err := m.plainBot(owner, bot)
	if err != nil {
		return 0, nil, err
	}
	if u.Disabled {
		return 0, nil, chat.Errorf(chat.CodeForbidden, "this bot has ended")
	}
	ended := m.dropLogins(u, 0)
	return m.addLogin(u, token, device), ended, nil
}

// EndBot implements chat.Bots.
func (m *Memory) EndBot(_ context.Context, owner, bot chat.UserID) ([]chat.LoginID, error) {
	defer m.lock()()
	u, err := m.bot(owner, bot)
	if err != nil {
		return nil, err
	}
	u.Disabled, u.gone = true, true
	return m.dropLogins(u, 0), nil
}

// endPrograms ends what someone who is shut out could still do by programs.
func (m *Memory) endPrograms(out *user) {
	for _, u := range m.users {
		if u.botOf == out.ID || u == out {
			if u != out {
				m.dropLogins(u, 0)
			}
			m.shutHooksOf(u)
		}
	}
}

func (m *Memory) shutHooksOf(bot *user) {
	if c := m.channels[bot.hook]; c != nil {
		for _, h := range c.hooks {
			if h.Bot == bot.ID {
				h.token = [32]byte{}
			}
		}
	}
}

// governHooks finds a group for one of its admins.
func (m *Memory) governHooks(actor chat.UserID, id chat.ChannelID) (*channel, error) {
	c, me, err := m.memberOf(id, actor)
	if err != nil {
		return nil, err
	}
	if c.Kind != chat.KindGroup || me.Role < chat.RoleAdmin {
		return nil, chat.Errorf(chat.CodeForbidden, "your role in this group does not allow that")
	}
	return c, nil
}

// CreateHook implements chat.Hooks.
func (m *Memory) CreateHook(_ context.Context, actor chat.UserID, h chat.Hook, token [32]byte) (chat.Hook, error) {
	defer m.lock()()
	c, err := m.governHooks(actor, h.Channel)
	if err != nil {
		return chat.Hook{}, err
	}
	if len(c.openHooks()) >= chat.MaxHooks {
		return chat.Hook{}, chat.Errorf(chat.CodeTooLong, "a channel has at most %d incoming webhooks", chat.MaxHooks)
	}
	h.ID, h.CreatedAt = chat.HookID(m.newID()), m.now()
	c.hooks = append(c.hooks, &hook{h, token})
	return h, nil
}

func (c *channel) openHooks() []chat.Hook {
	open := []chat.Hook{}
	for _, h := range c.hooks {
		if h.token != [32]byte{} {
			open = append(open, h.Hook)
		}
	}
	return open
}

// Hooks implements chat.Hooks.
func (m *Memory) Hooks(_ context.Context, actor chat.UserID, id chat.ChannelID) ([]chat.Hook, error) {
	defer m.lock()()
	c, err := m.governHooks(actor, id)
	if err != nil {
		return nil, err
	}
	return c.openHooks(), nil
}

// ShutHook implements chat.Hooks.
func (m *Memory) ShutHook(_ context.Context, actor chat.UserID, id chat.ChannelID, shut chat.HookID) (chat.Hook, error) {
	defer m.lock()()
	c, err := m.governHooks(actor, id)
	if err != nil {
		return chat.Hook{}, err
	}
	for _, h := range c.hooks {
		if h.ID == shut {
			h.token = [32]byte{}
			return h.Hook, nil
		}
	}
	return chat.Hook{}, noSuchHook()
}

func noSuchHook() error { return chat.Errorf(chat.CodeNotFound, "there is no such hook") }

// DropHook implements chat.Hooks.
func (m *Memory) DropHook(_ context.Context, id chat.ChannelID, drop chat.HookID) error {
	defer m.lock()()
	if c := m.channels[id]; c != nil {
		c.hooks = slices.DeleteFunc(c.hooks, func(h *hook) bool { return h.ID == drop })
	}
	return nil
}

// HookByToken implements chat.Hooks.
func (m *Memory) HookByToken(_ context.Context, id chat.ChannelID, token [32]byte) (chat.Hook, error) {
	defer m.lock()()
	if c := m.channels[id]; c != nil && token != [32]byte{} {
		for _, h := range c.hooks {
			if h.token == token {
				return h.Hook, nil
			}
		}
	}
	return chat.Hook{}, noSuchHook()
}
