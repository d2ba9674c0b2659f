package client

import (
	"testing"
)

// TestAlteredBeforeItCame: the page of changes may tell of a message whose frame,
// made before, is still on its way: it is handed over as it is now, since the
// cursor says that the change is known.
func TestAlteredBeforeItCame(t *testing.T) {
	var got []Message
	l := &Live{opt: LiveOptions{CatchUp: 100, Events: Events{
		Message: func(m Message) { got = append(got, m) },
		Change:  func(m Message) { t.Errorf("a change of message %d, which has not come", m.Seq) },
	}}}
	r := &l.recv
	r.init(l, t.Context())
	r.resumed = true
	r.channels[1] = &inflow{Cursor: Cursor{Seq: 1}}
	page := Page{Messages: []Message{{Channel: 1, Seq: 2, Change: 1, Body: "new"}, {Channel: 1, Seq: 3, Change: 2, Deleted: true}}, LastChange: 2, LastSeq: 3}
	if err := r.applyChanges(1, page); err != nil {
		t.Fatal(err)
	}
	for _, seq := range []string{"3", "2", "4"} { // one of them too early
		frame := `{"op":"msg","message":{"channel":"1","seq":` + seq + `,"n":1,"sender":"7","client_msg_id":"0190163d-8694-739b-aea5-966c26f8ad91","body":"old"}}`
		if err := l.handle([]byte(frame)); err != nil {
			t.Fatal(err)
		}
	}
	r.close()
	if len(got) != 3 || got[0].Body != "new" || !got[1].Deleted || got[2].Body != "old" {
		t.Errorf("handed over: %+v", got)
	}
	if f := r.channels[1]; f.Cursor != (Cursor{Seq: 4, Change: 2}) || len(f.fresh) > 0 {
		t.Errorf("%+v", f)
	}
}
