package bench

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// Result is what a workload measured. Fields that a workload does not measure
// are 0.
type Result struct {
	Work           string    `json:"work"`
	Pairs          int       `json:"pairs,omitempty"`
	Members        int       `json:"members,omitempty"`
	Conns          int       `json:"conns,omitempty"`
	Seconds        float64   `json:"seconds"`
	AckedPerS      float64   `json:"acked_per_s"`
	DeliveredPerS  float64   `json:"delivered_per_s"`
	AckMS          Quantiles `json:"ack_ms"`     // of connect: from dialling to resumed
	DeliverMS      Quantiles `json:"deliver_ms"` // from sending to the receiver
	CPUMSPerMsg    CPUPerMsg `json:"cpu_ms_per_msg"`
	USPerDelivery  float64   `json:"us_per_delivery"` // CPU of the server alone
	BytesPerConn   float64   `json:"bytes_per_conn"`  // resident memory of the server alone
	ConnsPerS      float64   `json:"conns_per_s"`
	Lost           int64     `json:"lost"`
	Doubled        int64     `json:"doubled"`
	Reordered      int64     `json:"reordered"`
	Cores          int       `json:"cores"`
	CPUShare       CPUShare  `json:"cpu_share"`   // of one core, while measuring
	Reconnected    int64     `json:"reconnected"` // lost connections that clients mended
	Fetched        int64     `json:"fetched"`     // deliveries that came by history instead of live
	HistoryChecked int64     `json:"history_checked"`
	Nodes          int       `json:"nodes"`           // processes of the server
	FailedSends    int64     `json:"failed_sends"`    // refused for good; what waits and is sent again is none
	LongestGapMS   float64   `json:"longest_gap_ms"`  // without a session, of any client
	LongestSendMS  float64   `json:"longest_send_ms"` // from sending to the acknowledgement, waiting included
	Storm          *Storm    `json:"storm,omitempty"`
}

// CPUPerMsg is CPU time for a message; for connect, for a connection.
type CPUPerMsg struct {
	Server    float64 `json:"server"` // all nodes
	Postgres  float64 `json:"postgres"`
	Proxy     float64 `json:"proxy"` // Nginx
	Generator float64 `json:"generator"`
}

func (c CPUPerMsg) String() string {
	return parts("%s %.3f ms", c.Server, c.Postgres, c.Generator, c.Proxy)
}

func (c CPUShare) String() string {
	return parts("%s %.2f", c.Server, c.Postgres, c.Generator, c.Proxy)
}

// parts tells what each part used; a proxy only if there is one.
func parts(format string, server, postgres, generator, proxy float64) string {
	text := fmt.Sprintf(format+"   "+format+"   "+format, "server", server, "PostgreSQL", postgres, "generator", generator)
	if proxy > 0 {
		text += "   " + fmt.Sprintf(format, "Nginx", proxy)
	}
	return text
}

// CPUShare is how much of one core each part used.
type CPUShare struct {
	Server    float64 `json:"server"`
	Postgres  float64 `json:"postgres"`
	Proxy     float64 `json:"proxy"`
	Generator float64 `json:"generator"`
}

// Clean tells whether the figures count.
func (r Result) Clean() bool { return r.Lost == 0 && r.Doubled == 0 && r.Reordered == 0 }

// WriteJSON writes the result on one line.
func (r Result) WriteJSON(w io.Writer) error { return json.NewEncoder(w).Encode(r) }

// WriteTable writes the result for people.
func (r Result) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "  %s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	size := fmt.Sprintf("%d connections", r.Conns)
	switch {
	case r.Pairs > 0:
		size = fmt.Sprintf("%d pairs", r.Pairs)
	case r.Members > 0:
		size = fmt.Sprintf("%d members", r.Members)
	}
	fmt.Fprintf(t, "%s, %s, %.0f s, %d cores\n", r.Work, size, r.Seconds, r.Cores)
	quant := func(name string, q Quantiles) {
		if q != (Quantiles{}) {
			row(name, "p50 %.2f ms   p99 %.2f ms   p99.9 %.2f ms", q.P50, q.P99, q.P999)
		}
	}
	switch r.Work {
	case "idle":
		row("memory of a connection", "%.0f bytes of the server", r.BytesPerConn)
		row("CPU while idle", "%.1f %% of a core, generator %.1f %%", 100*r.CPUShare.Server, 100*r.CPUShare.Generator)
	case "storm":
		row("lost, doubled, reordered", "%d, %d, %d   (%d messages compared with history)", r.Lost, r.Doubled, r.Reordered, r.HistoryChecked)
	case "connect":
		row("resumed", "%.0f /s", r.ConnsPerS)
		quant("dial to resumed", r.AckMS)
		row("CPU of a connection", "%s", r.CPUMSPerMsg)
	default:
		row("stored and acknowledged", "%.0f /s", r.AckedPerS)
		row("delivered", "%.0f /s", r.DeliveredPerS)
		quant("send to ack", r.AckMS)
		quant("send to delivery", r.DeliverMS)
		row("CPU of a message", "%s", r.CPUMSPerMsg)
		row("CPU of a delivery", "%.1f µs of the server", r.USPerDelivery)
		row("lost, doubled, reordered", "%d, %d, %d   (%d messages compared with history)", r.Lost, r.Doubled, r.Reordered, r.HistoryChecked)
	}
	row("share of a core", "%s", r.CPUShare)
	if s := r.Storm; s != nil {
		row("sessions of the killed node", "%d of %d; half of them back after %.2f s, all after %.2f s", s.Sessions, r.Conns, s.HalfBackS, s.BackS)
		quant("send to ack of others before", s.AckBefore)
		quant("  and until all were back", s.AckDuring)
	}
	if r.Reconnected > 0 {
		row("connections lost and mended", "%d", r.Reconnected)
		row("longest gap of a client", "%.0f ms without a session, %.0f ms to an acknowledgement; failed sends %d", r.LongestGapMS, r.LongestSendMS, r.FailedSends)
	}
	if r.Fetched > 0 {
		row("fetched from history", "%d deliveries", r.Fetched)
	}
	return t.Flush()
}

func round(v float64, digits int) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return 0
	}
	p := math.Pow10(digits)
	return math.Round(v*p) / p
}
