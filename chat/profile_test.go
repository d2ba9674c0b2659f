package chat_test

import (
	"context"
	"testing"

	"gori/chat"
)

// halfPeople are people of whom some have a home that cannot be reached.
type halfPeople struct {
	chat.People
	away map[chat.UserID]bool
}

func (p *halfPeople) Profiles(ctx context.Context, ids []chat.UserID) ([]chat.User, error) {
	var there []chat.UserID
	for _, id := range ids {
		if !p.away[id] {
			there = append(there, id)
		}
	}
	users, err := p.People.Profiles(ctx, there)
	if err == nil && len(there) < len(ids) {
		err = chat.Retryable(chat.CodeShardDown, 0, nil, "down")
	}
	return users, err
}

// A shard that is down keeps nobody from their own inbox; who asks for a
// profile on it is told.
func TestFacesThatCannotBeReached(t *testing.T) {
	half := &halfPeople{away: map[chat.UserID]bool{}}
	inWorld(t, func(w *world) {
		half.People = w.mem
		who := w.users("a", "b", "c")
		id := w.group(who[0], who[1:]...)
		for _, peer := range who[1:] {
			_, err := w.svc.OpenDirect(w.ctx, who[0], peer.User)
			w.must(err)
		}
		half.away[who[2].User] = true
		_, people, err := w.svc.Inbox(w.ctx, who[0], 0, 0)
		w.must(err)
		ids := map[chat.UserID]bool{}
		for _, u := range people {
			ids[u.ID] = true
		}
		if !ids[who[1].User] || ids[who[2].User] {
			t.Errorf("people beside the inbox: %v", people)
		}
		members, people, err := w.svc.Members(w.ctx, who[0], id)
		w.must(err)
		if len(members) != 3 || len(people) != 2 {
			t.Errorf("%d members with %d faces", len(members), len(people))
		}
		if _, err := w.svc.Profiles(w.ctx, []chat.UserID{who[2].User}); chat.CodeOf(err) != chat.CodeShardDown {
			t.Errorf("a profile that cannot be reached: %v", err)
		}
	}, func(d *chat.Deps) { d.People = half })
}
