package chat

// An inbox tiding holds notices in groups: what the entries of one channel have
// in common stands once, which makes the notices of a group of a hundred four
// times smaller.

// entryHead is what the entries of a channel's members have in common.
type entryHead struct {
	channel     ChannelID
	kind        ChannelKind
	member      bool
	name        string
	lastSeq     Seq
	lastCount   Count
	lastChange  Change
	lastAt      Millis
	lastSender  UserID
	preview     string
	previewKind MessageKind
}

func headOf(e *InboxEntry) entryHead {
	return entryHead{e.Channel, e.Kind, e.Member, e.Name, e.LastSeq, e.LastCount, e.LastChange, e.LastAt, e.LastSender, e.Preview, e.PreviewKind}
}

func (h *entryHead) append(b []byte) []byte {
	b = appendNumber(appendNumber(b, h.channel), h.kind)
	b = appendBytes(appendFlag(b, h.member), h.name)
	b = appendNumber(appendNumber(appendNumber(b, h.lastSeq), h.lastCount), h.lastChange)
	b = appendNumber(appendNumber(b, h.lastAt), h.lastSender)
	return appendNumber(appendBytes(b, h.preview), h.previewKind)
}

func readHead(p *parcel) InboxEntry {
	e := InboxEntry{Channel: ChannelID(p.number()), Kind: ChannelKind(p.number()), Member: p.flag(), Name: p.text()}
	e.LastSeq, e.LastCount, e.LastChange = Seq(p.number()), Count(p.number()), Change(p.number())
	e.LastAt, e.LastSender = Millis(p.number()), UserID(p.number())
	e.Preview, e.PreviewKind = p.text(), MessageKind(p.number())
	return e
}

// appendOwn writes what is the user's own in an entry.
func appendOwn(b []byte, n *InboxNotice) []byte {
	e := &n.Entry
	b = appendNumber(appendNumber(appendNumber(b, n.User), e.Pos), e.Peer)
	b = appendNumber(appendNumber(appendNumber(b, e.ReadSeq), e.ReadCount), e.Mentions)
	b = appendFlag(appendNumber(b, e.Level), e.Pinned)
	b = appendNumber(b, len(e.Threads))
	for _, t := range e.Threads {
		b = appendNumber(appendNumber(appendNumber(b, t.Root), t.Unread), t.Mentions)
	}
	b = appendNumber(b, len(n.Passed))
	for _, p := range n.Passed {
		b = appendNumber(b, e.Pos-p)
	}
	return b
}

func readOwn(p *parcel, head InboxEntry) InboxNotice {
	n := InboxNotice{User: UserID(p.number()), Entry: head}
	e := &n.Entry
	e.Pos, e.Peer = Pos(p.number()), UserID(p.number())
	e.ReadSeq, e.ReadCount, e.Mentions = Seq(p.number()), Count(p.number()), int(p.number())
	e.Level, e.Pinned = Level(p.number()), p.flag()
	for range p.count() {
		if p.bad {
			break
		}
		e.Threads = append(e.Threads, ThreadUnread{Root: Seq(p.number()), Unread: Count(p.number()), Mentions: int(p.number())})
	}
	for range p.count() {
		if p.bad {
			break
		}
		n.Passed = append(n.Passed, e.Pos-Pos(p.number()))
	}
	return n
}

// inboxTidings packs notices and yields each tiding with the users it is about.
// The order of one user's notices may change: their Pos tells it.
func inboxTidings(notices []InboxNotice, yield func(users []UserID, t Tiding)) {
	groups := make(map[entryHead][]int, len(notices))
	var order []entryHead
	for i := range notices {
		h := headOf(&notices[i].Entry)
		if _, ok := groups[h]; !ok {
			order = append(order, h)
		}
		groups[h] = append(groups[h], i)
	}
	var users []UserID
	body := []byte{tidingFormat}
	end := func() {
		if len(users) > 0 {
			yield(users, Tiding{TidingInbox, body})
		}
		users, body = nil, []byte{tidingFormat}
	}
	for _, h := range order {
		for members := groups[h]; len(members) > 0; {
			some := members[:min(len(members), 200)]
			members = members[len(some):]
			body = appendNumber(h.append(body), len(some))
			for _, i := range some {
				body = appendOwn(body, &notices[i])
				users = append(users, notices[i].User)
			}
			if len(body) > tidingBytes {
				end()
			}
		}
	}
	end()
}

// readInboxTiding reads the notices of users that here says are here.
func readInboxTiding(body []byte, here func(UserID) bool) (notices []InboxNotice, err error) {
	p := openParcel(body)
	for p.more() {
		head := readHead(p)
		for range p.count() {
			n := readOwn(p, head)
			if p.bad {
				break
			}
			if here(n.User) {
				notices = append(notices, n)
			}
		}
	}
	return notices, p.err()
}
