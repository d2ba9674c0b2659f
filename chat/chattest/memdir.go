package chattest

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"gori/chat"
)

// OpenDirect implements chat.Directory.
func (m *Memory) OpenDirect(_ context.Context, viewer, peer chat.UserID) (chat.Channel, error) {
	defer m.lock()()
	if viewer == peer {
		return chat.Channel{}, chat.Errorf(chat.CodeBadRequest, "a direct channel has two users")
	}
	if m.users[viewer] == nil || m.users[peer] == nil {
		return chat.Channel{}, chat.Errorf(chat.CodeNotFound, "there is no such user")
	}
	if m.blocked(viewer, peer) || m.blocked(peer, viewer) {
		return chat.Channel{}, chat.Errorf(chat.CodeBlocked, "one of you has blocked the other")
	}
	id := chat.DirectID(viewer, peer, 0)
	c := m.channels[id]
	if c == nil {
		c = m.newChannel(id, chat.KindDirect, "", 2)
		c.pair = [2]chat.UserID{min(viewer, peer), max(viewer, peer)}
		m.join(c, chat.RoleMember, 0, viewer, peer)
	}
	u := m.users[viewer]
	if e := u.inbox[id]; e == nil || !e.Member {
		m.refresh(u, c, m.entryOf(u, c))
	}
	return c.seenBy(viewer), nil
}

func (m *Memory) newChannel(id chat.ChannelID, kind chat.ChannelKind, name string, limit int) *channel {
	c := &channel{Channel: chat.Channel{ID: id, Kind: kind, Name: name, CreatedAt: m.now(), MemberLimit: limit, MemberVersion: 1},
		members: map[chat.UserID]*chat.Member{}, sent: map[sendKey]sent{}, threads: map[chat.Seq]*thread{}}
	m.channels[id] = c
	return c
}

func (m *Memory) join(c *channel, role chat.Role, readSeq chat.Seq, users ...chat.UserID) {
	for _, id := range users {
		c.members[id] = &chat.Member{User: id, Role: role, JoinedAt: m.now(), ReadSeq: readSeq}
	}
}

// CreateGroup implements chat.Directory.
func (m *Memory) CreateGroup(_ context.Context, d chat.GroupDraft) (chat.Channel, error) {
	defer m.lock()()
	id := chat.GroupID(d.Owner, d.Key, 0)
	if c := m.channels[id]; c != nil {
		if c.members[d.Owner] == nil {
			return chat.Channel{}, notMember()
		}
		return c.seenBy(d.Owner), nil
	}
	limit := d.Limit
	if limit == 0 {
		limit = chat.DefaultMemberLimit
	}
	members := distinct(d.Members, d.Owner)
	if len(members)+1 > limit {
		return chat.Channel{}, full(limit)
	}
	if err := m.admissible(d.Owner, members); err != nil {
		return chat.Channel{}, err
	}
	c := m.newChannel(id, chat.KindGroup, d.Name, limit)
	m.join(c, chat.RoleOwner, 1, d.Owner)
	m.join(c, chat.RoleMember, 1, members...)
	msg := m.say(c, chat.System{Event: chat.EventCreated, Actor: d.Owner, Users: members, Text: d.Name})
	m.fanOut(c, msg)
	return c.seenBy(d.Owner), nil
}

func full(limit int) error {
	return chat.Errorf(chat.CodeChannelFull, "this group holds at most %d members", limit)
}

func distinct(ids []chat.UserID, without chat.UserID) []chat.UserID {
	out := slices.Clone(ids)
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(id chat.UserID) bool { return id == without })
}

func (m *Memory) admissible(actor chat.UserID, users []chat.UserID) error {
	for _, id := range users {
		if u := m.users[id]; u == nil || u.Disabled {
			return chat.Errorf(chat.CodeNotFound, "there is no such user")
		}
		if m.blocked(id, actor) {
			return chat.Errorf(chat.CodeBlocked, "one of them does not want to be added by you")
		}
	}
	return nil
}

// Channel implements chat.Directory.
func (m *Memory) Channel(_ context.Context, viewer chat.UserID, id chat.ChannelID) (chat.Channel, error) {
	defer m.lock()()
	c, _, err := m.memberOf(id, viewer)
	if err != nil {
		return chat.Channel{}, err
	}
	return c.seenBy(viewer), nil
}

// Members implements chat.Directory.
func (m *Memory) Members(_ context.Context, viewer chat.UserID, id chat.ChannelID) ([]chat.Member, error) {
	defer m.lock()()
	c, _, err := m.memberOf(id, viewer)
	if err != nil {
		return nil, err
	}
	var out []chat.Member
	for _, member := range c.members {
		out = append(out, *member)
	}
	slices.SortFunc(out, func(a, b chat.Member) int { return int(a.User - b.User) })
	return out, nil
}

// MemberIDs implements chat.Roster.
func (m *Memory) MemberIDs(_ context.Context, id chat.ChannelID, _ int64) ([]chat.UserID, error) {
	defer m.lock()()
	var out []chat.UserID
	if c := m.channels[id]; c != nil {
		for u := range c.members {
			out = append(out, u)
		}
	}
	slices.Sort(out)
	return out, nil
}

// Govern implements chat.Directory.
func (m *Memory) Govern(_ context.Context, g chat.Governance) (chat.Governed, error) {
	defer m.lock()()
	c := m.channels[g.Channel]
	if c == nil || c.members[g.Actor] == nil && g.Kind != chat.GovernJoin {
		return chat.Governed{}, notMember()
	}
	if c.Kind != chat.KindGroup {
		return chat.Governed{}, chat.Errorf(chat.CodeForbidden, "a direct channel has two members and no name")
	}
	role := chat.RoleNone
	if member := c.members[g.Actor]; member != nil {
		role = member.Role
	}
	var out chat.Governed
	sys, err := m.enact(c, role, g, &out)
	if err != nil {
		return chat.Governed{}, err
	}
	if sys != nil {
		out.Message = m.say(c, *sys)
		m.fanOut(c, out.Message)
	}
	for _, id := range out.Removed {
		m.expel(c, id)
	}
	out.Channel = c.seenBy(g.Actor)
	return out, nil
}

func (m *Memory) enact(c *channel, role chat.Role, g chat.Governance, out *chat.Governed) (*chat.System, error) {
	needs := map[chat.GovernKind]chat.Role{chat.GovernRename: chat.RoleAdmin, chat.GovernAdd: chat.RoleAdmin,
		chat.GovernRemove: chat.RoleAdmin, chat.GovernRole: chat.RoleOwner, chat.GovernLimit: chat.RoleOwner}
	if role < needs[g.Kind] {
		return nil, forbidden()
	}
	switch g.Kind {
	case chat.GovernRename:
		if c.Name == g.Name {
			return nil, nil
		}
		c.Name = g.Name
		return &chat.System{Event: chat.EventRenamed, Actor: g.Actor, Text: g.Name}, nil
	case chat.GovernLimit:
		if g.Limit < len(c.members) {
			return nil, chat.Errorf(chat.CodeConflict, "the group has %d members already", len(c.members))
		}
		if g.Limit == c.MemberLimit {
			return nil, nil
		}
		c.MemberLimit = g.Limit
		return &chat.System{Event: chat.EventLimit, Actor: g.Actor, Text: strconv.Itoa(g.Limit)}, nil
	case chat.GovernRole:
		return m.setRole(c, g)
	case chat.GovernAdd, chat.GovernJoin:
		return m.admit(c, g, out)
	default:
		return m.dismiss(c, role, g, out)
	}
}

func forbidden() error {
	return chat.Errorf(chat.CodeForbidden, "your role in this group does not allow that")
}

func (m *Memory) setRole(c *channel, g chat.Governance) (*chat.System, error) {
	after := map[chat.UserID]chat.Role{}
	for id, member := range c.members {
		after[id] = member.Role
	}
	var changed []chat.UserID
	for _, id := range distinct(g.Users, 0) {
		member := c.members[id]
		if member == nil {
			return nil, chat.Errorf(chat.CodeNotFound, "this user is not in the group")
		}
		if member.Role != g.Role {
			changed = append(changed, id)
			after[id] = g.Role
		}
	}
	if len(changed) == 0 {
		return nil, nil
	}
	if !hasOwner(after) {
		return nil, lastOwner()
	}
	for _, id := range changed {
		c.members[id].Role = g.Role
	}
	c.MemberVersion++
	names := map[chat.Role]string{chat.RoleMember: "member", chat.RoleAdmin: "admin", chat.RoleOwner: "owner"}
	return &chat.System{Event: chat.EventRole, Actor: g.Actor, Users: changed, Text: names[g.Role]}, nil
}

func hasOwner(roles map[chat.UserID]chat.Role) bool {
	for _, r := range roles {
		if r == chat.RoleOwner {
			return true
		}
	}
	return len(roles) == 0
}

func lastOwner() error { return chat.Errorf(chat.CodeLastOwner, "make someone else an owner first") }

func (m *Memory) admit(c *channel, g chat.Governance, out *chat.Governed) (*chat.System, error) {
	users, event := distinct(g.Users, 0), chat.EventAdded
	if g.Kind == chat.GovernJoin {
		users, event = []chat.UserID{g.Actor}, chat.EventJoined
	} else if err := m.admissible(g.Actor, users); err != nil {
		return nil, err
	}
	for _, id := range users {
		if c.members[id] == nil {
			out.Added = append(out.Added, id)
		}
	}
	if len(out.Added) == 0 {
		return nil, nil
	}
	if g.Kind == chat.GovernJoin {
		inv := m.liveInvite(g.Invite)
		if inv == nil || inv.Channel != c.ID {
			return nil, chat.Errorf(chat.CodeInviteInvalid, "this invitation is used up, expired or unknown")
		}
		if len(c.members)+1 > c.MemberLimit {
			return nil, full(c.MemberLimit)
		}
		inv.Uses++
	}
	if len(c.members)+len(out.Added) > c.MemberLimit {
		return nil, full(c.MemberLimit)
	}
	m.join(c, chat.RoleMember, c.LastSeq+1, out.Added...)
	c.MemberVersion++
	return &chat.System{Event: event, Actor: g.Actor, Users: out.Added}, nil
}

func (m *Memory) dismiss(c *channel, role chat.Role, g chat.Governance, out *chat.Governed) (*chat.System, error) {
	users, event := []chat.UserID{g.Actor}, chat.EventLeft
	if g.Kind == chat.GovernRemove {
		users, event = nil, chat.EventRemoved
		for _, id := range distinct(g.Users, 0) {
			member := c.members[id]
			if member == nil {
				continue
			}
			if member.Role >= role {
				return nil, forbidden()
			}
			users = append(users, id)
		}
	}
	if len(users) == 0 {
		return nil, nil
	}
	after := map[chat.UserID]chat.Role{}
	for id, member := range c.members {
		if !slices.Contains(users, id) {
			after[id] = member.Role
		}
	}
	if !hasOwner(after) {
		return nil, lastOwner()
	}
	for _, id := range users {
		delete(c.members, id)
	}
	c.MemberVersion++
	for _, id := range users {
		m.revoke(chat.Revocation{Kind: chat.RevokedMember, User: id, Channel: c.ID, Version: c.MemberVersion})
	}
	out.Removed = users
	return &chat.System{Event: event, Actor: g.Actor, Users: users}, nil
}

// CreateInvite implements chat.Invites.
func (m *Memory) CreateInvite(_ context.Context, actor chat.UserID, id chat.ChannelID, maxUses int, expires time.Time) (chat.Invite, error) {
	defer m.lock()()
	c, member, err := m.memberOf(id, actor)
	if err != nil {
		return chat.Invite{}, err
	}
	if c.Kind != chat.KindGroup || member.Role < chat.RoleAdmin {
		return chat.Invite{}, forbidden()
	}
	inv := &invite{Invite: chat.Invite{ID: m.newID(), Channel: id, CreatedBy: actor, CreatedAt: m.now(),
		ExpiresAt: chat.MillisOf(expires), MaxUses: maxUses}}
	inv.code = fmt.Sprintf("%d.%d", id, inv.ID)
	c.invites = append(c.invites, inv)
	out := inv.Invite
	out.Code = inv.code
	return out, nil
}

// Invites implements chat.Invites.
func (m *Memory) Invites(_ context.Context, actor chat.UserID, id chat.ChannelID) ([]chat.Invite, error) {
	defer m.lock()()
	c, member, err := m.memberOf(id, actor)
	if err != nil {
		return nil, err
	}
	if member.Role < chat.RoleAdmin {
		return nil, forbidden()
	}
	var out []chat.Invite
	for _, inv := range c.invites {
		out = append(out, inv.Invite)
	}
	return out, nil
}

// RevokeInvite implements chat.Invites.
func (m *Memory) RevokeInvite(_ context.Context, actor chat.UserID, id chat.ChannelID, which int64) error {
	defer m.lock()()
	c, member, err := m.memberOf(id, actor)
	if err != nil {
		return err
	}
	if member.Role < chat.RoleAdmin {
		return forbidden()
	}
	c.invites = slices.DeleteFunc(c.invites, func(inv *invite) bool { return inv.ID == which })
	return nil
}

// PreviewInvite implements chat.Invites.
func (m *Memory) PreviewInvite(_ context.Context, code string) (chat.InvitePreview, error) {
	defer m.lock()()
	inv := m.liveInvite(code)
	if inv == nil {
		return chat.InvitePreview{}, chat.Errorf(chat.CodeInviteInvalid, "this invitation is used up, expired or unknown")
	}
	c := m.channels[inv.Channel]
	return chat.InvitePreview{Channel: c.ID, Name: c.Name, MemberCount: len(c.members)}, nil
}

func (m *Memory) liveInvite(code string) *invite {
	for _, c := range m.channels {
		for _, inv := range c.invites {
			expired := inv.ExpiresAt != 0 && inv.ExpiresAt <= m.now()
			if inv.code == code && !expired && (inv.MaxUses == 0 || inv.Uses < inv.MaxUses) {
				return inv
			}
		}
	}
	return nil
}
