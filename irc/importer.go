package irc

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"gori/client"
)

// maxImportBytes bounds the bodies of one call besides client.MaxImport.
const maxImportBytes = 1 << 20

// Progress is told how far an import is; several goroutines may tell it.
type Progress interface {
	Add(lines int)
	Part()           // a log is done
	Say(text string) // something worth knowing
}

// Importer sends logs and reads them back.
type Importer struct {
	Also []client.UserID // members of each channel besides the people of the log

	admin  *client.Client
	source string
	bar    Progress

	mu     sync.Mutex
	people map[string]client.UserID // by nick
}

// NewImporter sends as admin. source names where the logs come from: the same
// nick of one source is one person.
func NewImporter(admin *client.Client, source string, bar Progress) *Importer {
	return &Importer{admin: admin, source: source, bar: bar, people: map[string]client.UserID{}}
}

// Each does something for every log, jobs of them at a time, until one fails.
func (im *Importer) Each(ctx context.Context, logs []*Log, jobs int, do func(context.Context, *Log) error) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(jobs)
	for _, l := range logs {
		g.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			if err := do(ctx, l); err != nil {
				return fmt.Errorf("%s: %w", l.File, err)
			}
			im.bar.Part()
			return nil
		})
	}
	return g.Wait()
}

// lineID is the client_msg_id of a line: always the same, so that a repeated
// import stores nothing twice. UUID version 8 is for such own rules.
func (im *Importer) lineID(l *Log, line int) client.ClientMsgID {
	sum := sha256.Sum256([]byte("gori import irc\x00" + im.source + "\x00" + filepath.Base(l.File) + "\x00" + strconv.Itoa(line)))
	id := client.ClientMsgID(sum[:16])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// Send stores a log: its people, its channel, its lines in order.
func (im *Importer) Send(ctx context.Context, l *Log) error {
	if len(l.said) == 0 {
		im.bar.Add(l.Lines)
		return nil
	}
	members, err := im.peopleOf(ctx, l)
	if err != nil {
		return err
	}
	ch, err := im.admin.ImportChannel(ctx, im.source, l.name, append(members, im.Also...))
	if err != nil {
		return err
	}
	l.Channel = ch.ID
	if len(members) >= 100 {
		im.bar.Say(fmt.Sprintf("%s: %d people; the member limit of this channel is %d", l.name, len(members), ch.MemberLimit))
	}
	at := make(map[int]int, len(l.said))
	for i, s := range l.said {
		at[s.line] = i
	}
	im.bar.Add(len(l.Damaged))
	for from := 0; from < len(l.said); {
		to, bytes := from, 0
		for to < len(l.said) && to-from < client.MaxImport && bytes < maxImportBytes {
			bytes += len(l.said[to].body)
			to++
		}
		if err := im.batch(ctx, l, at, from, to); err != nil {
			return fmt.Errorf("lines %d to %d: %w", l.said[from].line, l.said[to-1].line, err)
		}
		im.bar.Add(to - from)
		from = to
	}
	return nil
}

// batch stores the lines from place from up to place to.
func (im *Importer) batch(ctx context.Context, l *Log, at map[int]int, from, to int) error {
	list := make([]client.ImportedMessage, 0, to-from)
	for _, s := range l.said[from:to] {
		m := client.ImportedMessage{Sender: im.person(l, s), ClientMsgID: im.lineID(l, s.line), Body: s.body, OrigAt: s.at}
		if s.answer != 0 {
			if place := at[s.answer]; place < from {
				m.ReplyTo = l.said[place].seq
			} else {
				place -= from
				m.ReplyToIndex = &place
			}
		}
		list = append(list, m)
	}
	receipts, err := im.admin.ImportMessages(ctx, l.Channel, list)
	if err != nil {
		return err
	}
	if len(receipts) != len(list) {
		return fmt.Errorf("%d receipts for %d lines", len(receipts), len(list))
	}
	for i, r := range receipts {
		l.said[from+i].seq = r.Seq
		if r.Duplicate {
			l.Known++
		} else {
			l.Stored++
		}
	}
	return nil
}

// nickOf is the name under which a line's sender is imported.
func nickOf(l *Log, s said) string {
	if s.nick == "" {
		return l.logName
	}
	return s.nick
}

func (im *Importer) person(l *Log, s said) client.UserID {
	im.mu.Lock()
	defer im.mu.Unlock()
	return im.people[nickOf(l, s)]
}

// peopleOf finds or makes the accounts of a log's people, the log's own among
// them, and lists each once.
func (im *Importer) peopleOf(ctx context.Context, l *Log) ([]client.UserID, error) {
	seen := map[string]bool{}
	var nicks, unknown []string
	im.mu.Lock()
	for _, s := range l.said {
		if n := nickOf(l, s); !seen[n] {
			seen[n] = true
			nicks = append(nicks, n)
			if im.people[n] == 0 {
				unknown = append(unknown, n)
			}
		}
	}
	im.mu.Unlock()
	const atOnce = 100
	for len(unknown) > 0 {
		part := unknown[:min(atOnce, len(unknown))]
		unknown = unknown[len(part):]
		users, err := im.admin.ImportPeople(ctx, im.source, part)
		if err != nil {
			return nil, err
		}
		if len(users) != len(part) {
			return nil, fmt.Errorf("%d accounts for %d people", len(users), len(part))
		}
		im.mu.Lock()
		for i, u := range users {
			im.people[part[i]] = u.ID
		}
		im.mu.Unlock()
	}
	ids := make([]client.UserID, 0, len(nicks))
	once := map[client.UserID]bool{}
	im.mu.Lock()
	defer im.mu.Unlock()
	for _, n := range nicks {
		if id := im.people[n]; !once[id] {
			once[id] = true
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// Verify reads the channel of a log that was sent back: every line once, in the
// order of the file, from its person, with its text and time.
func (im *Importer) Verify(ctx context.Context, l *Log) error {
	if len(l.said) == 0 {
		im.bar.Add(l.Lines)
		return nil
	}
	im.bar.Add(len(l.Damaged))
	next, lines := 0, make(map[client.ClientMsgID]int, len(l.said))
	for i, s := range l.said {
		lines[im.lineID(l, s.line)] = i
	}
	var at client.Seq
	for more := true; more; {
		page, err := im.admin.History(ctx, l.Channel, client.HistoryQuery{After: at, HasAfter: true, Limit: 200})
		if err != nil {
			return err
		}
		for _, m := range page.Messages {
			at = m.Seq
			i, ours := lines[m.ClientMsgID]
			if !ours {
				continue // someone has written here since
			}
			s := l.said[i]
			if i != next || m.Seq != s.seq || m.OrigAt != s.at || m.Sender != im.person(l, s) {
				return fmt.Errorf("line %d is not stored as it should be: place %d, seq %d", s.line, next, m.Seq)
			}
			next++
		}
		im.bar.Add(len(page.Messages))
		more = page.MoreAfter
	}
	if next != len(l.said) {
		return fmt.Errorf("%d of %d lines are stored", next, len(l.said))
	}
	return nil
}
