package chat

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"strings"
)

// Limits of an import call.
const (
	MaxImportPeople  = 500
	maxImportSource  = 80
	maxImportedName  = 200
	importHashChars  = 8
	importNamePrefix = MaxLoginName - importHashChars - 1
)

// ImportedMessage is a message of another system. The place in one call of the
// message it answers, ReplyToIndex, counts from 0; -1: none.
type ImportedMessage struct {
	Sender       UserID
	ClientMsgID  ClientMsgID
	Body         string
	OrigAt       Millis
	ReplyTo      Seq
	ReplyToIndex int
}

// ImportPeople makes accounts for names of another system, or finds those made
// before: the same source and name always give the same user. Nobody can log
// in as them. For admins.
func (p *PeopleService) ImportPeople(ctx context.Context, admin Identity, source string, names []string) ([]User, error) {
	if err := needAdmin(admin); err != nil {
		return nil, err
	}
	source, err := NormalLine("source", source, 1, maxImportSource)
	if err != nil {
		return nil, err
	}
	if len(names) > MaxImportPeople {
		return nil, Errorf(CodeTooLong, "at most %d people at once", MaxImportPeople)
	}
	ids := make([]UserID, len(names))
	for i, name := range names {
		if ids[i], err = p.importPerson(ctx, source, name); err != nil {
			return nil, err
		}
	}
	byID := make(map[UserID]User, len(ids))
	known, err := p.svc.profilesOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, u := range known {
		byID[u.ID] = u
	}
	users := make([]User, len(ids))
	for i, id := range ids {
		users[i] = byID[id]
	}
	return users, nil
}

func (p *PeopleService) importPerson(ctx context.Context, source, name string) (UserID, error) {
	name, err := NormalLine("name", name, 1, maxImportedName)
	if err != nil {
		return 0, err
	}
	login := importLoginName(source, name)
	cred, err := p.accounts.Credentials(ctx, login)
	if err == nil {
		return cred.User, nil
	}
	if CodeOf(err) != CodeNotFound {
		return 0, err
	}
	self, _, err := p.accounts.SignUp(ctx, NewAccount{LoginName: login, DisplayName: Cut(name, MaxDisplayName), NoLogin: true})
	if CodeOf(err) == CodeNameTaken { // another import was quicker
		cred, err = p.accounts.Credentials(ctx, login)
		return cred.User, err
	}
	return self.ID, err
}

// importLoginName is the login name of an imported person: what of the name may
// stand in one, and a hash of source and name, which keeps apart those that
// would look the same and those who are here already.
func importLoginName(source, name string) string {
	var b strings.Builder
	n := 0
	for _, r := range strings.ToLower(name) {
		if n == importNamePrefix {
			break
		}
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r >= 0xAC00 && r <= 0xD7A3 {
			b.WriteRune(r)
			n++
		}
	}
	if n == 0 {
		b.WriteString("p")
	}
	sum := sha256.Sum256([]byte("person\x00" + source + "\x00" + name))
	hash := strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:importHashChars])
	return b.String() + "-" + hash
}

// ImportChannel makes a group for a channel of another system, owned by the
// admin, or finds the one made before and adds who is missing. The member limit
// is raised to fit.
func (svc *Service) ImportChannel(ctx context.Context, admin Identity, source, name string, members []UserID) (Channel, error) {
	if err := needAdmin(admin); err != nil {
		return Channel{}, err
	}
	source, err := NormalLine("source", source, 1, maxImportSource)
	if err != nil {
		return Channel{}, err
	}
	if members, err = checkUsers(members, MaxMemberLimit-1); err != nil {
		return Channel{}, err
	}
	limit := min(max(DefaultMemberLimit, len(members)+1), MaxMemberLimit)
	ch, err := svc.CreateGroup(ctx, admin, GroupDraft{Key: importKey("channel", source, name), Name: name, Limit: limit, Members: members})
	if err != nil {
		return Channel{}, err
	}
	return svc.completeChannel(ctx, admin, ch, members)
}

// completeChannel adds to a channel that was there already who is missing.
func (svc *Service) completeChannel(ctx context.Context, admin Identity, ch Channel, members []UserID) (Channel, error) {
	now, err := svc.directory.Members(ctx, admin.User, ch.ID)
	if err != nil {
		return Channel{}, err
	}
	in := make(map[UserID]bool, len(now))
	for _, m := range now {
		in[m.User] = true
	}
	var missing []UserID
	for _, id := range members {
		if !in[id] {
			missing = append(missing, id)
		}
	}
	if len(missing) == 0 {
		return ch, nil
	}
	if want := len(now) + len(missing); want > ch.MemberLimit {
		if _, err := svc.Govern(ctx, admin, Governance{Kind: GovernLimit, Channel: ch.ID, Limit: want}); err != nil {
			return Channel{}, err
		}
	}
	return svc.Govern(ctx, admin, Governance{Kind: GovernAdd, Channel: ch.ID, Users: missing})
}

// importKey is the key under which an import makes something.
func importKey(what, source, name string) ClientMsgID {
	sum := sha256.Sum256([]byte("import " + what + "\x00" + source + "\x00" + name))
	id := ClientMsgID(sum[:16])
	id[6] = id[6]&0x0F | 0x80 // UUID version 8: made by an application's own rule
	id[8] = id[8]&0x3F | 0x80
	return id
}

// ImportMessages stores messages of another system in the order given, all or
// none; repeating it gives the same receipts. Live sessions learn of them by
// their inboxes only. For admins.
func (svc *Service) ImportMessages(ctx context.Context, admin Identity, id ChannelID, messages []ImportedMessage) ([]Receipt, error) {
	if err := needAdmin(admin); err != nil {
		return nil, err
	}
	if len(messages) == 0 {
		return []Receipt{}, nil
	}
	if len(messages) > MaxAppendDrafts {
		return nil, Errorf(CodeTooLong, "at most %d messages at once", MaxAppendDrafts)
	}
	if _, err := svc.directory.Channel(ctx, admin.User, id); err != nil {
		return nil, err
	}
	drafts := make([]Draft, len(messages))
	for i, m := range messages {
		d := Draft{Channel: id, Sender: m.Sender, ClientMsgID: m.ClientMsgID, Body: m.Body, ReplyTo: m.ReplyTo, OrigAt: m.OrigAt}
		if m.ReplyToIndex >= i || m.ReplyToIndex < -1 {
			return nil, Errorf(CodeBadRequest, "message %d answers one that is not before it", i)
		}
		d.ReplyToDraft = m.ReplyToIndex + 1
		if d.Sender <= 0 || d.OrigAt < 0 || d.ReplyTo > 0 && d.ReplyToDraft > 0 {
			return nil, Errorf(CodeBadRequest, "message %d has no sender, no time or two answers", i)
		}
		if err := CheckDraft(&d); err != nil {
			e := *ErrorOf(err)
			e.Message = fmt.Sprintf("message %d: %s", i, e.Message)
			return nil, &e
		}
		drafts[i] = d
	}
	return svc.log.Append(ctx, drafts...)
}
