package store

import (
	"context"
	"testing"

	"gori/chat"
	"gori/shard"
	"gori/shard/reshard"
)

// moveHome moves the partition of an id to the other of two shards.
func (c *court) moveHome(p shard.Partition) (from, to shard.ID) {
	c.t.Helper()
	from, to = c.owners()[p], "s1"
	if from == to {
		to = "s2"
	}
	c.moveGroup(reshard.Group{Reshard: "test", From: from, To: to, Partitions: []shard.Partition{p}})
	return from, to
}

// A push that is owed when its receiver's home moves is sent once, from the new
// home; what still lies at the old one wakes nobody.
func TestPushesMoveWithTheirReceiver(t *testing.T) {
	t.Parallel()
	b := newPostbox(t, 2)
	c := courtOf(b.world)
	ann, bob := b.person("ann"), b.person("bob")
	b.device(bob, "/bob")
	ch := b.direct(ann, bob)
	b.say(ch, ann, "before")
	b.quiet()
	from, to := c.moveHome(shard.Of(bob))
	if n := c.count(from, "SELECT count(*)::int FROM data.push_wakes"); n != 1 {
		t.Fatalf("%d wakes lie at the old home; this test is about one", n)
	}
	for _, q := range b.PushQueues().All() {
		q := q.(pushQueue)
		wakes, _, err := q.Waiting(t.Context())
		_, waits, err2 := q.Next(t.Context())
		if here := q.sh.id == to; err != nil || err2 != nil || waits != here || (wakes == 1) != here {
			t.Errorf("at %s %d wakes wait, %v: %v %v", q.sh.id, wakes, waits, err, err2)
		}
	}
	b.run(b.n)
	if p := b.taken(1)[0]; p.Text("body") != "before" {
		t.Errorf("push %+v", p)
	}
	// Going back, with the old rows of both sides still there, repeats nothing.
	if err := c.engine.Clean(t.Context(), from, []shard.Partition{shard.Of(bob)}, noPace{}); err != nil {
		t.Fatal(err)
	}
	c.moveHome(shard.Of(bob))
	r := b.say(ch, ann, "after")
	b.taken(2)
	b.read(bob, ch, r.Seq)
	b.taken(3)
}

// What was taken away just before its partition moved is read, wherever that is
// now, and so is what is taken away at a shard that has come meanwhile.
func TestRevocationsAreReadThroughMoves(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	c := newCourt(t, 2, asNodes)
	ann := c.person("ann")
	page := sure(c.Revoked(ctx, nil, 0))
	first := c.ends(ann, 1)
	from, _ := c.moveHome(shard.Of(ann))
	if err := c.engine.Clean(ctx, from, []shard.Partition{shard.Of(ann)}, noPace{}); err != nil {
		t.Fatal(err)
	}
	second := c.ends(ann, 2)
	seen := map[chat.LoginID]bool{}
	look := func() {
		t.Helper()
		page = sure(c.Revoked(ctx, page.Since, 0))
		for _, r := range page.List {
			seen[r.Login] = true
		}
		if page.Lost {
			t.Error("something counts as lost")
		}
	}
	look()
	if !seen[first] || !seen[second] {
		t.Errorf("seen are %v, not %v and %v", seen, first, second)
	}

	c.newInstance("s3")
	c.publish(c.ring.Add("s3", c.at["s3"], plan))
	c.followed()
	p := shard.Of(ann)
	c.moveGroup(reshard.Group{Reshard: "test", From: c.owners()[p], To: "s3", Partitions: []shard.Partition{p}})
	third := c.ends(ann, 3)
	look()
	if _, ok := page.Since["s3"]; !ok || !seen[third] {
		t.Errorf("the new shard is read: %v, seen are %v", ok, seen)
	}
}
