package chat

import "context"

var _ Listener = (*Service)(nil)

// Heard takes another node's tiding. What cannot be read is left, as it may
// come from a node of another version.
func (svc *Service) Heard(users []UserID, t Tiding) {
	var err error
	switch t.Kind {
	case TidingFrames:
		err = svc.heardFrames(users, t.Body)
	case TidingViewers:
		err = svc.heardViewers(t.Body)
	case TidingInbox:
		err = svc.heardInbox(t.Body)
	case TidingEnded:
		err = svc.heardEnded(t.Body)
	case TidingExpelled, TidingMembers:
		err = svc.heardMembers(t.Body)
	case TidingFriends:
		err = svc.heardFriends(t.Body)
	case TidingProfile:
		err = svc.heardProfiles(t.Body)
	default:
		err = errTiding
	}
	if err != nil {
		svc.hub.drops[dropTiding].Add(1)
		svc.logger.Debug("a tiding is left", "kind", t.Kind, "err", err)
	}
}

// heardFrames hands frames to the sessions here. Those of users whom a newer
// member list than the sender's may not name wait until that list is read.
func (svc *Service) heardFrames(users []UserID, body []byte) error {
	id, version, frames, err := readFrames(body)
	if err != nil || len(users) == 0 || len(frames) == 0 {
		return err
	}
	if id != 0 {
		svc.versions.raise(id, version)
	}
	if svc.handOut(id, version, users, frames...) {
		return nil
	}
	again := svc.errand(func(ctx context.Context) {
		if _, _, err := svc.handOutNow(ctx, id, version, users, frames...); err != nil {
			svc.hub.drops[dropTiding].Add(int64(len(frames)))
			svc.logFault(ctx, "members for another node's frames", err)
		}
	})
	if !again {
		svc.hub.drops[dropTiding].Add(int64(len(frames)))
	}
	return nil
}

// heardViewers hands light frames to the sessions that show their channels:
// only members do, and an expulsion ends it.
func (svc *Service) heardViewers(body []byte) error {
	lights, err := readViewers(body)
	for _, l := range lights {
		if err == nil && l.channel > 0 {
			svc.hub.deliverViewers(l.channel, l.about, Frame{Bytes: l.frame, Channel: l.channel, Light: true})
		}
	}
	return err
}

func (svc *Service) heardInbox(body []byte) error {
	notices, err := readInboxTiding(body, svc.hub.awaited)
	if err == nil {
		svc.hub.inboxChangedHere(notices)
	}
	return err
}

func (svc *Service) heardFriends(body []byte) error {
	users, err := readUsers(body)
	if err != nil {
		return err
	}
	for _, u := range users {
		if svc.hub.Online(u) {
			svc.errand(func(ctx context.Context) { svc.befriended(ctx, u) })
		}
	}
	return nil
}

func (svc *Service) heardProfiles(body []byte) error {
	users, err := readUsers(body)
	if err == nil {
		svc.profiles.forget(users...)
	}
	return err
}

func (svc *Service) heardEnded(body []byte) error {
	list, err := readEnded(body)
	if err == nil {
		svc.applyRevocations(list)
	}
	return err
}

func (svc *Service) heardMembers(body []byte) error {
	id, version, expelled, err := readMembers(body)
	if err == nil && id > 0 {
		svc.expelled(id, version, expelled)
	}
	return err
}

// awaited tells whether the user has a live session or a long poll here.
func (h *Hub) awaited(user UserID) bool { return h.Online(user) || h.waiting(user) }
