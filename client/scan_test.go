package client

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"
)

// TestScanAgreesWithJSON: whatever encoding/json writes, the scanner reads the
// same.
func TestScanAgreesWithJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Message{
			Channel: ChannelID(rapid.Int64Min(1).Draw(t, "channel")),
			Seq:     Seq(rapid.Int64Min(1).Draw(t, "seq")),
			Sender:  UserID(rapid.Int64Min(1).Draw(t, "sender")),
			Body:    rapid.String().Draw(t, "body"),
		}
		copy(m.ClientMsgID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		b, err := json.Marshal(map[string]any{"a": m.Body, "message": m, "op": "msg"})
		if err != nil {
			t.Fatal(err)
		}
		o, _ := openObject(b)
		if got := text(o.field("op")); got != "msg" {
			t.Fatalf("op %q of %s", got, b)
		}
		var body string
		if err := json.Unmarshal(o.field("a"), &body); err != nil {
			t.Fatalf("a: %v of %s", err, b)
		}
		d, ok := scanDelivery(o.field("message"))
		if !ok || d != (Delivery{m.Channel, m.Seq, m.Sender, m.ClientMsgID}) {
			t.Fatalf("%+v of %s", d, b)
		}
		var back struct{ Body string }
		if err := json.Unmarshal(sendFrame(Outgoing{Channel: 1, Body: m.Body}), &back); err != nil {
			t.Fatal(err)
		}
	})
}

func TestScanInbox(t *testing.T) {
	b := []byte(`{"op":"inbox","pos":9,"entries":[{"channel":"5","kind":1,"member":true,"pos":8,"last_seq":3,"preview":"a \"]}, b","last_change":2},{"channel":"6","member":false}]}`)
	o, _ := openObject(b)
	var pos Pos
	var list []InboxEntry
	if !scanInbox(o, &pos, &list) || pos != 9 || len(list) != 2 {
		t.Fatalf("%d %+v", pos, list)
	}
	if e := list[0]; e.Channel != 5 || !e.Member || e.LastSeq != 3 || e.LastChange != 2 || list[1].Channel != 6 || list[1].Member {
		t.Fatalf("%+v", list)
	}
}

// FuzzScan: nothing a broken server says makes the scanner crash or hang.
func FuzzScan(f *testing.F) {
	f.Add([]byte(`{"op":"msg","message":{"channel":"1","seq":1,"sender":"2","client_msg_id":"01890000-0000-7000-8000-000000000000","body":"\\\""}}`))
	f.Add([]byte(`{"op":"inbox","pos":1,"entries":[{"channel":"1"},`))
	f.Add([]byte(`{"a":"\`))
	f.Fuzz(func(_ *testing.T, b []byte) {
		o, ok := openObject(b)
		if !ok {
			return
		}
		o.field("nothing")
		scanDelivery(o.field("message"))
		var pos Pos
		var list []InboxEntry
		scanInbox(o, &pos, &list)
		scanReceipt(o)
	})
}

func BenchmarkScanMsg(b *testing.B) {
	frame := []byte(`{"op":"msg","message":{"channel":"1234567890123456789","seq":1234,"n":1234,"sender":"1234567890123456789","client_msg_id":"01890000-0000-7000-8000-000000000000","body":"a body of sixty characters, more or less, as people write it.","at":1700000000000}}`)
	for b.Loop() {
		o, _ := openObject(frame)
		if text(o.field("op")) != "msg" {
			b.Fatal("op")
		}
		if _, ok := scanDelivery(o.field("message")); !ok {
			b.Fatal("delivery")
		}
	}
}
