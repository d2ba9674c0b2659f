package chat

import "context"

// History reads a page of a channel's messages.
func (svc *Service) History(ctx context.Context, who Identity, q HistoryQuery) (Page, error) {
	q.Viewer = who.User
	if err := q.normalise(); err != nil {
		return Page{}, err
	}
	page, err := svc.log.History(ctx, q)
	return page.notNil(), err
}

// normalise checks the query's ranges and fills its defaults.
func (q *HistoryQuery) normalise() error {
	if q.Channel <= 0 {
		return Errorf(CodeBadID, "no channel is named")
	}
	if q.After < 0 || q.Before < 0 || q.Around < 0 || q.Date < 0 || q.Thread < 0 {
		return Errorf(CodeBadRequest, "a position cannot be negative")
	}
	set := 0
	for _, is := range []bool{q.HasAfter, q.Before > 0, q.Around > 0, q.Date > 0} {
		if is {
			set++
		}
	}
	if set > 1 {
		return Errorf(CodeBadRequest, "at most one of after, before, around and date may be given")
	}
	return pageLimit(&q.Limit)
}

// Changes reads the messages altered after a change number.
func (svc *Service) Changes(ctx context.Context, who Identity, q ChangesQuery) (Page, error) {
	q.Viewer = who.User
	if q.Channel <= 0 {
		return Page{}, Errorf(CodeBadID, "no channel is named")
	}
	if q.After < 0 || q.UpTo < 0 {
		return Page{}, Errorf(CodeBadRequest, "a position cannot be negative")
	}
	if err := pageLimit(&q.Limit); err != nil {
		return Page{}, err
	}
	page, err := svc.log.Changes(ctx, q)
	return page.notNil(), err
}

func pageLimit(n *int) error {
	switch {
	case *n == 0:
		*n = 50
	case *n < 0 || *n > MaxHistoryPage:
		return Errorf(CodeBadRequest, "limit is 1 to %d", MaxHistoryPage)
	}
	return nil
}

// notNil makes an empty page an empty list on the wire.
func (p Page) notNil() Page {
	if p.Messages == nil {
		p.Messages = []Message{}
	}
	return p
}
