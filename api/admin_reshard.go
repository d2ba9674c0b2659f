package api

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"time"

	"github.com/go-chi/chi/v5"

	"gori/chat"
)

const (
	maxReceipts = 100 // reshards told of
	maxAddr     = 500 // bytes of an address
	maxMBps     = 10_000
	maxSlowdown = 100
)

func (s *Server) reshardStatus(_ http.ResponseWriter, r *http.Request) (any, error) {
	st, err := s.cfg.Reshards.Status(r.Context())
	st.Moves, st.Pauses = list(st.Moves), list(st.Pauses)
	return st, err
}

func (s *Server) previewReshard(w http.ResponseWriter, r *http.Request) (any, error) {
	var in struct {
		Change string `json:"change"`
		Shard  string `json:"shard"`
		Addr   string `json:"addr"`
	}
	if err := readJSON(w, r, maxSmallBody, &in); err != nil {
		return nil, err
	}
	if in.Change != "add" && in.Change != "remove" {
		return nil, chat.Errorf(chat.CodeBadRequest, "change must be add or remove")
	}
	if err := checkSeat(in.Shard, in.Addr, in.Change == "add"); err != nil {
		return nil, err
	}
	return s.cfg.Reshards.Preview(r.Context(), ReshardChange{Change: in.Change, Shard: in.Shard, Addr: in.Addr})
}

var shardName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,31}$`)

// checkSeat says what is wrong with a shard that is to come or go.
func checkSeat(name, addr string, comes bool) error {
	switch {
	case !shardName.MatchString(name):
		return chat.Errorf(chat.CodeBadRequest, "a shard's name has 1 to 32 of a-z, 0-9 and -, and starts with a letter")
	case addr != "" && !comes:
		return chat.Errorf(chat.CodeBadRequest, "only a shard that comes has an address")
	case len(addr) > maxAddr:
		return chat.Errorf(chat.CodeTooLong, "an address has at most %d bytes", maxAddr)
	}
	return nil
}

var reshardActions = []string{"add", "remove", "abort", "reverse", "pause", "resume", "set"}

func (s *Server) orderReshard(w http.ResponseWriter, r *http.Request) (any, error) {
	var in struct {
		Action   string   `json:"action"`
		Shard    string   `json:"shard"`
		Addr     string   `json:"addr"`
		Version  int64    `json:"version"`
		MBps     *float64 `json:"mbps"`
		Slowdown *float64 `json:"slowdown"`
	}
	if err := readJSON(w, r, maxSmallBody, &in); err != nil {
		return nil, err
	}
	named := in.Action == "add" || in.Action == "remove"
	switch {
	case !slices.Contains(reshardActions, in.Action):
		return nil, chat.Errorf(chat.CodeBadRequest, "action must be one of %v", reshardActions)
	case in.Version < 1:
		return nil, chat.Errorf(chat.CodeBadRequest, "version must be that of the ring the order was made of")
	case in.MBps != nil && (*in.MBps < 0 || *in.MBps > maxMBps):
		return nil, chat.Errorf(chat.CodeBadRequest, "mbps must be from 0, no bound, to %d", maxMBps)
	case in.Slowdown != nil && (*in.Slowdown < 1 || *in.Slowdown > maxSlowdown):
		return nil, chat.Errorf(chat.CodeBadRequest, "slowdown must be from 1 to %d", maxSlowdown)
	case in.Action == "set" && in.MBps == nil && in.Slowdown == nil:
		return nil, chat.Errorf(chat.CodeBadRequest, "set needs mbps or slowdown")
	case !named && (in.Shard != "" || in.Addr != ""):
		return nil, chat.Errorf(chat.CodeBadRequest, "only add and remove name a shard")
	}
	if named {
		if err := checkSeat(in.Shard, in.Addr, in.Action == "add"); err != nil {
			return nil, err
		}
	}
	err := s.cfg.Reshards.Order(r.Context(), adminOf(r), ReshardOrder{
		Action: in.Action, Shard: in.Shard, Addr: in.Addr, Version: in.Version, MBps: in.MBps, Slowdown: in.Slowdown})
	if err != nil {
		return nil, err
	}
	return accepted{}, nil
}

// adminOf is who asks, and from where.
func adminOf(r *http.Request) Admin {
	by := Admin{User: whoIs(r).User}
	if a := clientOf(r).addr; a.IsValid() {
		by.Address = a.String()
	}
	return by
}

func (s *Server) verifyReceipt(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathReshard(r)
	if err == nil {
		err = s.cfg.Reshards.Verify(r.Context(), adminOf(r), id)
	}
	return accepted{}, err
}

func (s *Server) receiptCheck(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathReshard(r)
	if err != nil {
		return nil, err
	}
	return s.cfg.Reshards.Check(r.Context(), id)
}

func (s *Server) receipts(_ http.ResponseWriter, r *http.Request) (any, error) {
	q := readQuery(r, "limit")
	limit := q.limit(maxReceipts)
	if q.err != nil {
		return nil, q.err
	}
	if limit == 0 {
		limit = maxReceipts
	}
	receipts, err := s.cfg.Reshards.Receipts(r.Context(), limit)
	return struct {
		Receipts []ReceiptSummary `json:"receipts"`
	}{list(receipts)}, err
}

// receiptDoc is what this package reads of a stored receipt.
type receiptDoc struct {
	Partition int       `json:"partition"`
	From      string    `json:"from"`
	To        string    `json:"to"`
	Epoch     int64     `json:"epoch"`
	At        time.Time `json:"at"`
	Rows      int64     `json:"rows"`
	Bytes     int64     `json:"bytes"`
	Followed  int64     `json:"followed"`
	PauseUS   int64     `json:"pause_us"`
	Tables    []struct {
		Table string `json:"table"`
		Rows  int64  `json:"rows"`
	} `json:"tables"`
	Channels []struct {
		Last int64 `json:"last"`
		Gaps int64 `json:"gaps"`
	} `json:"channels"`
}

// receiptLine is one partition of a receipt, without its channels.
type receiptLine struct {
	Partition int         `json:"partition"`
	From      string      `json:"from"`
	To        string      `json:"to"`
	Epoch     int64       `json:"epoch"`
	At        chat.Millis `json:"at"`
	Rows      int64       `json:"rows"`
	Bytes     int64       `json:"bytes"`
	Followed  int64       `json:"followed"`
	PauseUS   int64       `json:"pause_us"`
	Tables    int         `json:"tables"`
	Channels  int         `json:"channels"`
	Messages  int64       `json:"messages"` // up to the last seq of each channel
	Gaps      int64       `json:"gaps"`
}

func (d receiptDoc) line() receiptLine {
	l := receiptLine{Partition: d.Partition, From: d.From, To: d.To, Epoch: d.Epoch, At: chat.MillisOf(d.At), Rows: d.Rows,
		Bytes: d.Bytes, Followed: d.Followed, PauseUS: d.PauseUS, Tables: len(d.Tables), Channels: len(d.Channels)}
	for _, c := range d.Channels {
		l.Messages += c.Last
		l.Gaps += c.Gaps
	}
	return l
}

var reshardName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func pathReshard(r *http.Request) (string, error) {
	id := chi.URLParam(r, "id")
	if !reshardName.MatchString(id) {
		return "", chat.Errorf(chat.CodeBadID, "%.40q names no reshard", id)
	}
	return id, nil
}

func (s *Server) receipt(_ http.ResponseWriter, r *http.Request) (any, error) {
	id, err := pathReshard(r)
	if err != nil {
		return nil, err
	}
	lines := []receiptLine{}
	err = s.cfg.Reshards.EachReceipt(r.Context(), id, func(doc json.RawMessage) error {
		var d receiptDoc
		if err := json.Unmarshal(doc, &d); err != nil {
			return err
		}
		lines = append(lines, d.line())
		return nil
	})
	return struct {
		Reshard string        `json:"reshard"`
		Lines   []receiptLine `json:"partitions"`
	}{id, lines}, err
}

// receiptFile sends all of a receipt, partition by partition: a file that may
// be large and that is never held as a whole.
func (s *Server) receiptFile(w http.ResponseWriter, r *http.Request) {
	id, err := pathReshard(r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	begun := false
	begin := func() error {
		begun = true
		h := w.Header()
		h.Set("Content-Type", "application/json; charset=utf-8")
		h.Set("Content-Disposition", `attachment; filename="gori-receipt-`+id+`.json"`)
		_, err := w.Write([]byte(`{"reshard":"` + id + `","receipts":[` + "\n"))
		return err
	}
	err = s.cfg.Reshards.EachReceipt(r.Context(), id, func(doc json.RawMessage) error {
		if begun {
			if _, err := w.Write([]byte(",\n")); err != nil {
				return err
			}
		} else if err := begin(); err != nil {
			return err
		}
		_, err := w.Write(doc)
		return err
	})
	switch {
	case err != nil && !begun:
		s.fail(w, r, err)
	case err != nil:
		// What is sent cannot be taken back; a cut connection says that it is
		// not all.
		panic(http.ErrAbortHandler)
	default:
		_, _ = w.Write([]byte("\n]}\n")) // a client that has gone needs no answer
	}
}
