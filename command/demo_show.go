package command

import (
	"context"
	"crypto/sha256"
	"encoding/csv"
	"fmt"

	"gori/client"
	"gori/demo"
)

// demoShow is what the demo people do. Every step may be repeated without
// further effect.
type demoShow struct {
	people []*client.Client
}

func (d *demoShow) ids() []client.UserID {
	ids := make([]client.UserID, len(d.people))
	for i, p := range d.people {
		ids[i] = p.Me().ID
	}
	return ids
}

// demoID is the client_msg_id of the n-th message of a part of the demo.
func demoID(part string, n int) client.ClientMsgID {
	sum := sha256.Sum256(fmt.Appendf(nil, "gori demo\x00%s\x00%d", part, n))
	id := client.ClientMsgID(sum[:16])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

func (d *demoShow) play(ctx context.Context, with string) error {
	for i, p := range d.people {
		if err := p.EditProfile(ctx, "", []string{"고리 데모 계정이에요", "A demo account of Gori", "고리 데모 계정이에요"}[i]); err != nil {
			return err
		}
		for _, q := range d.people {
			if p != q {
				if _, err := p.Befriend(ctx, q.Me().ID); err != nil {
					return err
				}
			}
		}
	}
	if err := d.pairs(ctx); err != nil {
		return fmt.Errorf("the direct talk: %w", err)
	}
	group, err := d.group(ctx)
	if err != nil {
		return fmt.Errorf("the group: %w", err)
	}
	return d.invite(ctx, group, with)
}

// pairs are two direct channels in Korean; in the second one the last ones stay
// unread.
func (d *demoShow) pairs(ctx context.Context) error {
	f, err := demo.Texts.Open("korean.csv")
	if err != nil {
		return err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		return err
	}
	rows = rows[1:]
	half := 2 * len(rows) / 3
	if err := d.direct(ctx, "direct one", d.people[0], d.people[1], rows[:half], 0); err != nil {
		return err
	}
	return d.direct(ctx, "direct two", d.people[2], d.people[0], rows[half:], 4)
}

// direct has a ask and b answer; the last unread messages of a stay unread by b.
func (d *demoShow) direct(ctx context.Context, part string, a, b *client.Client, rows [][]string, unread int) error {
	ch, err := a.Direct(ctx, b.Me().ID)
	if err != nil {
		return err
	}
	var last client.Receipt
	for i, row := range rows {
		left := len(rows) - i
		for k, who := range []*client.Client{a, b} {
			if k == 1 && left <= unread {
				continue
			}
			if last, err = who.Post(ctx, client.Outgoing{Channel: ch.ID, ClientMsgID: demoID(part, 2*i+k), Body: row[k]}); err != nil {
				return err
			}
			if k == 1 && i%17 == 3 {
				if _, err := a.React(ctx, ch.ID, last.Seq, "👍"); err != nil {
					return err
				}
			}
		}
	}
	if _, err := a.MarkRead(ctx, ch.ID, last.Seq, 0); err != nil {
		return err
	}
	_, err = b.MarkRead(ctx, ch.ID, last.Seq-client.Seq(unread), 0)
	return err
}

// demoLine is one line of the group's talk. reply and thread name lines by
// their place, from 1.
type demoLine struct {
	who           int
	body          string
	reply, thread int
	mention       int // a person, from 1
}

var demoGroup = []demoLine{
	{who: 0, body: "고리 동네에 온 걸 환영해요! 👋"},
	{who: 1, body: "Hello! This group shows what a talk in Gori can look like."},
	{who: 2, body: "오늘 저녁에 뭐 먹을까요? 의견은 스레드로 모아 주세요 🍜"},
	{who: 0, body: "저는 냉면이요", thread: 3},
	{who: 1, body: "Bibimbap for me, please.", thread: 3},
	{who: 2, body: "그럼 냉면도 비빔밥도 있는 곳으로!", thread: 3},
	{who: 1, body: "Is the shop near the station?", reply: 3},
	{who: 2, body: "네, 역에서 걸어서 5분이에요.", reply: 7},
	{who: 0, body: "메시지에는 **굵은 글씨**, *기울임*, `code`도 쓸 수 있어요.\n\n```go\nfmt.Println(\"안녕, Gori\")\n```"},
	{who: 1, body: "Nice. And every message keeps its place in the order: 1, 2, 3 …"},
	{who: 2, body: "7시에 만나요"},
	{who: 1, body: "@데모 하나 are you coming too?", mention: 1},
	{who: 2, body: "하나 님, 자리 맡아 둘게요 🙂", mention: 1},
}

// group makes the group and its talk; the last two lines stay unread by the
// first person, whom they mention.
func (d *demoShow) group(ctx context.Context) (client.Channel, error) {
	ids := d.ids()
	ch, err := d.people[0].CreateGroup(ctx, client.NewGroup{Key: demoID("group", 0), Name: "고리 동네 · Gori town", Members: ids[1:]})
	if err != nil {
		return ch, err
	}
	seqs := make([]client.Seq, len(demoGroup)+1)
	for i, l := range demoGroup {
		o := client.Outgoing{Channel: ch.ID, ClientMsgID: demoID("group line", i), Body: l.body, ReplyTo: seqs[l.reply], Thread: seqs[l.thread]}
		if l.mention > 0 {
			o.Mentions = []client.UserID{ids[l.mention-1]}
		}
		r, err := d.people[l.who].Post(ctx, o)
		if err != nil {
			return ch, err
		}
		seqs[i+1] = r.Seq
	}
	for _, r := range []struct {
		who, line int
		emoji     string
	}{{1, 1, "👋"}, {2, 1, "🎉"}, {0, 3, "🍜"}, {1, 3, "🍜"}, {0, 10, "👍"}, {2, 10, "👍"}} {
		if _, err := d.people[r.who].React(ctx, ch.ID, seqs[r.line], r.emoji); err != nil {
			return ch, err
		}
	}
	if _, err := d.people[2].Edit(ctx, ch.ID, seqs[11], "7시 반에 만나요"); err != nil {
		return ch, err
	}
	last := len(demoGroup)
	for i, p := range d.people {
		upTo := seqs[last]
		if i == 0 {
			upTo = seqs[last-2]
		}
		if _, err := p.MarkRead(ctx, ch.ID, upTo, 0); err != nil {
			return ch, err
		}
	}
	return ch, nil
}

// invite asks the newcomer's own account to be a friend, and adds it to the group.
func (d *demoShow) invite(ctx context.Context, group client.Channel, name string) error {
	if name == "" {
		return nil
	}
	found, err := d.people[0].FindUsers(ctx, name)
	if err != nil {
		return err
	}
	for _, u := range found {
		if u.LoginName != name {
			continue
		}
		if _, err := d.people[0].AddMembers(ctx, group.ID, u.ID); err != nil {
			return err
		}
		_, err := d.people[0].Befriend(ctx, u.ID)
		return err
	}
	return fmt.Errorf("there is no account %q to be with", name)
}
