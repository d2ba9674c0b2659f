package admin

import (
	"context"
	"slices"
	"strings"
	"time"

	"gori/api"
	"gori/chat"
	"gori/shard"
	"gori/store/board"
)

// Order implements api.Reshards. The order is in the audit log before it is
// carried out: one that cannot be noted is refused.
func (r *Reshards) Order(ctx context.Context, by api.Admin, o api.ReshardOrder) error {
	subject := strings.TrimSpace(o.Shard + " " + o.Addr)
	if subject == "" {
		subject = "ring"
	}
	err := r.audit.Audit(ctx, chat.AuditEvent{At: r.now(), Actor: by.User, Action: auditReshard + o.Action, Subject: subject, Address: by.Address})
	if err != nil {
		return err
	}
	return r.desk.Order(ctx, o)
}

// receiptSum is what a reshard's receipts add up to, as long as there are no
// more of them.
type receiptSum struct {
	count int
	sum   api.ReceiptSummary
}

// Receipts implements api.Reshards.
func (r *Reshards) Receipts(ctx context.Context, limit int) ([]api.ReceiptSummary, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	known := map[string]receiptSum{}
	var list []api.ReceiptSummary
	for _, re := range r.board.Reshards(ctx, limit) {
		s, ok := r.sums[re.ID]
		if !ok || s.count != re.Count {
			s = receiptSum{count: re.Count, sum: sumReceipts(re.ID, r.board.Receipts(ctx, re.ID, time.Time{}))}
		}
		known[re.ID] = s
		list = append(list, s.sum)
	}
	r.sums = known
	return r.withChecks(ctx, list), ctx.Err()
}

// Sum adds up the receipts of one reshard, as they are now.
func (r *Reshards) Sum(ctx context.Context, reshard string) api.ReceiptSummary {
	return sumReceipts(reshard, r.board.Receipts(ctx, reshard, time.Time{}))
}

// sumReceipts adds up receipts, which are in the order of time.
func sumReceipts(reshard string, receipts []board.Receipt) api.ReceiptSummary {
	s := api.ReceiptSummary{Reshard: reshard, From: []string{}, To: []string{}, Partitions: len(receipts)}
	var pauses []int64
	for i, rc := range receipts {
		if i == 0 {
			s.BegunAt = chat.MillisOf(rc.At)
		}
		s.EndedAt = chat.MillisOf(rc.At)
		s.Channels += rc.Channels
		s.Rows += rc.Rows
		s.Bytes += rc.Bytes
		s.Followed += rc.Followed
		s.Gaps += rc.Gaps
		pauses = append(pauses, rc.PauseUS)
		s.From, s.To = with(s.From, rc.From), with(s.To, rc.To)
	}
	if len(pauses) > 0 {
		slices.Sort(pauses)
		s.PauseP50, s.PauseP99, s.PauseMax = pauses[len(pauses)/2], pauses[(len(pauses)*99)/100], pauses[len(pauses)-1]
	}
	return s
}

// with is a sorted list with a shard in it.
func with(list []string, id shard.ID) []string {
	at, found := slices.BinarySearch(list, string(id))
	if found {
		return list
	}
	return slices.Insert(list, at, string(id))
}
