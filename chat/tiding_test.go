package chat

import (
	"bytes"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFrameTidingsRoundTrip(t *testing.T) {
	big := bytes.Repeat([]byte("x"), 200<<10)
	frames := []Frame{{Bytes: []byte("one"), Channel: 7}, {Bytes: big, Channel: 7}, {Bytes: big, Channel: 7}, {Bytes: []byte("four"), Channel: 7, Light: true}}
	for range 2 * maxTidingFrames {
		frames = append(frames, Frame{Bytes: []byte("."), Channel: 7})
	}
	tidings := frameTidings(7, 3, frames)
	var got []Frame
	for _, td := range tidings {
		id, version, some, err := readFrames(td.Body)
		if err != nil || id != 7 || version != 3 || td.Kind != TidingFrames || len(td.Body) > tidingBytes+1024 {
			t.Fatalf("channel %d, version %d, %d bytes: %v", id, version, len(td.Body), err)
		}
		got = append(got, some...)
	}
	if !reflect.DeepEqual(got, frames) || len(tidings) != 4 {
		t.Fatalf("%d frames in %d tidings became %d", len(frames), len(tidings), len(got))
	}
}

func TestInboxTidingsRoundTrip(t *testing.T) {
	var notices []InboxNotice
	for ch := range ChannelID(3) {
		for u := range UserID(450) {
			e := InboxEntry{Channel: ch + 1, Kind: KindGroup, Name: "이름", Member: u%7 != 0, Pos: Pos(u) + 1, LastSeq: 9, LastCount: 8, LastChange: 7,
				LastAt: 1_700_000_000_000, LastSender: 5, Preview: strings.Repeat("안", 40), PreviewKind: KindSystem, ReadSeq: Seq(u), ReadCount: 3, Mentions: 2,
				Level: LevelNone, Pinned: u%2 == 0}
			if u%50 == 0 {
				e.Threads = []ThreadUnread{{Root: 4, Unread: 3, Mentions: 1}, {Root: 6, Unread: 1}}
			}
			n := InboxNotice{User: u + 1}
			if u%60 == 0 {
				n.Passed = []Pos{Pos(u), 1}
			}
			if u%90 == 0 {
				e.Peer, e.Kind = 44, KindDirect
			}
			n.Entry = e
			notices = append(notices, n)
		}
	}
	var got []InboxNotice
	bytes := 0
	inboxTidings(notices, func(users []UserID, td Tiding) {
		bytes += len(td.Body)
		some, err := readInboxTiding(td.Body, func(UserID) bool { return true })
		if err != nil || len(some) != len(users) || len(td.Body) > 2*tidingBytes {
			t.Fatalf("%d notices for %d users in %d bytes: %v", len(some), len(users), len(td.Body), err)
		}
		got = append(got, some...)
	})
	order := func(a, b InboxNotice) int {
		return 1000*int(a.Entry.Channel-b.Entry.Channel) + int(a.User-b.User)
	}
	slices.SortFunc(notices, order)
	slices.SortFunc(got, order)
	if !reflect.DeepEqual(got, notices) {
		t.Fatal("notices came out differently")
	}
	if each := bytes / len(notices); each > 40 {
		t.Fatalf("%d bytes a notice", each)
	}
	mine, err := readInboxTiding(tidingOf(notices), func(u UserID) bool { return u == 3 })
	if err != nil || len(mine) != 3 {
		t.Fatalf("%d notices of one user: %v", len(mine), err)
	}
}

func tidingOf(notices []InboxNotice) (body []byte) {
	inboxTidings(notices, func(_ []UserID, td Tiding) { body = td.Body })
	return body
}

// FuzzTidings: nothing another node may say, of whatever version, makes a
// reader panic or hold more than it was given.
func FuzzTidings(f *testing.F) {
	f.Add(frameTidings(1, 2, []Frame{{Bytes: []byte(`{"op":"x"}`)}})[0].Body)
	f.Add(viewerTiding([]lightFrame{{1, 2, []byte("{}")}}).Body)
	f.Add(endedTiding([]Revocation{{Kind: RevokedLogin, User: 1, Login: 2}}).Body)
	f.Add(membersTiding(1, 2, []UserID{3, 4}).Body)
	f.Add(usersTiding(TidingProfile, 1, 2).Body)
	f.Add(tidingOf([]InboxNotice{{User: 1, Entry: InboxEntry{Channel: 2, Threads: []ThreadUnread{{Root: 1}}}}}))
	f.Add([]byte{tidingFormat, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _, frames, _ := readFrames(body)
		lights, _ := readViewers(body)
		ended, _ := readEnded(body)
		_, _, expelled, _ := readMembers(body)
		users, _ := readUsers(body)
		notices, _ := readInboxTiding(body, func(UserID) bool { return true })
		for _, n := range []int{len(frames), len(lights), len(ended), len(expelled), len(users), len(notices)} {
			if n > len(body) {
				t.Fatalf("%d things were read from %d bytes", n, len(body))
			}
		}
		for _, fr := range frames {
			if len(fr.Bytes) > len(body) {
				t.Fatal("a frame is longer than the tiding")
			}
		}
	})
}

// told agrees with a set of all positions that were told.
func TestToldAgreesWithASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var x told
		start := Pos(rapid.IntRange(0, 5).Draw(t, "start"))
		x.settle(start)
		set, high := map[Pos]bool{}, start
		for range rapid.IntRange(1, 300).Draw(t, "steps") {
			p := Pos(rapid.IntRange(1, 150).Draw(t, "pos"))
			if rapid.IntRange(0, 20).Draw(t, "kind") == 0 {
				x.settle(p)
				for q := start; q <= p; q++ {
					set[q] = true
				}
			} else {
				x.note(p)
				set[p] = true
			}
			high = max(high, p)
		}
		low := start
		for set[low+1] {
			low++
		}
		// It may forget what lies far ahead, never claim what was not told.
		if x.low > low || x.high != high || x.lacks() != (x.low < x.high) {
			t.Fatalf("told %+v, want low %d and high %d", x, low, high)
		}
	})
}

func TestToldIsExactForWhatComesALittleOutOfOrder(t *testing.T) {
	var x told
	x.settle(0)
	ps := make([]Pos, 5000)
	for i := range ps {
		ps[i] = Pos(i + 1)
	}
	for at := 0; at < len(ps); at += 50 {
		rand.Shuffle(50, func(i, j int) { ps[at+i], ps[at+j] = ps[at+j], ps[at+i] })
	}
	for _, p := range ps {
		x.note(p)
	}
	if x.low != 5000 || x.lacks() || x.above != 0 {
		t.Fatalf("told %+v", x)
	}
}
