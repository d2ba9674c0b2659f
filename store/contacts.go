package store

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"gori/chat"
	"gori/shard"
)

// What a user has decided about another one.
const (
	wantsNothing = 0
	wantsFriend  = 1
	wantsBlocked = 2
)

// register is one user's decision about another, at a version that grows with
// each decision. refused voids the other's decisions up to that version of
// theirs: it is how a request is refused and a friendship ended without writing
// the other's register.
type register struct {
	Wants   int16 `json:"wants"`
	Version int64 `json:"version"`
	Refused int64 `json:"refused"`
}

// pair is one row of data.friends: the owner's register, which only the owner's
// actions at the owner's home write, and what is known of the other's.
type pair struct {
	mine, theirs register
}

// state is what the owner of the row sees; empty: nothing.
func (p pair) state() chat.FriendState {
	if p.mine.Wants == wantsBlocked {
		return chat.FriendBlocked
	}
	mine := p.mine.Wants == wantsFriend && p.mine.Version > p.theirs.Refused
	theirs := p.theirs.Wants == wantsFriend && p.theirs.Version > p.mine.Refused
	switch {
	case mine && theirs:
		return chat.FriendAccepted
	case mine:
		return chat.FriendSent
	case theirs:
		return chat.FriendReceived
	}
	return ""
}

// hear takes over what is known of the other's register, unless it is old.
func (p *pair) hear(r register) {
	if r.Version > p.theirs.Version {
		p.theirs = r
	}
}

// decide writes the owner's register. A decision that is no request voids what
// the other has decided so far.
func (p *pair) decide(wants int16) {
	p.mine.Wants = wants
	p.mine.Version++
	if wants != wantsFriend {
		p.mine.Refused = p.theirs.Version
	}
}

const pairColumns = `mine, mine_version, refused, theirs, their_version, their_refused`

func (p *pair) fields() []any {
	return []any{&p.mine.Wants, &p.mine.Version, &p.mine.Refused, &p.theirs.Wants, &p.theirs.Version, &p.theirs.Refused}
}

const sqlFriends = `SELECT other_id, since, ` + pairColumns + ` FROM data.friends
	WHERE partition = $1 AND user_id = $2 ORDER BY since DESC, other_id`

// Friends lists the people a user has something to do with, the latest first.
func (s *Store) Friends(ctx context.Context, user chat.UserID) ([]chat.Friend, error) {
	var friends []chat.Friend
	err := s.read(ctx, shard.Of(user), func(ctx context.Context, q querier) error {
		rows, err := q.Query(ctx, sqlFriends, shard.Of(user), user)
		if err != nil {
			return err
		}
		friends, _, err = scanFriends(rows)
		return err
	})
	return friends, err
}

// scanFriends reads what sqlFriends finds, and apart from it those who have
// blocked the owner of the list.
func scanFriends(rows pgx.Rows) (friends []chat.Friend, hiding []chat.UserID, err error) {
	friends = []chat.Friend{}
	var f chat.Friend
	var since time.Time
	var p pair
	_, err = pgx.ForEachRow(rows, append([]any{&f.User, &since}, p.fields()...), func() error {
		if p.theirs.Wants == wantsBlocked {
			hiding = append(hiding, f.User)
		}
		if f.State = p.state(); f.State != "" {
			f.Since = chat.MillisOf(since)
			friends = append(friends, f)
		}
		return nil
	})
	return friends, hiding, err
}

// Befriend asks for a friendship, or accepts the one that was asked for.
func (s *Store) Befriend(ctx context.Context, user, other chat.UserID) (chat.FriendState, error) {
	// What the other has decided comes with the check that there is such a
	// user, so an effect still on its way is not missed.
	st, err := s.standing(ctx, user, other)
	if err != nil {
		return "", err
	}
	if st[other].Wants == wantsBlocked {
		return "", chat.Errorf(chat.CodeBlocked, "this user does not want to be asked")
	}
	var state chat.FriendState
	err = s.decide(ctx, user, other, func(p *pair) (int16, error) {
		p.hear(st[other].register)
		state = p.state()
		switch state {
		case chat.FriendBlocked:
			return 0, chat.Errorf(chat.CodeBlocked, "you have blocked this user")
		case chat.FriendSent, chat.FriendAccepted:
			return 0, errAlready
		case chat.FriendReceived:
			state = chat.FriendAccepted
		default:
			state = chat.FriendSent
		}
		return wantsFriend, nil
	})
	return state, err
}

// Unfriend ends a friendship or refuses or withdraws a request.
func (s *Store) Unfriend(ctx context.Context, user, other chat.UserID) error {
	return s.decide(ctx, user, other, func(p *pair) (int16, error) {
		if st := p.state(); st == "" || st == chat.FriendBlocked {
			return 0, errAlready
		}
		return wantsNothing, nil
	})
}

// Block shuts other out. It ends a friendship; unblocking does not bring it
// back.
func (s *Store) Block(ctx context.Context, user, other chat.UserID) error {
	if _, err := s.standing(ctx, user, other); err != nil {
		return err
	}
	return s.decide(ctx, user, other, func(p *pair) (int16, error) {
		if p.mine.Wants == wantsBlocked {
			return 0, errAlready
		}
		return wantsBlocked, nil
	})
}

// Unblock ends a block.
func (s *Store) Unblock(ctx context.Context, user, other chat.UserID) error {
	return s.decide(ctx, user, other, func(p *pair) (int16, error) {
		if p.mine.Wants != wantsBlocked {
			return 0, errAlready
		}
		return wantsNothing, nil
	})
}

// errAlready says that a decision is in force and nothing is to be written.
var errAlready = errors.New("already so")

// decide lets fn choose what user wants of other, in a transaction at user's
// home, and tells the other's home.
func (s *Store) decide(ctx context.Context, user, other chat.UserID, fn func(p *pair) (wants int16, err error)) error {
	if user == other {
		return chat.Errorf(chat.CodeBadRequest, "that is you")
	}
	home := shard.Of(user)
	var owed []effect
	err := s.write(ctx, home, func(ctx context.Context, tx pgx.Tx) error {
		owed = nil
		p, err := lockPair(ctx, tx, user, other)
		if err != nil {
			return err
		}
		before := p.mine.Wants
		wants, err := fn(&p)
		if errors.Is(err, errAlready) {
			return nil
		}
		if err != nil {
			return err
		}
		p.decide(wants)
		if err := s.savePair(ctx, tx, user, other, p); err != nil {
			return err
		}
		owes := []debt{friendEffect{User: other, Other: user, Register: p.mine}}
		if before == wantsBlocked || wants == wantsBlocked {
			owes = append(owes, muzzleEffect{A: user, B: other})
		}
		return s.owe(ctx, tx, home, &owed, owes...)
	})
	if err == nil {
		s.carryOut(ctx, owed)
	}
	return err
}

// lockPair reads a pair's row under the lock of its owner, so that two
// decisions at once come one after the other.
func lockPair(ctx context.Context, tx pgx.Tx, user, other chat.UserID) (pair, error) {
	var one int
	err := tx.QueryRow(ctx, `SELECT 1 FROM data.users WHERE partition = $1 AND user_id = $2 FOR NO KEY UPDATE`,
		shard.Of(user), user).Scan(&one)
	if err != nil {
		return pair{}, orNotFound(err, chat.CodeNotFound, "there is no such user")
	}
	var p pair
	err = tx.QueryRow(ctx, `SELECT `+pairColumns+` FROM data.friends WHERE partition = $1 AND user_id = $2 AND other_id = $3`,
		shard.Of(user), user, other).Scan(p.fields()...)
	if errors.Is(err, pgx.ErrNoRows) {
		return pair{}, nil
	}
	return p, err
}

func (s *Store) savePair(ctx context.Context, tx pgx.Tx, user, other chat.UserID, p pair) error {
	tag, err := tx.Exec(ctx, `INSERT INTO data.friends (partition, user_id, other_id, `+pairColumns+`, since)
		SELECT $1::int, $2::bigint, $3::bigint, $4::smallint, $5::bigint, $6::bigint, $7::smallint, $8::bigint, $9::bigint, $10::timestamptz
		WHERE $4::smallint <> $11::smallint OR (SELECT count(*) FROM data.friends WHERE partition = $1 AND user_id = $2 AND mine = $11 AND other_id <> $3) < $12
		ON CONFLICT (partition, user_id, other_id) DO UPDATE SET
			mine = excluded.mine, mine_version = excluded.mine_version, refused = excluded.refused, theirs = excluded.theirs,
			their_version = excluded.their_version, their_refused = excluded.their_refused, since = excluded.since`,
		shard.Of(user), user, other, p.mine.Wants, p.mine.Version, p.mine.Refused,
		p.theirs.Wants, p.theirs.Version, p.theirs.Refused, s.now(), int16(wantsFriend), chat.MaxFriends)
	if err == nil && tag.RowsAffected() == 0 {
		return chat.Errorf(chat.CodeTooLong, "a list of people holds at most %d", chat.MaxFriends)
	}
	if err != nil {
		return err
	}
	return advance(ctx, tx, user)
}

// friendEffect tells User's home what Other has decided about User.
type friendEffect struct {
	User     chat.UserID `json:"user"`
	Other    chat.UserID `json:"other"`
	Register register    `json:"register"`
}

func (friendEffect) kind() string { return "friend" }

// apply keeps the greatest version. A user whom thousands have asked is told of
// no more; those requests are seen when the user asks them, see Befriend.
func (e friendEffect) apply(ctx context.Context, s *Store) error {
	return s.write(ctx, shard.Of(e.User), func(ctx context.Context, tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, `INSERT INTO data.friends AS f (partition, user_id, other_id, theirs, their_version, their_refused, since)
			SELECT $1::int, $2::bigint, $3::bigint, $4::smallint, $5::bigint, $6::bigint, $7::timestamptz
			WHERE (SELECT count(*) FROM data.friends WHERE partition = $1 AND user_id = $2 AND other_id <> $3) < $8
			ON CONFLICT (partition, user_id, other_id) DO UPDATE SET
				theirs = excluded.theirs, their_version = excluded.their_version, their_refused = excluded.their_refused, since = excluded.since
			WHERE f.their_version < excluded.their_version`,
			shard.Of(e.User), e.User, e.Other, e.Register.Wants, e.Register.Version, e.Register.Refused, s.now(), 3*chat.MaxFriends)
		if err != nil || tag.RowsAffected() == 0 {
			return err
		}
		return advance(ctx, tx, e.User)
	})
}

// standing is what a user has decided about someone, read at the user's home.
type standing struct {
	register
	Disabled bool
}

// standing reads what each of others has decided about user. CodeNotFound if
// one of them is no user.
func (s *Store) standing(ctx context.Context, user chat.UserID, others ...chat.UserID) (map[chat.UserID]standing, error) {
	type row struct {
		id chat.UserID
		standing
	}
	rows, err := readUsers(ctx, s, others, func(ctx context.Context, q querier, parts []int32, ids []int64) ([]row, error) {
		rows, err := q.Query(ctx, `SELECT u.user_id, u.disabled, coalesce(f.mine, 0), coalesce(f.mine_version, 0), coalesce(f.refused, 0)
			FROM unnest($1::int[], $2::bigint[]) AS want (partition, user_id)
			JOIN data.users u USING (partition, user_id)
			LEFT JOIN data.friends f ON f.partition = u.partition AND f.user_id = u.user_id AND f.other_id = $3`, parts, ids, user)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, func(r pgx.CollectableRow) (row, error) {
			var v row
			err := r.Scan(&v.id, &v.Disabled, &v.Wants, &v.Version, &v.Refused)
			return v, err
		})
	})
	if err != nil {
		return nil, err
	}
	found := make(map[chat.UserID]standing, len(rows))
	for _, r := range rows {
		found[r.id] = r.standing
	}
	for _, id := range others {
		if _, ok := found[id]; !ok {
			return nil, chat.Errorf(chat.CodeNotFound, "there is no such user")
		}
	}
	return found, nil
}
