package chattest

import (
	"context"
	"slices"
	"strings"
	"time"

	"gori/chat"
)

// SignUp implements chat.Accounts.
func (m *Memory) SignUp(_ context.Context, a chat.NewAccount) (chat.Self, chat.LoginID, error) {
	defer m.lock()()
	if _, taken := m.names[a.LoginName]; taken {
		return chat.Self{}, 0, chat.Errorf(chat.CodeNameTaken, "the name %s is taken", a.LoginName)
	}
	if a.Invite != "" {
		inv := m.invites[a.Invite]
		if inv == nil || inv.used || !m.Now().Before(inv.expires) {
			return chat.Self{}, 0, chat.Errorf(chat.CodeInviteInvalid, "this invitation is used, expired or unknown")
		}
		inv.used = true
	}
	u, login := m.addUser(a)
	u.Admin = len(m.users) == 1
	return u.Self, login, nil
}

// addUser makes an account whose name is free.
func (m *Memory) addUser(a chat.NewAccount) (*user, chat.LoginID) {
	u := &user{hash: a.PasswordHash, logins: map[chat.LoginID]*login{}, friends: map[chat.UserID]*chat.Friend{},
		inbox: map[chat.ChannelID]*entry{}, botOf: a.BotOf}
	u.Self = chat.Self{Lang: a.Lang, User: chat.User{ID: chat.UserID(m.newID()),
		LoginName: a.LoginName, DisplayName: a.DisplayName, Bot: a.BotOf != 0}}
	m.users[u.ID] = u
	m.names[a.LoginName] = u.ID
	if a.NoLogin {
		return u, 0
	}
	return u, m.addLogin(u, a.TokenHash, a.DeviceName)
}

// Founded implements chat.Founder.
func (m *Memory) Founded(context.Context) (bool, error) {
	defer m.lock()()
	return len(m.users) > 0, nil
}

func (m *Memory) addLogin(u *user, token [32]byte, device string) chat.LoginID {
	l := &login{token: token, Login: chat.Login{ID: chat.LoginID(m.newID()), DeviceName: device, CreatedAt: m.now(), LastUsedAt: m.now()}}
	u.logins[l.ID] = l
	return l.ID
}

// Credentials implements chat.Accounts.
func (m *Memory) Credentials(ctx context.Context, name string) (chat.Credentials, error) {
	m.mu.Lock()
	id := m.names[name]
	m.mu.Unlock()
	return m.CredentialsByID(ctx, id)
}

// CredentialsByID implements chat.Accounts.
func (m *Memory) CredentialsByID(_ context.Context, id chat.UserID) (chat.Credentials, error) {
	defer m.lock()()
	u, err := m.user(id)
	if err != nil {
		return chat.Credentials{}, err
	}
	return chat.Credentials{User: id, PasswordHash: u.hash, Disabled: u.Disabled}, nil
}

func (m *Memory) user(id chat.UserID) (*user, error) {
	if u := m.users[id]; u != nil {
		return u, nil
	}
	return nil, chat.Errorf(chat.CodeNotFound, "there is no such user")
}

// SetPassword implements chat.Accounts.
func (m *Memory) SetPassword(_ context.Context, id chat.UserID, hash string, keep chat.LoginID) ([]chat.LoginID, error) {
	defer m.lock()()
	u, err := m.user(id)
	if err != nil {
		return nil, err
	}
	u.hash = hash
	return m.dropLogins(u, keep), nil
}

func (m *Memory) dropLogins(u *user, keep chat.LoginID) []chat.LoginID {
	var ended []chat.LoginID
	for id := range u.logins {
		if id != keep {
			ended = append(ended, id)
			delete(u.logins, id)
		}
	}
	m.revokeLogins(u, ended)
	return ended
}

// CreateSignUpInvite implements chat.Accounts.
func (m *Memory) CreateSignUpInvite(_ context.Context, _ chat.UserID, code string, expires time.Time) error {
	defer m.lock()()
	m.invites[code] = &signUpInvite{expires: expires}
	return nil
}

// CreateLogin implements chat.Logins.
func (m *Memory) CreateLogin(_ context.Context, id chat.UserID, token [32]byte, device string) (chat.LoginID, []chat.LoginID, error) {
	defer m.lock()()
	u, err := m.user(id)
	if err != nil {
		return 0, nil, err
	}
	if u.Disabled {
		return 0, nil, chat.Errorf(chat.CodeUnauthenticated, "this account cannot log in")
	}
	ended := u.makeRoom()
	m.revokeLogins(u, ended)
	return m.addLogin(u, token, device), ended, nil
}

// Authenticate implements chat.Logins.
func (m *Memory) Authenticate(_ context.Context, id chat.UserID, token [32]byte) (chat.Identity, error) {
	defer m.lock()()
	if u := m.users[id]; u != nil && !u.Disabled {
		for _, l := range u.logins {
			if l.token == token {
				return chat.Identity{User: id, Login: l.ID, Admin: u.Admin}, nil
			}
		}
	}
	return chat.Identity{}, chat.Errorf(chat.CodeUnauthenticated, "log in first")
}

// Logins implements chat.Logins.
func (m *Memory) Logins(_ context.Context, id chat.UserID) ([]chat.Login, error) {
	defer m.lock()()
	u, err := m.user(id)
	if err != nil {
		return nil, err
	}
	var out []chat.Login
	for _, l := range u.logins {
		out = append(out, l.Login)
	}
	slices.SortFunc(out, func(a, b chat.Login) int { return int(a.ID - b.ID) })
	return out, nil
}

// RevokeLogins implements chat.Logins.
func (m *Memory) RevokeLogins(_ context.Context, id chat.UserID, ids ...chat.LoginID) error {
	defer m.lock()()
	u, err := m.user(id)
	if err != nil {
		return err
	}
	ids = slices.DeleteFunc(slices.Clone(ids), func(l chat.LoginID) bool { return u.logins[l] == nil })
	for _, l := range ids {
		delete(u.logins, l)
	}
	m.revokeLogins(u, ids)
	return nil
}

// TouchLogins implements chat.Logins.
func (m *Memory) TouchLogins(_ context.Context, used map[chat.Identity]time.Time) error {
	defer m.lock()()
	for who, at := range used {
		if u := m.users[who.User]; u != nil && u.logins[who.Login] != nil {
			u.logins[who.Login].LastUsedAt = chat.MillisOf(at)
		}
	}
	return nil
}

// Self implements chat.People.
func (m *Memory) Self(_ context.Context, id chat.UserID) (chat.Self, error) {
	defer m.lock()()
	u, err := m.user(id)
	if err != nil {
		return chat.Self{}, err
	}
	return u.Self, nil
}

// Profiles implements chat.People.
func (m *Memory) Profiles(_ context.Context, ids []chat.UserID) ([]chat.User, error) {
	defer m.lock()()
	var out []chat.User
	for _, id := range ids {
		if u := m.users[id]; u != nil {
			out = append(out, u.User)
		}
	}
	return out, nil
}

// EditProfile implements chat.People.
func (m *Memory) EditProfile(_ context.Context, id chat.UserID, e chat.ProfileEdit) (chat.Self, error) {
	defer m.lock()()
	u, err := m.user(id)
	if err != nil {
		return chat.Self{}, err
	}
	if e.DisplayName != nil {
		u.DisplayName = *e.DisplayName
	}
	if e.StatusLine != nil {
		u.StatusLine = *e.StatusLine
	}
	if e.AvatarColor != nil {
		u.AvatarColor = *e.AvatarColor
	}
	if e.Lang != nil {
		u.Lang = *e.Lang
	}
	if e.PresenceTo != nil {
		u.PresenceTo = *e.PresenceTo
	}
	return u.Self, nil
}

// Find implements chat.People.
func (m *Memory) Find(_ context.Context, prefix string, limit int) ([]chat.User, bool, error) {
	defer m.lock()()
	prefix = strings.ToLower(prefix)
	var out []chat.User
	for _, u := range m.users {
		if strings.HasPrefix(u.LoginName, prefix) || strings.HasPrefix(strings.ToLower(u.DisplayName), prefix) {
			out = append(out, u.User)
		}
	}
	slices.SortFunc(out, func(a, b chat.User) int { return int(a.ID - b.ID) })
	return out[:min(len(out), limit)], false, nil
}

// SetDisabled implements chat.People.
func (m *Memory) SetDisabled(_ context.Context, id chat.UserID, disabled bool) ([]chat.LoginID, error) {
	defer m.lock()()
	u, err := m.user(id)
	if err != nil {
		return nil, err
	}
	u.Disabled = disabled
	if !disabled {
		return nil, nil
	}
	m.endPrograms(u)
	return m.dropLogins(u, 0), nil
}

// SetAvatar implements chat.Avatars.
func (m *Memory) SetAvatar(_ context.Context, id chat.UserID, png []byte) (int64, error) {
	defer m.lock()()
	u, err := m.user(id)
	if err != nil {
		return 0, err
	}
	u.avatar, u.AvatarVersion = slices.Clone(png), 0
	if png != nil {
		u.AvatarVersion = m.newID()
	}
	return u.AvatarVersion, nil
}

// Avatar implements chat.Avatars.
func (m *Memory) Avatar(_ context.Context, id chat.UserID) ([]byte, int64, error) {
	defer m.lock()()
	u, err := m.user(id)
	if err != nil {
		return nil, 0, err
	}
	if u.avatar == nil {
		return nil, 0, chat.Errorf(chat.CodeNotFound, "this user has no picture")
	}
	return slices.Clone(u.avatar), u.AvatarVersion, nil
}

// Friends implements chat.Contacts.
func (m *Memory) Friends(_ context.Context, id chat.UserID) ([]chat.Friend, error) {
	defer m.lock()()
	u, err := m.user(id)
	if err != nil {
		return nil, err
	}
	var out []chat.Friend
	for _, f := range u.friends {
		out = append(out, *f)
	}
	slices.SortFunc(out, func(a, b chat.Friend) int { return int(a.User - b.User) })
	return out, nil
}

func (m *Memory) stateOf(id, other chat.UserID) chat.FriendState {
	if u := m.users[id]; u != nil && u.friends[other] != nil {
		return u.friends[other].State
	}
	return ""
}

func (m *Memory) blocked(by, who chat.UserID) bool {
	return m.stateOf(by, who) == chat.FriendBlocked
}

func (m *Memory) setFriend(id, other chat.UserID, state chat.FriendState) {
	m.users[id].pos++ // so that a node which was not told finds it
	if state == "" {
		delete(m.users[id].friends, other)
		return
	}
	m.users[id].friends[other] = &chat.Friend{User: other, State: state, Since: m.now()}
}

// Befriend implements chat.Contacts.
func (m *Memory) Befriend(_ context.Context, id, other chat.UserID) (chat.FriendState, error) {
	defer m.lock()()
	if _, err := m.user(other); err != nil {
		return "", err
	}
	if m.blocked(other, id) || m.blocked(id, other) {
		return "", chat.Errorf(chat.CodeBlocked, "one of you has blocked the other")
	}
	switch m.stateOf(id, other) {
	case chat.FriendReceived:
		m.setFriend(id, other, chat.FriendAccepted)
		m.setFriend(other, id, chat.FriendAccepted)
	case chat.FriendAccepted:
	default:
		m.setFriend(id, other, chat.FriendSent)
		m.setFriend(other, id, chat.FriendReceived)
	}
	return m.stateOf(id, other), nil
}

// Unfriend implements chat.Contacts.
func (m *Memory) Unfriend(_ context.Context, id, other chat.UserID) error {
	defer m.lock()()
	if _, err := m.user(other); err != nil {
		return err
	}
	if !m.blocked(id, other) {
		m.setFriend(id, other, "")
	}
	if !m.blocked(other, id) {
		m.setFriend(other, id, "")
	}
	return nil
}

// Block implements chat.Contacts.
func (m *Memory) Block(_ context.Context, id, other chat.UserID) error {
	defer m.lock()()
	if _, err := m.user(other); err != nil {
		return err
	}
	m.setFriend(id, other, chat.FriendBlocked)
	if !m.blocked(other, id) {
		m.setFriend(other, id, "")
	}
	return nil
}

// Unblock implements chat.Contacts.
func (m *Memory) Unblock(_ context.Context, id, other chat.UserID) error {
	defer m.lock()()
	if m.blocked(id, other) {
		m.setFriend(id, other, "")
	}
	return nil
}

// Audit implements chat.Auditor.
func (m *Memory) Audit(_ context.Context, e chat.AuditEvent) error {
	defer m.lock()()
	m.audit = append(m.audit, e)
	return nil
}

// Audited returns the actions in the audit log.
func (m *Memory) Audited() []string {
	defer m.lock()()
	var out []string
	for _, e := range m.audit {
		out = append(out, e.Action)
	}
	return out
}
