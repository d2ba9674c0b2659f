package store

import (
	"testing"
	"time"

	"gori/chat"
)

// A group of 500, the largest that people are promised, hears every message.
func TestGroupOf500(t *testing.T) {
	t.Parallel()
	w := newWorld(t, 2)
	ids := w.people(500)
	c, err := w.CreateGroup(t.Context(), chat.GroupDraft{Owner: ids[0], Key: newMsgID(time.Now()), Name: "500", Members: ids[1:], Limit: 500})
	if err != nil || c.MemberCount != 500 {
		t.Fatalf("made %+v, %v", c, err)
	}
	extra := w.person("one-too-many")
	_, err = w.Govern(t.Context(), chat.Governance{Kind: chat.GovernAdd, Channel: c.ID, Actor: ids[0], Users: []chat.UserID{extra}})
	wantCode(t, err, chat.CodeChannelFull)
	for _, sender := range []chat.UserID{ids[0], ids[250], ids[499]} {
		w.say(c.ID, sender, "모두 들리나요?")
	}
	eventually(t, "all 500 inboxes know", func() bool {
		for i, id := range ids {
			own := chat.Count(0) // sent after the first, so read up to there
			switch i {
			case 0:
				own = 1
			case 250:
				own = 2
			case 499:
				own = 3
			}
			if e, ok := w.entry(id, c.ID); !ok || e.LastCount != 3 || e.LastCount-e.ReadCount != 3-own {
				return false
			}
		}
		return true
	})
}
