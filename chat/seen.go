package chat

import "context"

// PresenceTo is who may see a user's presence and when they were last active.
type PresenceTo uint8

// The choices; numbers as they are kept. In JSON and text they are words. The
// user's own devices always see the truth, those whom the user has blocked never.
const (
	PresenceToEveryone PresenceTo = 0
	PresenceToFriends  PresenceTo = 1
	PresenceToNobody   PresenceTo = 2
)

var presenceToWords = [...]string{"everyone", "friends", "nobody"}

// String is the word for it.
func (p PresenceTo) String() string {
	if int(p) < len(presenceToWords) {
		return presenceToWords[p]
	}
	return presenceToWords[PresenceToNobody]
}

// MarshalText makes the word of JSON.
func (p PresenceTo) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText takes one of the words.
func (p *PresenceTo) UnmarshalText(text []byte) error {
	for i, w := range presenceToWords {
		if w == string(text) {
			*p = PresenceTo(i)
			return nil
		}
	}
	return Errorf(CodeBadRequest, "presence_to is everyone, friends or nobody")
}

// Discretion is what an Attendance may also be: it keeps people from being seen
// by those who may not. Until it has heard of a user, it shows the user to
// nobody. Calls never block.
type Discretion interface {
	// SeenBy tells, at each resume, who may see the user.
	SeenBy(user UserID, to PresenceTo)
	// SeenByChanged tells the same to all nodes, after the user has changed it.
	SeenByChanged(user UserID, to PresenceTo)
}

// Shy is what Contacts may also be: it tells who has blocked a user, which is
// never shown but keeps the user from seeing their presence.
type Shy interface {
	HidingFrom(ctx context.Context, user UserID) ([]UserID, error)
}

// seenBy tells presence who may see a user who resumes.
func (svc *Service) seenBy(user UserID, to PresenceTo) {
	if d, ok := svc.attendance.(Discretion); ok {
		d.SeenBy(user, to)
	}
}

// seenByChanged tells presence on all nodes who may see a user from now on.
func (svc *Service) seenByChanged(user UserID, to PresenceTo) {
	if d, ok := svc.attendance.(Discretion); ok {
		d.SeenByChanged(user, to)
	}
}

// hidingFrom reads who has blocked the user.
func (svc *Service) hidingFrom(ctx context.Context, user UserID) ([]UserID, error) {
	if s, ok := svc.contacts.(Shy); ok {
		return s.HidingFrom(ctx, user)
	}
	return nil, nil
}
