package store

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"gori/chat"
	"gori/shard"
)

// talk is people who write all the time, and what was acknowledged.
type talk struct {
	c     *court
	stop  context.CancelFunc
	ended sync.WaitGroup

	rooms map[chat.ChannelID][]chat.UserID
	mu    sync.Mutex
	last  map[chat.ChannelID]chat.Seq
	acked map[chat.ChannelID]map[chat.Seq]string
}

func (c *court) talk(rooms map[chat.ChannelID][]chat.UserID) *talk {
	ctx, stop := context.WithCancel(context.Background())
	tk := &talk{c: c, stop: stop, rooms: rooms, last: map[chat.ChannelID]chat.Seq{}, acked: map[chat.ChannelID]map[chat.Seq]string{}}
	for room, users := range rooms {
		tk.acked[room] = map[chat.Seq]string{}
		tk.ended.Go(func() {
			for n := 0; nap(ctx, 3*time.Millisecond) == nil; n++ {
				tk.send(room, users[n%len(users)], fmt.Sprintf("%v %d", room, n))
			}
		})
	}
	return tk
}

// send repeats a message until it is acknowledged.
func (tk *talk) send(room chat.ChannelID, from chat.UserID, body string) {
	d := chat.Draft{Channel: room, Sender: from, ClientMsgID: newMsgID(time.Now()), Body: body}
	for {
		got, err := tk.c.Append(context.Background(), d)
		if err == nil {
			tk.mu.Lock()
			tk.acked[room][got[0].Seq] = body
			tk.mu.Unlock()
			return
		}
		if !chat.ErrorOf(err).Retry {
			tk.c.t.Errorf("send: %v", err)
			return
		}
		_ = nap(context.Background(), 5*time.Millisecond)
	}
}

// judge ends the talk and compares what is kept with what was acknowledged.
func (tk *talk) judge() {
	tk.c.t.Helper()
	tk.stop()
	tk.ended.Wait()
	for room, acked := range tk.acked {
		last := chat.Seq(0)
		bodies := map[string]bool{}
		for after := chat.Seq(0); ; {
			page, err := tk.c.History(context.Background(), chat.HistoryQuery{Channel: room, Viewer: tk.rooms[room][0], After: after, HasAfter: true, Limit: 200})
			if err != nil {
				tk.c.t.Fatal(err)
			}
			for _, m := range page.Messages {
				if want, ok := acked[m.Seq]; ok && want != m.Body || m.Kind == chat.KindText && bodies[m.Body] || m.Seq != last+1 {
					tk.c.t.Errorf("room %v, %d after %d: %q, acknowledged %q", room, m.Seq, last, m.Body, want)
				}
				last, bodies[m.Body] = m.Seq, true
				delete(acked, m.Seq)
			}
			if len(page.Messages) == 0 {
				break
			}
			after = last
		}
		tk.last[room] = last
		if len(acked) > 0 {
			tk.c.t.Errorf("room %v: %d acknowledged messages are lost", room, len(acked))
		}
	}
}

// People's homes and channels move to a shard that comes and away from one that
// goes, while they write, sign in, make friends and read.
func TestShardsComeAndGoUnderLiveUse(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c := newCourt(t, 2, asNodes)
	us := c.people(12)
	rooms := map[chat.ChannelID][]chat.UserID{c.group(us[0], us[1:]...): us}
	for i := range 6 {
		room := c.group(us[i], us[i+6])
		rooms[room] = []chat.UserID{us[i], us[i+6]}
	}
	tk := c.talk(rooms)

	c.newInstance("s3")
	c.publish(c.ring.Add("s3", c.at["s3"], plan))
	c.followed()
	c.carryOut()
	c.publish(c.ring.Finish(c.owners()))
	c.publish(c.ring.Settle())
	c.publish(c.ring.Remove("s1", plan))
	c.carryOut()
	// What s1 owes to inboxes is brought to them although its channels have moved.
	eventually(t, "the shard that leaves owes nothing", func() bool { return c.count("s1", "SELECT count(*)::int FROM control.fanout_pending") == 0 })
	c.publish(c.ring.Retire())
	c.publish(c.ring.Finish(c.owners()))
	c.publish(c.ring.Settle())
	c.followed()
	if got := names(c.Store); got != "s2 s3" {
		t.Errorf("the node uses %s", got)
	}
	tk.judge()
	c.quiet()
	for room, users := range rooms {
		for _, u := range users {
			e, in := c.entry(u, room)
			if !in || e.LastSeq != tk.last[room] {
				t.Errorf("the inbox of %v knows %d of %d in %v", u, e.LastSeq, tk.last[room], room)
			}
		}
	}
	owners := c.owners()
	for i, u := range us {
		name := fmt.Sprintf("user%d", i)
		if _, err := c.Authenticate(ctx, u, account(name).TokenHash); err != nil {
			t.Errorf("%s cannot come back: %v", name, err)
		}
		if owners[shard.Of(u)] == "s1" {
			t.Errorf("%s still lives on s1", name)
		}
	}
}
