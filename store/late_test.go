package store

import (
	"context"
	"testing"
	"time"

	"gori/chat"
)

// A node that stood still with a send in its queue does not store it: the device may
// have been told otherwise by another node since.
func TestWhatWaitedThroughAStandstillIsNotStored(t *testing.T) {
	w := newWorld(t, 1)
	h := &harness{t, w.Store}
	a, b := h.user(), h.user()
	ch := h.channel(a, b)
	send := func(n int) ([]chat.Receipt, error) {
		return w.Append(context.Background(), chat.Draft{Channel: ch, Sender: a, ClientMsgID: cid(n), Body: "x"})
	}
	if _, err := send(1); err != nil {
		t.Fatal(err)
	}
	c := &appendCall{channel: ch, p: partitionOf(ch), drafts: []chat.Draft{{Channel: ch, Sender: a, ClientMsgID: cid(2), Body: "x"}},
		bytes: 1, asked: w.now().Add(-tooLate - time.Second), done: make(chan struct{})}
	if err := w.shards()[0].writerFor(ch).enqueue(c); err != nil {
		t.Fatal(err)
	}
	<-c.done
	if chat.CodeOf(c.err) != chat.CodeOverloaded || !chat.ErrorOf(c.err).Retry {
		t.Fatalf("it was answered %v", c.err)
	}
	if rs, err := send(3); err != nil || rs[0].Seq != 2 {
		t.Fatalf("the next one: %v, %v", rs, err)
	}
	if rs, err := send(2); err != nil || rs[0].Seq != 3 || rs[0].Duplicate {
		t.Fatalf("sent again: %v, %v", rs, err)
	}
}
