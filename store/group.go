package store

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// CreateGroup makes a group with its members and its first message. The id
// follows from owner and key, so a repeated call finds the group that the first
// one made.
func (s *Store) CreateGroup(ctx context.Context, d chat.GroupDraft) (chat.Channel, error) {
	members := distinct(d.Members, d.Owner)
	limit := d.Limit
	if limit == 0 {
		limit = chat.DefaultMemberLimit
	}
	if limit < 1 || limit > chat.MaxMemberLimit {
		return chat.Channel{}, chat.Errorf(chat.CodeBadRequest, "a group has 1 to %d members", chat.MaxMemberLimit)
	}
	if len(members)+1 > limit {
		return chat.Channel{}, channelFull(limit)
	}
	for {
		id, made, err := s.findGroup(ctx, d.Owner, d.Key)
		if err != nil {
			return chat.Channel{}, err
		}
		if made {
			return s.Channel(ctx, d.Owner, id)
		}
		if err := s.admissible(ctx, d.Owner, members); err != nil {
			return chat.Channel{}, err
		}
		if err := s.makeGroup(ctx, id, d, members, limit); err != nil {
			return chat.Channel{}, err
		}
	}
}

// findGroup looks for the group that owner made with key among the ids it may
// have; if there is none it returns the id that is free for it.
func (s *Store) findGroup(ctx context.Context, owner chat.UserID, key chat.ClientMsgID) (id chat.ChannelID, made bool, err error) {
	for probe := range chat.MaxDirectProbes {
		id = chat.GroupID(owner, key, probe)
		var same bool
		err = s.read(ctx, shard.Of(id), func(ctx context.Context, q querier) error {
			err := q.QueryRow(ctx, `SELECT kind = $3 AND created_by = $4 AND create_key IS NOT DISTINCT FROM $5
				FROM data.channels WHERE partition = $1 AND channel_id = $2`,
				shard.Of(id), id, chat.KindGroup, owner, [16]byte(key)).Scan(&same)
			return orNotFound(err, chat.CodeNotFound, "no such channel")
		})
		switch {
		case chat.CodeOf(err) == chat.CodeNotFound:
			return id, false, nil
		case err != nil:
			return 0, false, err
		case same:
			return id, true, nil
		}
	}
	return 0, false, chat.Errorf(chat.CodeInternal, "no free id for a group of %d", owner)
}

// makeGroup inserts the group unless its id is taken by now.
func (s *Store) makeGroup(ctx context.Context, id chat.ChannelID, d chat.GroupDraft, members []chat.UserID, limit int) error {
	p := shard.Of(id)
	return s.write(ctx, p, func(ctx context.Context, tx pgx.Tx) error {
		c := lockedChannel{actor: d.Owner, now: s.now(), Channel: chat.Channel{
			ID: id, Kind: chat.KindGroup, Name: d.Name, MemberCount: len(members) + 1, MemberLimit: limit, MemberVersion: 1,
		}}
		tag, err := tx.Exec(ctx, `INSERT INTO data.channels (partition, channel_id, kind, name, create_key, created_by, created_at, last_at, member_limit)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8) ON CONFLICT DO NOTHING`,
			p, id, c.Kind, c.Name, [16]byte(d.Key), d.Owner, c.now, limit)
		if err != nil || tag.RowsAffected() == 0 { // taken meanwhile: the caller looks again
			return err
		}
		if err := insertMembers(ctx, tx, id, chat.RoleOwner, 1, 0, c.now, d.Owner); err != nil {
			return err
		}
		if err := insertMembers(ctx, tx, id, chat.RoleMember, 1, 0, c.now, members...); err != nil {
			return err
		}
		_, err = s.say(ctx, tx, &c, chat.System{Event: chat.EventCreated, Actor: d.Owner, Users: members, Text: d.Name})
		return err
	})
}

func channelFull(limit int) error {
	return chat.Errorf(chat.CodeChannelFull, "this group holds at most %d members", limit)
}

// admissible checks that users exist, may log in and have not blocked the one
// who brings them in.
func (s *Store) admissible(ctx context.Context, actor chat.UserID, users []chat.UserID) error {
	if len(users) == 0 {
		return nil
	}
	found, err := s.standing(ctx, actor, users...)
	if err != nil {
		return err
	}
	for _, st := range found {
		if st.Disabled {
			return chat.Errorf(chat.CodeNotFound, "there is no such user")
		}
		if st.Wants == wantsBlocked {
			return chat.Errorf(chat.CodeBlocked, "one of them does not want to be added by you")
		}
	}
	return nil
}

// distinct returns users in ascending order, each once, without one of them.
func distinct(users []chat.UserID, without chat.UserID) []chat.UserID {
	out := slices.Clone(users)
	slices.Sort(out)
	out = slices.Compact(out)
	return slices.DeleteFunc(out, func(u chat.UserID) bool { return u == without })
}
