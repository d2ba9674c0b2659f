package chat

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite golden files")

type frameCase struct {
	in   string
	want Code // "": good
}

// frameCases are also the seeds of the fuzz tests.
func frameCases() []frameCase {
	const id = `"01900000-0000-7000-8000-000000000001"`
	send := func(rest string) string {
		return `{"op":"send","channel":"7","client_msg_id":` + id + `,"body":"x"` + rest + `}`
	}
	return []frameCase{
		{send(``), ""},
		{" " + send(`,"reply_to":3,"thread":9007199254740991,"mentions":["1","2"],"mention_all":true`) + "\n", ""},
		{`{"op":"ping","active":true}`, ""},
		{`{"op":"bye"}`, ""},
		{`{"op":"open","channel":"0"}`, ""},
		{`{"op":"read","channel":"7","seq":0}`, ""},
		{send(`,"thread":null`), ""},
		{`{"op":"send","channel":"7","client_msg_id":` + id + `,"body":"\ud83d\ude00\n"}`, ""},

		{``, CodeBadRequest},
		{`[]`, CodeBadRequest},
		{`"op"`, CodeBadRequest},
		{`null`, CodeBadRequest},
		{`{}`, CodeBadRequest},
		{`{"op":5}`, CodeBadRequest},
		{`{"op":null}`, CodeBadRequest},
		{`{"op":"pi\u006eg"}`, CodeBadRequest},
		{`{"op":"ping"`, CodeBadRequest},
		{`{"op":"ping",}`, CodeBadRequest},
		{`{"op":"ping"} {}`, CodeBadRequest},
		{`{"op":"ping"}x`, CodeBadRequest},
		{"\ufeff" + `{"op":"ping"}`, CodeBadRequest},
		{`{"op":"ping"/**/}`, CodeBadRequest},
		{`{op:"ping"}`, CodeBadRequest},
		{`{"op":"ping","active":1}`, CodeBadRequest},
		{`{"op":"ping","active":tru}`, CodeBadRequest},
		{`{"op":"ping","op":"bye"}`, CodeBadRequest},
		{`{"op":"ping","Op":"bye"}`, CodeBadRequest},
		{`{"op":"ping","ACTIVE":true}`, CodeBadRequest},
		{`{"op":"ping","\u0061ctive":true}`, CodeBadRequest},
		{`{"op":"ping","when":1}`, CodeBadRequest},
		{`{"op":"dance"}`, CodeUnknownOp},
		{`{"op":""}`, CodeUnknownOp},
		{`{"op":"ack"}`, CodeUnknownOp},
		{strings.Repeat(`{"op":`, 10_000), CodeBadRequest},
		{`{"op":"ping","active":` + strings.Repeat(`[`, 100_000) + `}`, CodeBadRequest},
		{`{"op":"ping","active":` + strings.Repeat(`9`, 1000) + `}`, CodeBadRequest},
		{send(`,"mentions":[` + strings.Repeat(`"1",`, 1000) + `"1"]`), CodeTooLong},
		{send(`,"reply_to":-1`), CodeBadRequest},
		{send(`,"reply_to":1.5`), CodeBadRequest},
		{send(`,"reply_to":1e3`), CodeBadRequest},
		{send(`,"reply_to":1e400`), CodeBadRequest},
		{send(`,"reply_to":NaN`), CodeBadRequest},
		{send(`,"reply_to":9007199254740992`), CodeBadRequest},
		{send(`,"reply_to":9223372036854775808`), CodeBadRequest},
		{send(`,"reply_to":"1"`), CodeBadRequest},
		{send(`,"mentions":[1]`), CodeBadRequest},
		{send(`,"mentions":["0"]`), CodeBadID},
		{`{"op":"send","channel":7,"client_msg_id":` + id + `,"body":"x"}`, CodeBadRequest},
		{`{"op":"send","channel":"07","client_msg_id":` + id + `,"body":"x"}`, CodeBadID},
		{`{"op":"send","channel":"-7","client_msg_id":` + id + `,"body":"x"}`, CodeBadID},
		{`{"op":"send","channel":"9223372036854775808","client_msg_id":` + id + `,"body":"x"}`, CodeBadID},
		{`{"op":"send","client_msg_id":` + id + `,"body":"x"}`, CodeBadID},
		{`{"op":"send","channel":"7","body":"x"}`, CodeBadID},
		{`{"op":"send","channel":"7","client_msg_id":"01900000-0000-7000-8000-00000000000X","body":"x"}`, CodeBadID},
		{`{"op":"send","channel":"7","client_msg_id":"` + strings.Repeat("0", 10_000) + `","body":"x"}`, CodeBadID},
		{`{"op":"open","channel":"00"}`, CodeBadID},
		{`{"op":"open"}`, CodeBadID},
		{`{"op":"ping","x":"\u0000"}`, CodeBadText},
		{"{\"op\":\"ping\",\"x\":\"\x00\"}", CodeBadText},
		{"{\"op\":\"ping\",\"x\":\"\xff\"}", CodeBadText},
		{"{\"op\":\"ping\",\"x\":\"\xed\xa0\x80\"}", CodeBadText},
		{`{"op":"ping","x":"\ud800"}`, CodeBadText},
		{`{"op":"ping","x":"\ud800\ud800"}`, CodeBadText},
		{`{"op":"ping","x":"\udc00"}`, CodeBadText},
		{`{"op":"ping","x":"\ud83d \ude00"}`, CodeBadText},
		{`{"op":"ping","x":"\uZZZZ"}`, CodeBadRequest},
		{`{"op":"ping","x":"\x"}`, CodeBadRequest},
		{`{"op":"ping","x":"\`, CodeBadRequest},
		{`{"op":"ping","x":"\u12`, CodeBadRequest},
		{strings.Repeat(" ", MaxFrameBytes+1), CodeTooLong},
	}
}

func TestDecodeFrame(t *testing.T) {
	for _, c := range frameCases() {
		_, refused := decodeFrame([]byte(c.in))
		got := Code("")
		if refused != nil {
			got = CodeOf(refused.err)
		}
		if got != c.want {
			t.Errorf("%.100q: %q, want %q", c.in, got, c.want)
		}
	}
}

func FuzzDecodeFrame(f *testing.F) {
	for op := range clientOps {
		f.Add([]byte(`{"op":"` + op + `"}`))
	}
	for _, c := range frameCases() {
		if len(c.in) < 1000 {
			f.Add([]byte(c.in))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		frame, refused := decodeFrame(data)
		if (frame == nil || refused != nil) && (refused == nil || refused.err == nil) {
			t.Fatal("neither a frame nor a refusal")
		}
		if refused != nil {
			if CodeOf(refused.err) == CodeInternal {
				t.Fatalf("an uncoded error: %v", refused.err)
			}
			return
		}
		// What passes must be plain JSON to encoding/json, with the same content.
		again, err := json.Marshal(frame)
		if err != nil {
			t.Fatal(err)
		}
		if s, ok := frame.(*sendOp); ok { // the quick way gives what the long way gives
			var slow sendOp
			if err := decodeChecked(data, &slow); err != nil || !reflect.DeepEqual(*s, slow) {
				t.Fatalf("%s became %+v, encoding/json makes it %+v, %v", data, *s, slow, err)
			}
			return
		}
		if _, refused := decodeFrame(again); refused != nil && !bytes.Contains(again, []byte("null")) {
			t.Fatalf("%s was taken, %s is refused: %v", data, again, refused.err)
		}
	})
}

func FuzzDecodeStrict(f *testing.F) {
	for _, c := range frameCases() {
		if len(c.in) < 1000 {
			f.Add([]byte(c.in))
		}
	}
	f.Add([]byte(`{"a":[{"b":null},1,2.5e3,true,"x\n"],"c":{"d":{}}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var v map[string]any
		err := DecodeStrict(data, &v)
		if err != nil {
			if CodeOf(err) == CodeInternal {
				t.Fatalf("an uncoded error: %v", err)
			}
			return
		}
		if !json.Valid(data) {
			t.Fatalf("%q is no JSON and was taken", data)
		}
		if bytes.Contains(data, []byte(`\ufffd`)) || bytes.Contains(data, []byte("\ufffd")) {
			return
		}
		// A hidden replacement would have lost something of the text.
		out, _ := json.Marshal(v)
		if bytes.Contains(out, []byte("\ufffd")) || bytes.Contains(out, []byte(`\ufffd`)) {
			t.Fatalf("%q lost characters: %s", data, out)
		}
	})
}

func anyMessage(t *rapid.T) Message {
	id := func(name string) int64 { return rapid.Int64Range(1, 1<<62).Draw(t, name) }
	small := func(name string) int64 { return rapid.Int64Range(0, 3).Draw(t, name) }
	m := Message{Channel: ChannelID(id("channel")), Seq: Seq(id("seq")), Count: Count(small("n")), ThreadCount: Count(small("tn")),
		Sender: UserID(id("sender")), Kind: MessageKind(rapid.IntRange(0, 1).Draw(t, "kind")), Body: rapid.String().Draw(t, "body"),
		At: Millis(small("at")), OrigAt: Millis(small("orig")), ReplyTo: Seq(small("reply")), Thread: Seq(small("thread")),
		MentionAll: rapid.Bool().Draw(t, "all"), Change: Change(small("change")), EditedAt: Millis(small("edited")), Deleted: rapid.Bool().Draw(t, "deleted")}
	copy(m.ClientMsgID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "cid"))
	for range rapid.IntRange(0, 3).Draw(t, "mentions") {
		m.Mentions = append(m.Mentions, UserID(id("mention")))
	}
	if rapid.Bool().Draw(t, "more") {
		m.Reactions = []Reaction{{Emoji: "👍", Users: []UserID{1, 2}}, {Emoji: "<", Users: []UserID{3}}}
		m.Replies = &Replies{Count: 2, LastSeq: 3, LastAt: 4}
		m.System = &System{Event: EventRenamed, Actor: 1, Text: "a & b"}
	}
	return m
}

func TestEncodersEqualEncodingJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := anyMessage(t)
		if got, want := encodeMessage(OpMessage, &m), encode(messageFrame{OpMessage, m}); !bytes.Equal(got, want) {
			t.Fatalf("msg\n got %s\nwant %s", got, want)
		}
		a := Ack{Channel: m.Channel, ClientMsgID: m.ClientMsgID, Seq: m.Seq, Count: m.Count, ThreadCount: m.ThreadCount, At: m.At, Dup: m.Deleted}
		want := a
		want.Op = OpAck
		if got, want := encodeAck(&a), encode(want); !bytes.Equal(got, want) {
			t.Fatalf("ack\n got %s\nwant %s", got, want)
		}
	})
	for _, s := range []string{"", "\x00\x01\b\f\n\r\t\"\\/", "\xff\xc0a", "\u2028\u2029", "가👍<>&", "\x7f\u0080"} {
		if got, want := appendString(nil, s), encode(s); !bytes.Equal(got, want) {
			t.Errorf("%q: got %s, want %s", s, got, want)
		}
	}
}

// sampleFrames are all frames from server to client, every field set.
func sampleFrames() map[string]any {
	id, _ := ParseClientMsgID("01900000-0000-7000-8000-000000000001")
	msg := Message{Channel: 7, Seq: 12, Count: 9, ThreadCount: 1, Sender: 5, ClientMsgID: id, Body: "안녕", At: 1700000000000,
		OrigAt: 1600000000000, ReplyTo: 3, Thread: 2, Mentions: []UserID{6}, MentionAll: true, Change: 4, EditedAt: 1700000001000,
		Reactions: []Reaction{{Emoji: "👍", Users: []UserID{6}}}, Replies: &Replies{Count: 1, LastSeq: 12, LastAt: 1700000000000}}
	deleted := Message{Channel: 7, Seq: 11, Count: 8, Sender: 5, ClientMsgID: id, At: 1700000000000, Change: 5, Deleted: true}
	system := Message{Channel: 7, Seq: 10, Count: 8, Sender: 5, ClientMsgID: id, Kind: KindSystem, At: 1700000000000,
		System: &System{Event: EventRenamed, Actor: 5, Users: []UserID{6}, Text: "새 이름"}}
	user := User{ID: 5, LoginName: "min", DisplayName: "민", AvatarColor: 3, AvatarVersion: 2, StatusLine: "바쁨", Disabled: true, LastActiveAt: 1700000000000}
	entry := InboxEntry{Channel: 7, Kind: KindGroup, Peer: 6, Name: "모임", Member: true, Pos: 40, LastSeq: 12, LastCount: 9, LastChange: 5,
		LastAt: 1700000000000, LastSender: 5, Preview: "안녕", PreviewKind: KindSystem, ReadSeq: 10, ReadCount: 8, Mentions: 1,
		Threads: []ThreadUnread{{Root: 2, Unread: 1, Mentions: 1}}, Level: LevelMentions, Pinned: true}
	friend := Friend{User: 6, State: FriendAccepted, Since: 1700000000000}
	presence := []PresenceState{{User: 6, State: "away", LastActiveAt: 1700000000000}}
	channel := Channel{ID: 7, Kind: KindGroup, Name: "모임", CreatedAt: 1700000000000, LastSeq: 12, LastCount: 9, LastChange: 5, MemberCount: 3,
		MemberLimit: 100, MemberVersion: 2}
	return map[string]any{
		"resumed": Resumed{Op: OpResumed, Me: Self{User: user, Admin: true, Lang: "ko"}, Login: 8, Session: "65", Node: "n1", Pos: 40,
			Entries: []InboxEntry{entry}, More: true, Friends: []Friend{friend}, People: []User{user}, Presence: presence,
			Limits: PublicLimits(), Now: 1700000000000},
		"ack":          Ack{Op: OpAck, Channel: 7, ClientMsgID: id, Seq: 12, Count: 9, ThreadCount: 1, At: 1700000000000, Dup: true},
		"nack":         Nack{Op: OpNack, ClientMsgID: id.String(), Ref: OpSend, Code: CodeShardDown, Message: "try again", Retry: true, AfterMillis: 500},
		"msg":          messageFrame{OpMessage, msg},
		"msg_system":   messageFrame{OpMessage, system},
		"change":       messageFrame{OpChange, deleted},
		"inbox":        inboxFrame{OpInbox, 39, []InboxEntry{entry}},
		"read":         readFrame{OpReadMark, 7, 5, 12, 2},
		"typing":       typingFrame{OpTyping, 7, 5, 2},
		"presence":     presenceFrame{OpPresence, presence},
		"pong":         pongFrame{OpPong, 1700000000000},
		"user":         userFrame{OpUser, user},
		"friend":       friendFrame{OpFriend, friend, user},
		"friend_ended": friendFrame{OpFriend, Friend{User: 6, State: FriendNone, Since: 1700000000000}, user},
		"channel":      channelFrame{OpChannel, channel},
	}
}

// fieldsOf lists the paths of all fields of a JSON value.
func fieldsOf(prefix string, v any, into map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		for k, sub := range v {
			into[prefix+"."+k] = true
			fieldsOf(prefix+"."+k, sub, into)
		}
	case []any:
		for _, sub := range v {
			fieldsOf(prefix+"[]", sub, into)
		}
	}
}

// TestFrameFields holds every frame to the list of fields a client may see, so
// that nothing is told by mistake; and gives the web client the same samples.
func TestFrameFields(t *testing.T) {
	samples := sampleFrames()
	fields := map[string]bool{}
	for name, frame := range samples {
		var v any
		if err := json.Unmarshal(encode(frame), &v); err != nil {
			t.Fatal(err)
		}
		fieldsOf(name, v, fields)
	}
	var lines []string
	for f := range fields {
		lines = append(lines, f)
	}
	slices.Sort(lines)
	golden(t, filepath.Join("testdata", "frames.golden"), []byte(strings.Join(lines, "\n")+"\n"))

	all, err := json.MarshalIndent(samples, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, filepath.Join("..", "web", "src", "model", "testdata", "frames.json"), append(all, '\n'))
}

// golden compares with a file, or rewrites it with -update.
func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs; see the difference after: go test ./chat -run %s -update\ngot:\n%s", file, t.Name(), got)
	}
}

func BenchmarkDecodeSend(b *testing.B) {
	data := fmt.Appendf(nil, `{"op":"send","channel":"7123456789012345678","client_msg_id":"01900000-0000-7000-8000-000000000001","body":"%s"}`, strings.Repeat("한글 ", 20))
	b.ReportAllocs()
	for b.Loop() {
		if _, refused := decodeFrame(data); refused != nil {
			b.Fatal(refused.err)
		}
	}
}

func BenchmarkEncodeMessage(b *testing.B) {
	m := Message{Channel: 7123456789012345678, Seq: 12345, Count: 12000, Sender: 7123456789012345678, Body: strings.Repeat("한글 ", 20), At: 1700000000000}
	b.ReportAllocs()
	for b.Loop() {
		encodeMessage(OpMessage, &m)
	}
}
