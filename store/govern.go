package store

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// Govern changes a group. The actor's role is read under the channel's lock in
// the transaction that acts, so a role taken away a moment ago does not count.
//
// New members see the group's whole history, as the people of one room share
// what was said in it; their read mark starts at the message that tells of
// their coming, so nothing old is unread.
func (s *Store) Govern(ctx context.Context, g chat.Governance) (chat.Governed, error) {
	if g.Kind == chat.GovernAdd {
		if err := s.admissible(ctx, g.Actor, distinct(g.Users, 0)); err != nil {
			return chat.Governed{}, err
		}
	}
	p := shard.Of(g.Channel)
	var out chat.Governed
	var owed []effect
	err := s.write(ctx, p, func(ctx context.Context, tx pgx.Tx) error {
		out, owed = chat.Governed{}, nil
		c, err := s.lockChannel(ctx, tx, g.Channel, g.Actor)
		if err != nil {
			return err
		}
		if c.Role == chat.RoleNone && g.Kind != chat.GovernJoin {
			return chat.Errorf(chat.CodeNotMember, notMember)
		}
		if c.Kind != chat.KindGroup {
			return chat.Errorf(chat.CodeForbidden, "a direct channel has two members and no name")
		}
		sys, err := s.enact(ctx, tx, &c, g, &out)
		if err != nil {
			return err
		}
		if sys != nil {
			if out.Message, err = s.say(ctx, tx, &c, *sys); err != nil {
				return err
			}
		}
		out.Channel = c.Channel
		if len(out.Removed) == 0 {
			return nil
		}
		return s.owe(ctx, tx, p, &owed, leftEffect{Channel: c.ID, Seq: c.LastSeq, Users: out.Removed})
	})
	if err != nil {
		return chat.Governed{}, err
	}
	s.carryOut(ctx, owed)
	return out, nil
}

// enact makes one change to c and its members, and returns the system message
// that tells of it; nil if it was so already.
func (s *Store) enact(ctx context.Context, tx pgx.Tx, c *lockedChannel, g chat.Governance, out *chat.Governed) (*chat.System, error) {
	switch g.Kind {
	case chat.GovernRename:
		return c.rename(g)
	case chat.GovernLimit:
		return c.setLimit(g)
	case chat.GovernRole:
		return c.setRole(ctx, tx, g)
	case chat.GovernAdd, chat.GovernJoin:
		return s.admit(ctx, tx, c, g, out)
	case chat.GovernRemove, chat.GovernLeave:
		return c.dismiss(ctx, tx, g, out)
	}
	return nil, chat.Errorf(chat.CodeBadRequest, "unknown change of a group")
}

func (c *lockedChannel) needs(role chat.Role) error {
	if c.Role < role {
		return chat.Errorf(chat.CodeForbidden, "your role in this group does not allow that")
	}
	return nil
}

func (c *lockedChannel) rename(g chat.Governance) (*chat.System, error) {
	if err := c.needs(chat.RoleAdmin); err != nil {
		return nil, err
	}
	if c.Name == g.Name {
		return nil, nil
	}
	c.Name = g.Name
	return &chat.System{Event: chat.EventRenamed, Actor: g.Actor, Text: g.Name}, nil
}

func (c *lockedChannel) setLimit(g chat.Governance) (*chat.System, error) {
	if err := c.needs(chat.RoleOwner); err != nil {
		return nil, err
	}
	switch {
	case g.Limit < 1 || g.Limit > chat.MaxMemberLimit:
		return nil, chat.Errorf(chat.CodeBadRequest, "a group has 1 to %d members", chat.MaxMemberLimit)
	case g.Limit < c.MemberCount:
		return nil, chat.Errorf(chat.CodeConflict, "the group has %d members already", c.MemberCount)
	case g.Limit == c.MemberLimit:
		return nil, nil
	}
	c.MemberLimit = g.Limit
	return &chat.System{Event: chat.EventLimit, Actor: g.Actor, Text: strconv.Itoa(g.Limit)}, nil
}

// roleNames are the texts of EventRole.
var roleNames = map[chat.Role]string{chat.RoleMember: "member", chat.RoleAdmin: "admin", chat.RoleOwner: "owner"}

func (c *lockedChannel) setRole(ctx context.Context, tx pgx.Tx, g chat.Governance) (*chat.System, error) {
	if err := c.needs(chat.RoleOwner); err != nil {
		return nil, err
	}
	name, ok := roleNames[g.Role]
	if !ok || len(g.Users) == 0 {
		return nil, chat.Errorf(chat.CodeBadRequest, "name the users and one of the roles")
	}
	users := distinct(g.Users, 0)
	roles, err := rolesOf(ctx, tx, c.ID, users...)
	if err != nil {
		return nil, err
	}
	var changed []chat.UserID
	for _, u := range users {
		switch roles[u] {
		case chat.RoleNone:
			return nil, chat.Errorf(chat.CodeNotFound, "this user is not in the group")
		case g.Role:
		default:
			changed = append(changed, u)
		}
	}
	if len(changed) == 0 {
		return nil, nil
	}
	if _, err := tx.Exec(ctx, `UPDATE data.members SET role = $4 WHERE partition = $1 AND channel_id = $2 AND user_id = ANY($3)`,
		shard.Of(c.ID), c.ID, int64s(changed), g.Role); err != nil {
		return nil, err
	}
	if err := c.mustHaveOwner(ctx, tx); err != nil {
		return nil, err
	}
	c.MemberVersion++
	if c.Role, err = roleOf(ctx, tx, c.ID, c.actor); err != nil {
		return nil, err
	}
	return &chat.System{Event: chat.EventRole, Actor: g.Actor, Users: changed, Text: name}, nil
}

// mustHaveOwner refuses a change after which a group with members has no owner.
func (c *lockedChannel) mustHaveOwner(ctx context.Context, tx pgx.Tx) error {
	var ok bool
	err := tx.QueryRow(ctx, `SELECT count(*) = 0 OR count(*) FILTER (WHERE role = $3) > 0 FROM data.members
		WHERE partition = $1 AND channel_id = $2`, shard.Of(c.ID), c.ID, chat.RoleOwner).Scan(&ok)
	if err == nil && !ok {
		return chat.Errorf(chat.CodeLastOwner, "make someone else an owner first")
	}
	return err
}

// admit adds members, or the actor by an invite link. Who is a member already
// stays as they are and uses up no invite.
func (s *Store) admit(ctx context.Context, tx pgx.Tx, c *lockedChannel, g chat.Governance, out *chat.Governed) (*chat.System, error) {
	users, event := distinct(g.Users, 0), chat.EventAdded
	if g.Kind == chat.GovernJoin {
		users, event = []chat.UserID{g.Actor}, chat.EventJoined
	} else if err := c.needs(chat.RoleAdmin); err != nil {
		return nil, err
	}
	roles, err := rolesOf(ctx, tx, c.ID, users...)
	if err != nil {
		return nil, err
	}
	for _, u := range users {
		if roles[u] == chat.RoleNone {
			out.Added = append(out.Added, u)
		}
	}
	if len(out.Added) == 0 {
		return nil, nil
	}
	if g.Kind == chat.GovernJoin {
		if err := s.useInvite(ctx, tx, c.ID, g.Invite); err != nil {
			return nil, err
		}
		c.Role = chat.RoleMember
	}
	if c.MemberCount+len(out.Added) > c.MemberLimit {
		return nil, channelFull(c.MemberLimit)
	}
	if err := insertMembers(ctx, tx, c.ID, chat.RoleMember, c.LastSeq+1, c.LastCount, c.now, out.Added...); err != nil {
		return nil, err
	}
	c.MemberCount += len(out.Added)
	c.MemberVersion++
	return &chat.System{Event: event, Actor: g.Actor, Users: out.Added}, nil
}

// dismiss removes members, or the actor who leaves. One may remove only those
// of a smaller role than one's own.
func (c *lockedChannel) dismiss(ctx context.Context, tx pgx.Tx, g chat.Governance, out *chat.Governed) (*chat.System, error) {
	sys := &chat.System{Event: chat.EventLeft, Actor: g.Actor, Users: []chat.UserID{g.Actor}}
	if g.Kind == chat.GovernRemove {
		if err := c.needs(chat.RoleAdmin); err != nil {
			return nil, err
		}
		roles, err := rolesOf(ctx, tx, c.ID, distinct(g.Users, 0)...)
		if err != nil {
			return nil, err
		}
		sys.Event, sys.Users = chat.EventRemoved, nil
		for u, role := range roles {
			if role >= c.Role {
				return nil, chat.Errorf(chat.CodeForbidden, "your role in this group does not allow that")
			}
			sys.Users = append(sys.Users, u)
		}
		if sys.Users = distinct(sys.Users, 0); len(sys.Users) == 0 {
			return nil, nil
		}
	}
	gone := int64s(sys.Users)
	if _, err := tx.Exec(ctx, `DELETE FROM data.members WHERE partition = $1 AND channel_id = $2 AND user_id = ANY($3)`,
		shard.Of(c.ID), c.ID, gone); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM data.thread_followers WHERE partition = $1 AND channel_id = $2 AND user_id = ANY($3)`,
		shard.Of(c.ID), c.ID, gone); err != nil {
		return nil, err
	}
	if err := c.mustHaveOwner(ctx, tx); err != nil {
		return nil, err
	}
	c.MemberCount -= len(gone)
	c.MemberVersion++
	if err := c.membersEnded(ctx, tx, sys.Users); err != nil {
		return nil, err
	}
	if g.Kind == chat.GovernLeave {
		c.Role = chat.RoleNone
	}
	out.Removed = sys.Users
	return sys, nil
}
