package command

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"gori/client"
)

// A login that is ended on one node ends on the others within a second (P7),
// with the mesh and without a word of it.
func TestAnEndedLoginEndsOnEveryNode(t *testing.T) {
	t.Parallel()
	var cut atomic.Bool
	nodes := startMeshNodes(t, 3, cut.Load)
	main := connectDevice(t, nodes[0], "ann", true)
	for name, loses := range map[string]bool{"whole mesh": false, "nothing passes": true} {
		cut.Store(loses)
		var others []*meshDevice
		for _, on := range nodes {
			others = append(others, connectDevice(t, on, "ann", false))
		}
		for _, d := range others {
			began := time.Now()
			if err := main.c.RevokeLogin(t.Context(), d.c.Login()); err != nil {
				t.Fatal(err)
			}
			select {
			case <-d.live.Done():
			case <-time.After(patience):
				t.Fatalf("%s: %s still lives", name, d.name)
			}
			promised(t, fmt.Sprintf("%s: %s ended by %v", name, d.name, d.live.Err()), time.Since(began), time.Second)
			if _, err := d.c.Self(t.Context()); client.CodeOf(err) != "unauthenticated" {
				t.Errorf("%s: the token of %s: %v", name, d.name, err)
			}
		}
	}
	select {
	case <-main.live.Done():
		t.Fatalf("another login ended too: %v", main.live.Err())
	default:
	}
}
