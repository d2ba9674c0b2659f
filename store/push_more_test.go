package store

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"gori/chat"
	"gori/notify"
	"gori/notify/notifytest"
)

// exec changes rows of one user's home behind the store's back.
func (b *postbox) exec(sql string, args ...any) {
	b.t.Helper()
	for _, sh := range b.shards() {
		tx, err := sh.pool().Begin(context.Background())
		if err != nil {
			b.t.Fatal(err)
		}
		if _, err := tx.Exec(context.Background(), `SELECT control.gate((SELECT array_agg(partition) FROM control.partition_owner WHERE state = 'active'))`); err != nil {
			b.t.Fatal(err)
		}
		if _, err := tx.Exec(context.Background(), sql, args...); err != nil {
			b.t.Fatal(err)
		}
		if err := tx.Commit(context.Background()); err != nil {
			b.t.Fatal(err)
		}
	}
}

// dueNow makes all that waits due.
func (b *postbox) dueNow() {
	b.t.Helper()
	b.exec(`UPDATE data.push_wakes SET due_at = now() - interval '1 second'`)
	b.exec(`UPDATE data.push_jobs SET next_at = now() - interval '1 second' WHERE next_at IS NOT NULL`)
}

func TestPushesOfTwoNodesAreOne(t *testing.T) {
	b := newPostbox(t, 2)
	other := newWorldOn(t, b.dsns)
	ann, bob := b.person("ann"), b.person("bob")
	b.device(bob, "/bob")
	b.run(b.n, b.notifier(other.Store), b.notifier(b.Store))
	if k, err := b.notifier(other.Store).VAPIDKey(context.Background()); err != nil || k == "" {
		t.Fatal(err)
	} else if k2, _ := b.n.VAPIDKey(context.Background()); k != k2 {
		t.Error("two nodes have two keys")
	}
	ch := b.direct(ann, bob)
	const rounds = 6
	for i := range rounds {
		b.say(ch, ann, "message")
		b.taken(i + 1)
	}
	if n := b.service.Seen(); n != rounds {
		t.Errorf("the service was called %d times for %d messages", n, rounds)
	}
}

// A node that dies between two steps leaves its work to others.
func TestPushSurvivesTheDeathOfItsNode(t *testing.T) {
	b := newPostbox(t, 1)
	ctx := context.Background()
	ann, bob := b.person("ann"), b.person("bob")
	b.device(bob, "/bob")
	ch := b.direct(ann, bob)
	q := b.PushQueues().All()[0]
	claim := func() notify.Job {
		t.Helper()
		var jobs []notify.Job
		eventually(t, "a job is due", func() bool {
			wakes, err := q.DueWakes(ctx, 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range wakes {
				// As if two nodes had decided at once.
				ds := []notify.Decision{{Wake: w, Tell: w.Seq}}
				if err := q.Settle(ctx, ds); err != nil {
					t.Fatal(err)
				}
				if err := q.Settle(ctx, ds); err != nil {
					t.Fatal(err)
				}
			}
			jobs, err = q.Claim(ctx, 10, time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			return len(jobs) > 0
		})
		if again, err := q.Claim(ctx, 10, time.Minute); err != nil || len(jobs) != 1 || len(again) != 0 {
			t.Fatalf("claimed %d, then %d: %v", len(jobs), len(again), err)
		}
		return jobs[0]
	}

	// Dead after the claim: when the lease has ended another node sends it, and
	// the first one, should it come back, may not.
	first := b.say(ch, ann, "하나")
	frozen := claim()
	b.dueNow()
	stop := b.run(b.n)
	if p := b.taken(1)[0]; p.Payload["seq"] != float64(first.Seq) {
		t.Errorf("push %s", p.Raw)
	}
	stop()
	if _, ok, err := b.State(ctx, frozen); ok || err != nil {
		t.Errorf("a lost lease still holds: %v", err)
	}
	if ok, err := b.Begin(ctx, frozen, notify.Attempt{Seq: first.Seq}); ok || err != nil {
		t.Errorf("an attempt begins on a lost lease: %v", err)
	}

	// Dead after the attempt was recorded: whether it was made is not known,
	// so it is not made again.
	second := b.say(ch, ann, "둘")
	dead := claim()
	if ok, err := b.Begin(ctx, dead, notify.Attempt{Seq: second.Seq}); !ok || err != nil {
		t.Fatal(err)
	}
	b.dueNow()
	stop = b.run(b.notifier(b.Store))
	b.settled()
	b.taken(1)
	stop()

	// A fan-out that is done again wakes nobody for what was told.
	b.exec(`INSERT INTO data.push_wakes (partition, user_id, channel_id, seq) SELECT partition, user_id, channel_id, $1 FROM data.push_jobs`, int64(second.Seq))
	stop = b.run(b.notifier(b.Store))
	b.settled()
	b.taken(1)
	b.say(ch, ann, "셋")
	b.taken(2)
	stop()
}

func TestPushIsTriedAgain(t *testing.T) {
	b := newPostbox(t, 1)
	ann, bob := b.person("ann"), b.person("bob")
	b.device(bob, "/bob")
	ch := b.direct(ann, bob)
	answers := []int{503, 429, 500}
	var calls atomic.Int32
	b.service.Answer(func(string) (int, http.Header) {
		if n := int(calls.Add(1)); n <= len(answers) {
			return answers[n-1], http.Header{"Retry-After": {"0"}}
		}
		return 201, nil
	})
	b.run(b.n)
	b.say(ch, ann, "먼저")
	for i := range answers {
		eventually(t, "an attempt has failed", func() bool {
			var attempts int
			err := b.shards()[0].pool().QueryRow(context.Background(), `SELECT coalesce(max(attempts), 0) FROM data.push_jobs
				WHERE sent_seq < seq AND next_at BETWEEN now() + interval '5 seconds' AND now() + interval '1 hour'`).Scan(&attempts)
			if err != nil {
				t.Fatal(err)
			}
			return attempts == i+1 && b.service.Seen() == i+1
		})
		if i == 0 {
			// More news does not hurry it, and comes with it.
			b.say(ch, ann, "나중")
			eventually(t, "the job is of the later one", func() bool {
				var seq int64
				err := b.shards()[0].pool().QueryRow(context.Background(), `SELECT coalesce(max(seq), 0) FROM data.push_jobs`).Scan(&seq)
				return err == nil && seq == 2
			})
		}
		b.dueNow()
	}
	if p := b.taken(1)[0]; p.Text("body") != "나중" {
		t.Errorf("push %s", p.Raw)
	}

	// An answer that never came is not asked for again.
	b.service.Answer(func(string) (int, http.Header) { return 0, nil })
	seen := b.service.Seen()
	b.say(ch, ann, "unknown")
	eventually(t, "it was tried", func() bool { return b.service.Seen() > seen })
	b.settled()
	b.service.Answer(nil)
	b.dueNow()
	b.settled()
	b.taken(1)

	// What is refused is dropped, and the next one is told.
	b.service.Answer(func(string) (int, http.Header) { return 413, nil })
	b.say(ch, ann, "refused")
	eventually(t, "it was refused", func() bool { return b.n.Stats().Calls["refused_413"] == 1 })
	b.settled()
	b.service.Answer(nil)
	b.say(ch, ann, "taken")
	b.taken(2)

	// A subscription that is gone goes, and what was to be sent to it.
	b.service.Answer(func(string) (int, http.Header) { return 410, nil })
	b.say(ch, ann, "gone")
	eventually(t, "the device is gone", func() bool {
		_, devices, err := b.Devices(context.Background(), bob)
		return err == nil && len(devices) == 0
	})
	b.settled()
	var left int
	if err := b.shards()[0].pool().QueryRow(context.Background(), `SELECT count(*) FROM data.push_jobs`).Scan(&left); err != nil || left != 0 {
		t.Errorf("%d jobs of no device: %v", left, err)
	}
	b.say(ch, ann, "nobody to tell")
	b.settled()
	b.taken(2)
}

func TestPushWaitsForPresence(t *testing.T) {
	b := newPostbox(t, 1)
	ann, bob := b.person("ann"), b.person("bob")
	b.device(bob, "/bob")
	ch := b.direct(ann, bob)
	b.there.set(bob, true)
	b.run(b.n)
	b.say(ch, ann, "while there")
	eventually(t, "it was looked at", func() bool { return b.n.Stats().Wakes["waits"] > 0 })
	// The device turns out to have been dead: the message is not lost.
	b.there.set(bob, false)
	b.dueNow()
	b.taken(1)
	b.there.set(bob, true)
	b.say(ch, ann, "still there after the silence")
	b.quiet()
	eventually(t, "it is let go", func() bool {
		b.exec(`UPDATE data.push_wakes SET news_at = now() - interval '1 minute', due_at = now()`)
		return b.n.Stats().Wakes["live"] > 0
	})
	b.settled()
	b.taken(1)
}

// A login that ends takes its devices along, by whatever door (P7).
func TestPushEndsWithItsLogin(t *testing.T) {
	b := newPostbox(t, 1)
	ctx := context.Background()
	ann, bob := b.person("ann"), b.person("bob")
	ch := b.direct(ann, bob)
	subscribe := func(path string) chat.LoginID {
		t.Helper()
		login, _, err := b.CreateLogin(ctx, bob, sha256.Sum256([]byte(path)), path)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := b.n.Register(ctx, chat.Identity{User: bob, Login: login}, b.service.Subscribe(path)); err != nil {
			t.Fatal(err)
		}
		return login
	}
	count := func(want int, why string) {
		t.Helper()
		if _, devices, err := b.Devices(ctx, bob); err != nil || len(devices) != want {
			t.Errorf("%s: %d devices, want %d: %v", why, len(devices), want, err)
		}
	}
	one := subscribe("/one")
	subscribe("/two")
	count(2, "subscribed")
	if err := b.RevokeLogins(ctx, bob, one); err != nil {
		t.Fatal(err)
	}
	count(1, "after a logout")
	if _, _, err := b.n.Register(ctx, chat.Identity{User: bob, Login: one}, b.service.Subscribe("/late")); chat.CodeOf(err) != chat.CodeUnauthenticated {
		t.Errorf("a device of a login that has ended: %v", err)
	}
	if _, err := b.SetPassword(ctx, bob, "x", 0); err != nil {
		t.Fatal(err)
	}
	count(0, "after a new password")

	// Even if the row had stayed, the push would not be sent.
	subscribe("/three")
	b.say(ch, ann, "unheard")
	b.quiet()
	b.exec(`DELETE FROM data.logins WHERE user_id = $1`, int64(bob))
	b.run(b.n)
	b.settled()
	subscribe("/four")
	b.exec(`UPDATE data.users SET disabled = true WHERE user_id = $1`, int64(bob))
	b.say(ch, ann, "unheard too")
	b.settled()
	b.taken(0)
}

// Who was removed from a channel is not told of it any more, nor is someone
// whose device belongs to an account that was not there.
func TestPushEndsWithMembership(t *testing.T) {
	b := newPostbox(t, 2)
	ctx := context.Background()
	ann, bob := b.person("ann"), b.person("bob")
	b.device(bob, "/bob")
	group := b.group(ann, bob)
	b.quiet()
	b.say(group, ann, "secret")
	b.quiet()
	if _, err := b.Govern(ctx, chat.Governance{Kind: chat.GovernRemove, Channel: group, Actor: ann, Users: []chat.UserID{bob}}); err != nil {
		t.Fatal(err)
	}
	b.run(b.n)
	b.settled()
	b.taken(0)
}

// A push service that does not answer takes its own pushes' time and nobody
// else's, and is not called more for it.
func TestASlowPushServiceHoldsUpNobody(t *testing.T) {
	b := newPostbox(t, 1)
	slow := notifytest.NewService(t, "")
	slow.Hold()
	ann, cat := b.person("ann"), b.person("cat")
	members := append(b.people(8), cat)
	for i, u := range members[:8] {
		if _, _, err := b.n.Register(context.Background(), chat.Identity{User: u}, slow.Subscribe(fmt.Sprint("/", i))); err != nil {
			t.Fatal(err)
		}
	}
	b.device(cat, "/cat")
	group := b.group(ann, members...)
	b.quiet()
	b.run(b.n)
	b.say(group, ann, "모두에게")
	eventually(t, "the others are told", func() bool { return slow.Seen() > 0 && len(b.service.Pushes()) == 1 })
	b.say(group, ann, "또")
	eventually(t, "the others are told again", func() bool { return len(b.service.Pushes()) == 2 })
	if n := slow.Seen(); n > 4 {
		t.Errorf("the slow service was called %d times at once", n)
	}
}
