package api

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"gori/chat"
)

// nodesOf is a Config change by which a system knows these nodes besides
// itself, n1.
func nodesOf(others ...chat.NodeState) func(*Config, *chat.PeopleDeps) {
	return func(c *Config, _ *chat.PeopleDeps) {
		c.Region = "kr"
		c.Nodes = func() []chat.NodeState {
			return append([]chat.NodeState{{Name: "n1", Run: "1", Region: "kr", Self: true}}, others...)
		}
	}
}

func TestDiscoverNamesANode(t *testing.T) {
	near := chat.NodeState{Name: "n2", Run: "2", Region: "us", Ready: true, Capacity: 100}
	for name, c := range map[string]struct {
		other     func(n *chat.NodeState)
		query     string
		want      string // of n1 and n2; "": none
		unwilling bool   // n1 is draining
	}{
		"this node's region":           {func(*chat.NodeState) {}, "", "n1", false},
		"the asked region":             {func(*chat.NodeState) {}, "?region=us", "n2", false},
		"an unknown region":            {func(n *chat.NodeState) { n.Sessions = 50 }, "?region=eu", "n1", false},
		"this one drains":              {func(*chat.NodeState) {}, "", "n2", true},
		"the other drains, too":        {func(n *chat.NodeState) { n.Draining = true }, "", "", true},
		"the other is stale":           {func(n *chat.NodeState) { n.Age = chat.NodeDeadAfter }, "", "", true},
		"the asked region's is full":   {func(n *chat.NodeState) { n.Sessions = 100 }, "?region=us", "n1", false},
		"the other one is not ready":   {func(n *chat.NodeState) { n.Ready = false }, "", "", true},
		"the asked region is silent":   {func(n *chat.NodeState) { n.Age = time.Minute }, "?region=us", "n1", false},
		"the asked region is too long": {func(*chat.NodeState) {}, "?region=" + strings.Repeat("x", 65), "400", false},
	} {
		t.Run(name, func(t *testing.T) {
			other := near
			c.other(&other)
			sys := newSystem(t, nodesOf(other))
			ann := sys.signUp("ann")
			sys.api.draining.Store(c.unwilling)
			a := sys.do(ann, "GET", "/discover"+c.query, nil)
			var got struct{ Node, WS string }
			if err := json.Unmarshal(a.body, &got); err != nil {
				t.Fatal(err)
			}
			switch c.want {
			case "400":
				if a.status != 400 {
					t.Errorf("%d %s", a.status, a.body)
				}
			case "":
				if a.status != 503 || a.header.Get("Retry-After") == "" || a.code() != chat.CodeOverloaded {
					t.Errorf("%d %s", a.status, a.body)
				}
			default:
				if a.status != 200 || got.Node != c.want || got.WS != "/n/"+c.want+"/ws" {
					t.Errorf("%d %s, want %s", a.status, a.body, c.want)
				}
			}
		})
	}
}

// Who logs in is told at once where to go; that no node takes people is no
// reason to refuse the login.
func TestLogInNamesANode(t *testing.T) {
	sys := newSystem(t, nodesOf(chat.NodeState{Name: "n2", Run: "2", Region: "us", Ready: true, Capacity: 100}))
	sys.signUp("ann")
	in := object{"login_name": "ann", "password": testPassword, "want_token": true}
	if a := sys.must(actor{}, "POST", "/login?region=us", in); a.text("node") != "n2" || a.text("ws") != "/n/n2/ws" {
		t.Errorf("%s", a.body)
	}
	sys.api.draining.Store(true)
	if a := sys.must(actor{}, "POST", "/login", in); a.text("node") != "n2" {
		t.Errorf("%s", a.body)
	}
	alone := newSystem(t, nil)
	alone.signUp("ann")
	alone.api.draining.Store(true)
	if a := alone.do(actor{}, "POST", "/login", in); a.status != 200 || strings.Contains(string(a.body), `"ws"`) {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestAdminsSeeTheNodes(t *testing.T) {
	sys := newSystem(t, nodesOf(chat.NodeState{Name: "n2", Run: "2", Age: 1500 * time.Millisecond}))
	root := sys.signUp("root")
	var got struct {
		Nodes []struct {
			Name  string
			Self  bool
			Ready bool
			AgeMs int64 `json:"age_ms"`
		}
	}
	if err := json.Unmarshal(sys.must(root, "GET", "/admin/nodes", nil).body, &got); err != nil {
		t.Fatal(err)
	}
	if n := got.Nodes; len(n) != 2 || !n[0].Self || !n[0].Ready || n[0].AgeMs != 0 || n[1].Self || n[1].AgeMs != 1500 {
		t.Errorf("%+v", n)
	}
}
