package presence

import (
	"testing"
	"time"

	"gori/chat"
)

// deafPeers carries nothing and keeps what it was given.
type deafPeers struct{ to map[string][][]byte }

func (d *deafPeers) ToAll(b []byte) { d.ToNode("", b) }
func (d *deafPeers) ToNode(node string, b []byte) {
	if d.to == nil {
		d.to = map[string][][]byte{}
	}
	d.to[node] = append(d.to[node], b)
}

// deafTracker has peers n2 and n3, users 1 and 2 here, and its own payloads.
func deafTracker() (*Tracker, *deafPeers) {
	tr := New(&fakeBeats{}, &ear{}, Options{})
	d := &deafPeers{}
	tr.SetPeers(d, "n1")
	tr.NodeJoined("n2")
	tr.NodeJoined("n3")
	come(tr, 1, 10)
	come(tr, 2, 20)
	tr.SeenByChanged(2, chat.PresenceToFriends)
	tr.announce(time.Now())
	return tr, d
}

// FuzzHeard: nothing that comes from another node makes a Tracker fail, and what
// it keeps of it agrees with its own digests.
func FuzzHeard(f *testing.F) {
	tr, d := deafTracker()
	other := New(&fakeBeats{}, &ear{}, Options{})
	od := &deafPeers{}
	other.SetPeers(od, "n2")
	other.NodeJoined("n1")
	for _, ask := range d.to["n2"] {
		f.Add(ask)
	}
	tr.Heard("n2", od.to["n1"][0])
	for _, list := range d.to {
		for _, b := range list {
			f.Add(b)
			f.Add(b[:len(b)-1])
		}
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		tr, _ := deafTracker()
		tr.Heard("n2", b)
		tr.Heard("n2", append(b, b...))
		tr.Heard("nobody", b)
		tr.Heard("n1", b)
		tr.NodesOf([]chat.UserID{1, 2, 3}, func(string, []chat.UserID) {})
		tr.mu.Lock()
		p := tr.nodes.byName["n2"]
		var root uint64
		users := 0
		for i := range bucketCount {
			for _, u := range tr.nodes.table.inBucket(uint8(i), p.index) {
				root += hashOf(u, tr.nodes.table.get(u, p.index))
				users++
			}
		}
		if root != p.root || users != p.users {
			t.Fatalf("%d users with root %x, counted %d with %x", users, root, p.users, p.root)
		}
		tr.mu.Unlock()
		tr.NodeGone("n2")
		tr.mu.Lock()
		tr.endGracesLocked(time.Now().Add(time.Minute))
		tr.mu.Unlock()
		if s := tr.Stats(); s.Elsewhere != 0 || len(s.Nodes) != 1 {
			t.Fatalf("of a node that is gone stays %+v", s)
		}
	})
}

// TestOldRunIsNotHeard: what a node's run before the present one said, and is
// only heard now, is not taken.
func TestOldRunIsNotHeard(t *testing.T) {
	tr, _ := deafTracker()
	old := entry{77, record{1, makeWord(sayActive, seenByAll, 1, false)}}
	tr.Heard("n2", head{kindDigest, 9, 1, 0}.append(nil))
	tr.Heard("n2", old.append(head{kindDelta, 8, 5, 0}.append(nil)))
	tr.NodesOf([]chat.UserID{77}, func(string, []chat.UserID) { t.Fatal("an old run's word was taken") })
	// A restart with a clock that is behind is known by its joining again.
	tr.NodeJoined("n2")
	tr.Heard("n2", old.append(head{kindDelta, 8, 5, 0}.append(nil)))
	n := 0
	tr.NodesOf([]chat.UserID{77}, func(string, []chat.UserID) { n++ })
	if n != 1 {
		t.Fatal("the new run's word was not taken")
	}
}

// TestOldDeltaDoesNotUndo: a delta that was overtaken by a later one of the same
// user changes nothing.
func TestOldDeltaDoesNotUndo(t *testing.T) {
	tr, _ := deafTracker()
	e := entry{77, record{1, makeWord(sayActive, seenByAll, 1, false)}}
	gone := entry{77, record{2, 0}}
	tr.Heard("n2", gone.append(head{kindDelta, 9, 6, 0}.append(nil)))
	tr.Heard("n2", e.append(head{kindDelta, 9, 5, 0}.append(nil)))
	tr.NodesOf([]chat.UserID{77}, func(string, []chat.UserID) { t.Fatal("the older word won") })
}
