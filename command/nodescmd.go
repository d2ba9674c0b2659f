package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"gori/chat"
	"gori/config"
	"gori/host"
)

// nodesEvery is how often gori nodes --watch looks.
const nodesEvery = 2 * time.Second

// seenNode is a node as a node tells of it.
type seenNode struct {
	chat.NodeState
	AgeMs int64 `json:"age_ms"`
}

// nodeRow is what gori nodes tells of one node.
type nodeRow struct {
	Name     string     `json:"name"`
	Region   string     `json:"region,omitempty"`
	URL      string     `json:"url,omitempty"`
	PID      int        `json:"pid"`
	State    host.State `json:"state"`
	Out      bool       `json:"out"` // the proxy sends it no new requests
	Sessions int        `json:"sessions"`
	Capacity int        `json:"capacity"`
	CPU      int        `json:"cpu"` // thousandths of the host
	// BeatAgeMs is how long ago another node heard of it; -1: none does any
	// more, or there is no other.
	BeatAgeMs int64  `json:"beat_age_ms"`
	Restarts  int    `json:"restarts"`
	Version   string `json:"version"`
}

func newNodes() *cobra.Command {
	var data, config string
	var asJSON, watching bool
	c := &cobra.Command{
		Use:   "nodes",
		Short: "Show the nodes: state, load, sessions, age of the last beat",
		Long: `Shows the nodes of the gori up on a data folder, or those that the node of a
configuration knows (its admin_listen must be set).

States: ready; starting; unready (no shard answers); draining (its sessions go
elsewhere); silent (it does not answer); down (no process); failing (it ends
again and again). A node that the proxy sends no requests is marked "out". BEAT
is how long ago another node heard of it: after 6 s it counts as dead.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			for {
				rows, err := nodeRows(c.Context(), data, config)
				if err != nil {
					return err
				}
				if err := printNodes(c.OutOrStdout(), rows, asJSON, watching); err != nil || !watching {
					return err
				}
				select {
				case <-c.Context().Done():
					return nil
				case <-time.After(nodesEvery):
				}
			}
		},
	}
	f := c.Flags()
	f.StringVar(&data, "data", "./data", "the data folder of a running gori up")
	f.StringVar(&config, "config", "", "ask the node of this configuration instead")
	f.BoolVar(&asJSON, "json", false, "print JSON; with --watch a line each time")
	f.BoolVar(&watching, "watch", false, "look again every 2 s until Ctrl-C")
	return c
}

// nodeRows gathers what gori up and the nodes themselves tell.
func nodeRows(ctx context.Context, data, config string) ([]nodeRow, error) {
	if config != "" {
		return configuredNodes(ctx, config)
	}
	r, err := host.FindRunning(data)
	if err != nil {
		return nil, err
	}
	views := make([][]seenNode, len(r.Nodes)) // what each node tells; nil: it did not answer
	var wg sync.WaitGroup
	for i, n := range r.Nodes {
		if n.PID != 0 {
			wg.Go(func() { views[i], _ = askNodes(ctx, n.Admin) })
		}
	}
	wg.Wait()
	rows := make([]nodeRow, len(r.Nodes))
	for i, n := range r.Nodes {
		rows[i] = rowOf(n, i, views)
	}
	return rows, nil
}

// rowOf puts together what is known of the i-th node: from itself if it
// answers, else what the others heard last.
func rowOf(n host.Node, i int, views [][]seenNode) nodeRow {
	row := nodeRow{Name: n.Name, URL: n.URL, PID: n.PID, State: n.State, Out: n.Out, Restarts: n.Restarts, BeatAgeMs: -1}
	for j, view := range views {
		at := slices.IndexFunc(view, func(s seenNode) bool { return s.Name == n.Name })
		if at < 0 {
			continue
		}
		seen := view[at]
		if j == i || row.Version == "" {
			row.tell(seen)
		}
		if j == i {
			row.State = stateOf(seen)
		} else if row.BeatAgeMs < 0 || seen.AgeMs < row.BeatAgeMs {
			row.BeatAgeMs = seen.AgeMs
		}
	}
	if views[i] == nil && (row.State == host.StateReady || row.State == host.StateDraining) {
		row.State = host.StateSilent
	}
	return row
}

// tell takes what a node knows over.
func (r *nodeRow) tell(s seenNode) {
	r.Region, r.Sessions, r.Capacity, r.CPU, r.Version = s.Region, s.Sessions, s.Capacity, s.CPU, s.Version
}

func stateOf(s seenNode) host.State {
	switch {
	case s.Draining:
		return host.StateDraining
	case s.Ready:
		return host.StateReady
	}
	return host.StateUnready
}

// configuredNodes asks the node of a configuration.
func configuredNodes(ctx context.Context, file string) ([]nodeRow, error) {
	cfg, _, err := config.Load(file, os.Environ())
	if err != nil {
		return nil, err
	}
	if cfg.AdminListen == "" {
		return nil, config.Usage(errors.New("the node tells of itself on its admin address: set admin_listen"))
	}
	view, err := askNodes(ctx, cfg.AdminListen)
	if err != nil {
		return nil, fmt.Errorf("ask the node on %s: %w", cfg.AdminListen, err)
	}
	var rows []nodeRow
	for _, s := range view {
		row := nodeRow{Name: s.Name, PID: s.PID, State: stateOf(s), BeatAgeMs: s.AgeMs}
		row.tell(s)
		rows = append(rows, row)
	}
	return rows, nil
}

// askNodes asks a node which nodes it knows.
func askNodes(ctx context.Context, admin string) ([]seenNode, error) {
	ctx, cancel := context.WithTimeout(ctx, host.AnswerTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+admin+"/nodes", nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var answer struct {
		Nodes []seenNode `json:"nodes"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(&answer); err != nil {
		return nil, err
	}
	return answer.Nodes, nil
}

func printNodes(w io.Writer, rows []nodeRow, asJSON, watching bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		if !watching {
			enc.SetIndent("", "  ")
		}
		return enc.Encode(rows)
	}
	if f, ok := w.(*os.File); ok && watching && term.IsTerminal(int(f.Fd())) {
		fmt.Fprint(w, "\x1b[H\x1b[2J")
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "NODE\tREGION\tADDRESS\tPID\tSTATE\tSESSIONS\tCPU\tBEAT\tRESTARTS\tVERSION")
	for _, r := range rows {
		state, beat := string(r.State), "-"
		if r.Out {
			state += ", out"
		}
		switch {
		case r.BeatAgeMs >= 0:
			beat = fmt.Sprintf("%.1f s", float64(r.BeatAgeMs)/1000)
		case len(rows) > 1:
			beat = fmt.Sprintf("over %.0f s", chat.NodeDeadAfter.Seconds())
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\t%s\t%d of %d\t%.1f %%\t%s\t%d\t%s\n", r.Name, dash(r.Region), dash(strings.TrimPrefix(r.URL, "http://")), r.PID,
			state, r.Sessions, r.Capacity, float64(r.CPU)/10, beat, r.Restarts, dash(r.Version))
	}
	return t.Flush()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
