package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"gori/chat"
)

// fakeBoard is a system of two shards, the first of which gives a partition away.
type fakeBoard struct {
	mu     sync.Mutex
	asked  []any
	orders []ReshardOrder
	by     []Admin
	cut    bool // receipts end in the middle
}

func (b *fakeBoard) note(v any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, v)
}

var testPlan = &PlanView{Why: "x", Reason: &chat.Reason{Code: "differs", Args: map[string]string{"partition": "5"}}, ID: "r1", Kind: "add", Shard: "b", Detached: true, MBps: 20, Slowdown: 2, BegunAt: 5}

func (b *fakeBoard) Ring(context.Context) (RingView, error) {
	return RingView{Version: 3, Epoch: 2, Digest: "ab", Seats: []SeatView{
		{ID: "a", Addr: "@a", Term: 1, Up: true, Standby: "@a2", Sync: true, Partitions: 3, Planned: 2, Left: 1, Rows: 9, Bytes: 900},
		{ID: "b", Addr: "@b", Term: 1, Leaving: true}}, Owner: []int{0, 0, 0, -1}, Rows: []int64{3, 3, 3, 0},
		Moving: []MovingView{{Partition: 2, From: "a", To: "b", State: "copying"}}, Spread: 1.5, Plan: testPlan}, nil
}

func (b *fakeBoard) Shards(context.Context) ([]ShardView, error) {
	return []ShardView{{ID: "a", Up: true, Standby: "streaming", StandbyLag: 1, Tables: []TableView{{Name: "messages", Rows: 1, Bytes: 2}}},
		{ID: "b", Error: "no answer", Tables: []TableView{}}}, nil
}

func (b *fakeBoard) Hot(_ context.Context, limit int) ([]HotChannel, error) {
	b.note(limit)
	return []HotChannel{{Channel: 7, Kind: 2, Name: "g", Members: 3, Seq: 9, PerMinute: 4.5, Partition: 1, Shard: "a", LastAt: 8}}, nil
}

func (b *fakeBoard) Where(_ context.Context, q WhereQuery) ([]Place, error) {
	b.note(q)
	return []Place{{Kind: "group", ID: "7", Name: "g", Messages: 9, Partition: 1, Shard: "a", State: "active", Epoch: 1}}, nil
}

func (b *fakeBoard) Audit(_ context.Context, before int64, limit int) (AuditPage, error) {
	b.note([2]int64{before, int64(limit)})
	return AuditPage{Lines: []AuditLine{{ID: "9", At: 5, Actor: 1, Action: "reshard.add", Subject: "b", Address: "127.0.0.1", Shard: "a"}}, More: true}, nil
}

func (b *fakeBoard) Status(context.Context) (ReshardStatus, error) {
	return ReshardStatus{Version: 3, Plan: testPlan, Left: 1, Done: 1, Moves: []MoveView{{Partition: 2, From: "a", To: "b", State: "copying", Error: "x", Reason: &chat.Reason{Code: "disk_full"}}},
		Pauses: []PauseView{{Partition: 1, US: 9_000, At: 5}}}, nil
}

func (b *fakeBoard) Preview(_ context.Context, c ReshardChange) (ReshardPreview, error) {
	b.note(c)
	return ReshardPreview{Version: 3, Change: c.Change, Shard: c.Shard, Before: []ShardSum{{Shard: "a"}}, After: []ShardSum{{Shard: "a"}},
		Moves: []MoveSum{{From: "a", To: "b", Partitions: 1}}, Owner: []int{0, 1}, Partitions: 1}, nil
}

func (b *fakeBoard) Order(_ context.Context, by Admin, o ReshardOrder) error {
	if o.Version != 3 {
		return chat.Errorf(chat.CodeConflict, "the ring has changed meanwhile")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.orders, b.by = append(b.orders, o), append(b.by, by)
	return nil
}

func (b *fakeBoard) Receipts(_ context.Context, limit int) ([]ReceiptSummary, error) {
	b.note(limit)
	return []ReceiptSummary{{Reshard: "r1", From: []string{"a"}, To: []string{"b"}, Partitions: 2,
		Check: &ReceiptCheck{Reshard: "r1", State: "running", By: 1, Partitions: 2}}}, nil
}

func (b *fakeBoard) EachReceipt(_ context.Context, reshard string, each func(json.RawMessage) error) error {
	if reshard != "r1" {
		return chat.Errorf(chat.CodeNotFound, "there is no such reshard")
	}
	for _, doc := range []string{
		`{"reshard":"r1","partition":1,"from":"a","to":"b","epoch":2,"attempt":1,"at":"2026-01-02T03:04:05Z","rows":7,"bytes":70,"followed":1,"pause_us":9000,"tables":[{"table":"messages","rows":7,"digest":"d"}],"channels":[{"channel":"7","rows":7,"first":1,"last":7,"gaps":0,"identity":"i"}]}`,
		`{"reshard":"r1","partition":2,"from":"a","to":"b","epoch":2,"attempt":1,"at":"2026-01-02T03:04:06Z","rows":0,"bytes":0,"followed":0,"pause_us":8000,"tables":null,"channels":null}`,
	} {
		if err := each(json.RawMessage(doc)); err != nil {
			return err
		}
		if b.cut {
			return errors.New("the shard is gone")
		}
	}
	return nil
}

func (b *fakeBoard) Verify(_ context.Context, by Admin, reshard string) error {
	if reshard != "r1" {
		return &chat.Error{Code: chat.CodeNotFound, Message: "there is none", Reason: &chat.Reason{Code: "no_receipt"}}
	}
	b.note(by)
	return nil
}

func (b *fakeBoard) Check(_ context.Context, reshard string) (ReceiptCheck, error) {
	if reshard != "r1" {
		return ReceiptCheck{}, chat.Errorf(chat.CodeNotFound, "it was never asked for")
	}
	return ReceiptCheck{Reshard: "r1", State: "done", By: 1, BegunAt: 5, EndedAt: 6, Partitions: 2, Checked: 2, Channels: 1, Messages: 7, Found: 1,
		Faults: []ReceiptFault{{Code: "channel_differs", Partition: 1, Shards: []string{"b"}, Channel: 7, Upto: 7, Rows: 6, Wanted: 7, Text: "x"}},
		Down:   []string{"c"}, Reason: &chat.Reason{Code: "other", Text: "y"}}, nil
}

func tourBoard(sys *system, root actor) {
	for _, path := range []string{"/ring", "/shards", "/channels/hot", "/where?name=g", "/audit", "/reshard", "/receipts", "/receipts/r1", "/receipts/r1/file", "/receipts/r1/verify"} {
		sys.must(root, "GET", "/admin"+path, nil)
	}
	sys.must(root, "POST", "/admin/reshard/plan", object{"change": "add", "shard": "c"})
	sys.must(root, "POST", "/admin/reshard", object{"action": "pause", "version": 3})
	sys.must(root, "POST", "/admin/receipts/r1/verify", nil)
}

func TestBoardQueries(t *testing.T) {
	sys := newSystem(t, nil)
	root := sys.signUp("root")
	for query, want := range map[string]int{
		"/where": 400, "/where?name=": 400, "/where?name=a&user=1": 400, "/where?user=01": 400, "/where?channel=x": 400, "/where?id=1": 400,
		"/where?name=%00": 400, "/where?name=%FF": 400, "/where?name=" + strings.Repeat("a", 101): 413, "/where?name=%25": 200,
		"/where?user=5": 200, "/where?channel=5": 200, "/channels/hot?limit=0": 400, "/channels/hot?limit=1000000000": 200, "/channels/hot?x=1": 400,
		"/audit?before=0": 400, "/audit?before=-1": 400, "/audit?before=9223372036854775807&limit=1": 200, "/audit?limit=x": 400,
		"/receipts?limit=0": 400, "/receipts/r2": 404, "/receipts/r2/file": 404, "/receipts/r2/verify": 404, "/receipts/a%2fb": 400, "/receipts/" + strings.Repeat("r", 65): 400,
	} {
		if a := sys.do(root, "GET", "/admin"+query, nil); a.status != want {
			t.Errorf("%.60s: %d %.200s, want %d", query, a.status, a.body, want)
		}
	}
	for _, v := range sys.board.asked {
		if n, ok := v.(int); ok && n > 100 {
			t.Errorf("%d of something were asked for at once", n)
		}
	}
}

func TestReshardOrders(t *testing.T) {
	sys := newSystem(t, nil)
	root, ann := sys.signUp("root"), sys.signUp("ann")
	bot := sys.makeBot(root, "helper")
	for _, c := range []struct {
		body string
		want int
	}{
		{`{"action":"add","shard":"e","version":3}`, 202},
		{`{"action":"add","shard":"e","addr":"postgres://db/e","version":3}`, 202},
		{`{"action":"set","mbps":0,"slowdown":1.5,"version":3}`, 202},
		{`{"action":"abort","version":2}`, 409},
		{`{"action":"abort"}`, 400},
		{`{"action":"destroy","version":3}`, 400},
		{`{"action":"add","version":3}`, 400},
		{`{"action":"add","shard":"E","version":3}`, 400},
		{`{"action":"remove","shard":"e","addr":"postgres://db/e","version":3}`, 400},
		{`{"action":"pause","shard":"e","version":3}`, 400},
		{`{"action":"set","version":3}`, 400},
		{`{"action":"set","mbps":-1,"version":3}`, 400},
		{`{"action":"set","slowdown":0.5,"version":3}`, 400},
		{`{"action":"add","shard":"e","addr":"` + strings.Repeat("x", 501) + `","version":3}`, 413},
	} {
		if a := sys.do(root, "POST", "/admin/reshard", c.body); a.status != c.want {
			t.Errorf("%.80s: %d %s, want %d", c.body, a.status, a.body, c.want)
		}
		for _, who := range []actor{ann, bot} {
			if a := sys.do(who, "POST", "/admin/reshard", c.body); a.status != 403 {
				t.Errorf("%.80s as %s: %d %s", c.body, who.name, a.status, a.body)
			}
		}
	}
	if n := len(sys.board.orders); n != 3 || sys.board.by[0].User.String() != root.id || sys.board.by[0].Address != "127.0.0.1" {
		t.Errorf("%d orders came through, by %v", n, sys.board.by)
	}
}

// A receipt that cannot be sent to its end is cut, so that nobody takes a part
// of it for all.
func TestReceiptFileIsWholeOrCut(t *testing.T) {
	sys := newSystem(t, nil)
	root := sys.signUp("root")
	a := sys.must(root, "GET", "/admin/receipts/r1/file", nil)
	var file struct {
		Receipts []json.RawMessage `json:"receipts"`
	}
	if err := json.Unmarshal(a.body, &file); err != nil || len(file.Receipts) != 2 {
		t.Errorf("the file is %s: %v", a.body, err)
	}
	if d := a.header.Get("Content-Disposition"); d != `attachment; filename="gori-receipt-r1.json"` {
		t.Errorf("it is called %s", d)
	}
	sys.board.cut = true
	defer func() {
		if v := recover(); v != http.ErrAbortHandler {
			t.Errorf("the connection was not cut: %v", v)
		}
	}()
	req := sys.request("GET", "/admin/receipts/r1/file", nil)
	req.Header.Set("Authorization", "Bearer "+root.token)
	sys.api.Public().ServeHTTP(httptest.NewRecorder(), req)
}

func TestWithoutABoard(t *testing.T) {
	sys := newSystem(t, func(c *Config, _ *chat.PeopleDeps) { c.Board, c.Reshards = nil, nil })
	root := sys.signUp("root")
	if a := sys.do(root, "GET", "/admin/ring", nil); a.code() != chat.CodeNotFound {
		t.Errorf("%d %s", a.status, a.body)
	}
}
