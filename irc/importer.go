package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"

	"gori/client"
)

// maxImportBytes bounds the bodies of one call besides client.MaxImport.
const maxImportBytes = 1 << 20

// importer sends logs and reads them back.
type importer struct {
	admin  *client.Client
	source string
	bar    *progress
	also   []client.UserID // members besides those of the logs

	mu     sync.Mutex
	people map[string]client.UserID // by nick
}

func newImporter(admin *client.Client, source string, bar *progress) *importer {
	return &importer{admin: admin, source: source, bar: bar, people: map[string]client.UserID{}}
}

type importSum struct{ lines, stored, known, damaged int }

func (im *importer) sum(logs []*ircLog) importSum {
	var s importSum
	for _, l := range logs {
		s.lines += l.lines
		s.stored += l.stored
		s.known += l.known
		s.damaged += len(l.damaged)
	}
	return s
}

// lineID is the client_msg_id of a line: always the same, so that a repeated
// import stores nothing twice. UUID version 8 is for such own rules.
func (im *importer) lineID(l *ircLog, line int) client.ClientMsgID {
	sum := sha256.Sum256([]byte("gori import irc\x00" + im.source + "\x00" + filepath.Base(l.file) + "\x00" + strconv.Itoa(line)))
	id := client.ClientMsgID(sum[:16])
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// send stores a log: its people, its channel, its lines in order.
func (im *importer) send(ctx context.Context, l *ircLog) error {
	if len(l.said) == 0 {
		im.bar.add(l.lines)
		return nil
	}
	members, err := im.peopleOf(ctx, l)
	if err != nil {
		return err
	}
	ch, err := im.admin.ImportChannel(ctx, im.source, l.name, append(members, im.also...))
	if err != nil {
		return err
	}
	l.channel = ch.ID
	if len(members) >= 100 {
		im.bar.say(fmt.Sprintf("%s: %d people; the member limit of this channel is %d", l.name, len(members), ch.MemberLimit))
	}
	at := make(map[int]int, len(l.said))
	for i, s := range l.said {
		at[s.line] = i
	}
	im.bar.add(len(l.damaged))
	for from := 0; from < len(l.said); {
		to, bytes := from, 0
		for to < len(l.said) && to-from < client.MaxImport && bytes < maxImportBytes {
			bytes += len(l.said[to].body)
			to++
		}
		if err := im.batch(ctx, l, at, from, to); err != nil {
			return fmt.Errorf("lines %d to %d: %w", l.said[from].line, l.said[to-1].line, err)
		}
		im.bar.add(to - from)
		from = to
	}
	return nil
}

// batch stores the lines from place from up to place to.
func (im *importer) batch(ctx context.Context, l *ircLog, at map[int]int, from, to int) error {
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
	receipts, err := im.admin.ImportMessages(ctx, l.channel, list)
	if err != nil {
		return err
	}
	if len(receipts) != len(list) {
		return fmt.Errorf("%d receipts for %d lines", len(receipts), len(list))
	}
	for i, r := range receipts {
		l.said[from+i].seq = r.Seq
		if r.Duplicate {
			l.known++
		} else {
			l.stored++
		}
	}
	return nil
}

// nickOf is the name under which a line's sender is imported.
func nickOf(l *ircLog, s ircLine) string {
	if s.nick == "" {
		return l.logName
	}
	return s.nick
}

func (im *importer) person(l *ircLog, s ircLine) client.UserID {
	im.mu.Lock()
	defer im.mu.Unlock()
	return im.people[nickOf(l, s)]
}

// peopleOf finds or makes the accounts of a log's people, the log's own among
// them, and lists each once.
func (im *importer) peopleOf(ctx context.Context, l *ircLog) ([]client.UserID, error) {
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

// verify reads a channel back: every line once, in the order of the file, from
// its person, with its text and time.
func (im *importer) verify(ctx context.Context, l *ircLog) error {
	if len(l.said) == 0 {
		im.bar.add(l.lines)
		return nil
	}
	im.bar.add(len(l.damaged))
	next, lines := 0, make(map[client.ClientMsgID]int, len(l.said))
	for i, s := range l.said {
		lines[im.lineID(l, s.line)] = i
	}
	var at client.Seq
	for more := true; more; {
		page, err := im.admin.History(ctx, l.channel, client.HistoryQuery{After: at, HasAfter: true, Limit: 200})
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
		im.bar.add(len(page.Messages))
		more = page.MoreAfter
	}
	if next != len(l.said) {
		return fmt.Errorf("%d of %d lines are stored", next, len(l.said))
	}
	return nil
}
