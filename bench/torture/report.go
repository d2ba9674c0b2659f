package torture

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
)

// Report is what came of a run. All counts of violations are 0 if Gori kept its
// promises.
type Report struct {
	Seed uint64 `json:"seed"`

	Lost          int64 `json:"lost"`           // P1: acknowledged, and not there or not as acknowledged
	Doubled       int64 `json:"doubled"`        // P2
	Reordered     int64 `json:"reordered"`      // P3: against real time, or a device's own order
	Gaps          int64 `json:"gaps"`           // P3: seqs missing in a history or handed to a device out of turn
	Diverged      int64 `json:"diverged"`       // P4: channels of devices that differ from the server
	UnreadWrong   int64 `json:"unread_wrong"`   // P5
	Isolation     int64 `json:"isolation"`      // P6: sends that a foreign shard's death delayed, or late refusals
	Unauthorised  int64 `json:"unauthorised"`   // P7
	PresenceWrong int64 `json:"presence_wrong"` // P8
	Misplaced     int64 `json:"misplaced"`      // partitions without exactly one owner, receipts that do not hold, left-overs
	Unhealed      int64 `json:"unhealed"`       // faults that were not over in time: what was broken did not come right again
	Refused       int64 `json:"refused"`        // sends refused for good without a reason
	Unsettled     int64 `json:"unsettled"`      // sends without an answer at the end

	Acked         int64    `json:"acked"`
	Delivered     int64    `json:"delivered"` // messages handed over by devices
	Revoked       int64    `json:"revoked"`   // logins ended while connected
	GivenUp       int64    `json:"given_up"`  // calls other than sends that failed in the end
	Reconnects    int64    `json:"reconnects"`
	LongestGapMS  int64    `json:"longest_gap_ms"`  // without a session, of any device
	LongestSendMS int64    `json:"longest_send_ms"` // from sending to the acknowledgement, waiting included
	IsolatedSends int64    `json:"isolated_sends"`  // to healthy shards while one was down and nothing else wrong
	IsolatedP99MS int64    `json:"isolated_p99_ms"`
	SettledMS     int64    `json:"settled_ms"` // from healing until all agreed
	LagMS         int64    `json:"lag_ms"`     // the longest this process itself was held up
	Faults        int      `json:"faults"`
	Log           []string `json:"fault_log"`
	Violations    []string `json:"violations"`

	problems []problem
}

// Clean tells whether all promises were kept.
func (r *Report) Clean() bool { return r.wrong() == 0 && len(r.problems) == 0 }

func (r *Report) wrong() int64 {
	return r.Lost + r.Doubled + r.Reordered + r.Gaps + r.Diverged + r.UnreadWrong + r.Isolation + r.Unauthorised + r.PresenceWrong + r.Misplaced + r.Unhealed + r.Refused + r.Unsettled
}

// WriteJSON writes the report on one line.
func (r *Report) WriteJSON(w io.Writer) error {
	r.Violations = []string{}
	for _, p := range r.problems {
		r.Violations = append(r.Violations, p.what+": "+p.detail)
	}
	return json.NewEncoder(w).Encode(r)
}

// WriteTable writes the report for people: what was promised, what was found,
// and of what was wrong the history and the faults.
func (r *Report) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name string, wrong int64, format string, args ...any) {
		mark := "ok"
		if wrong > 0 {
			mark = fmt.Sprintf("%d WRONG", wrong)
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\n", name, mark, fmt.Sprintf(format, args...))
	}
	fmt.Fprintf(t, "torture with seed %d: %d faults\n", r.Seed, r.Faults)
	row("P1 nothing acknowledged is lost", r.Lost, "%d messages acknowledged", r.Acked)
	row("P2 nothing is doubled", r.Doubled, "%d messages handed over", r.Delivered)
	row("P3 one order, no gaps", r.Reordered+r.Gaps, "%d reordered, %d gaps", r.Reordered, r.Gaps)
	row("P4 devices equal the server", r.Diverged, "after %.1f s; %d times connected again", float64(r.SettledMS)/1000, r.Reconnects)
	row("P5 unread equals a recount", r.UnreadWrong, "")
	row("P6 a dead shard hurts only itself", r.Isolation, "%d sends beside one, p99 %d ms", r.IsolatedSends, r.IsolatedP99MS)
	row("P7 nothing after a removal", r.Unauthorised, "%d logins revoked", r.Revoked)
	row("P8 presence is true", r.PresenceWrong, "")
	row("every partition in one place", r.Misplaced, "")
	row("every fault heals", r.Unhealed, "")
	row("all sends answered", r.Refused+r.Unsettled, "%d refused, %d unanswered", r.Refused, r.Unsettled)
	row("longest gap", 0, "%d ms without a session, %d ms to an acknowledgement", r.LongestGapMS, r.LongestSendMS)
	if err := t.Flush(); err != nil {
		return err
	}
	if r.Clean() {
		_, err := fmt.Fprintln(w, "\nAll promises kept.")
		return err
	}
	for _, p := range r.problems {
		fmt.Fprintf(w, "\n%s\n  %s\n", p.what, p.detail)
		for _, line := range p.history {
			fmt.Fprintln(w, "  "+line)
		}
	}
	fmt.Fprintln(w, "\nfaults:")
	for _, f := range r.Log {
		fmt.Fprintln(w, "  "+f)
	}
	_, err := fmt.Fprintf(w, "\nPromises broken. The same again: --seed %d\n", r.Seed)
	return err
}
