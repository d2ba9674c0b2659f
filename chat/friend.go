package chat

import "context"

// Friends lists the user's people and their profiles.
func (svc *Service) Friends(ctx context.Context, who Identity) ([]Friend, []User, error) {
	friends, err := svc.contacts.Friends(ctx, who.User)
	if err != nil {
		return nil, nil, err
	}
	if friends == nil {
		friends = []Friend{}
	}
	users, err := svc.facesOf(ctx, peersOf(nil, friends))
	return friends, users, err
}

// Befriend asks for a friendship or accepts one, and tells both.
func (svc *Service) Befriend(ctx context.Context, who Identity, other UserID) (Friend, error) {
	if err := notSelf(who, other); err != nil {
		return Friend{}, err
	}
	state, err := svc.contacts.Befriend(ctx, who.User, other)
	if err != nil {
		return Friend{}, err
	}
	theirs := FriendReceived
	switch state {
	case FriendAccepted:
		theirs = FriendAccepted
	case FriendReceived:
		theirs = FriendSent
	}
	svc.tellFriend(ctx, other, who.User, theirs)
	return svc.tellFriend(ctx, who.User, other, state), nil
}

// Unfriend ends a friendship, or refuses or withdraws a request, and tells both.
func (svc *Service) Unfriend(ctx context.Context, who Identity, other UserID) error {
	if err := notSelf(who, other); err != nil {
		return err
	}
	if err := svc.contacts.Unfriend(ctx, who.User, other); err != nil {
		return err
	}
	svc.tellFriend(ctx, other, who.User, FriendNone)
	svc.tellFriend(ctx, who.User, other, FriendNone)
	return nil
}

// Block shuts other out. The other one sees only that the friendship ended.
func (svc *Service) Block(ctx context.Context, who Identity, other UserID) error {
	if err := notSelf(who, other); err != nil {
		return err
	}
	if err := svc.contacts.Block(ctx, who.User, other); err != nil {
		return err
	}
	svc.tellFriend(ctx, other, who.User, FriendNone)
	svc.tellFriend(ctx, who.User, other, FriendBlocked)
	return nil
}

// Unblock lets other in again.
func (svc *Service) Unblock(ctx context.Context, who Identity, other UserID) error {
	if err := notSelf(who, other); err != nil {
		return err
	}
	if err := svc.contacts.Unblock(ctx, who.User, other); err != nil {
		return err
	}
	svc.tellFriend(ctx, who.User, other, FriendNone)
	return nil
}

func notSelf(who Identity, other UserID) error {
	if other <= 0 || other == who.User {
		return Errorf(CodeBadRequest, "this needs another person")
	}
	return nil
}

// befriended tells this node's presence of a user's changed list of friends.
func (svc *Service) befriended(ctx context.Context, user UserID) {
	if svc.attendance == nil || !svc.hub.Online(user) {
		return
	}
	friends, err := svc.contacts.Friends(ctx, user)
	if err != nil {
		svc.logFault(ctx, "friends for presence", err)
		return
	}
	hiding, err := svc.hidingFrom(ctx, user)
	if err != nil {
		svc.logFault(ctx, "blocks for presence", err)
		return
	}
	states := svc.attendance.Befriended(user, acceptedOf(friends), hiding)
	svc.hub.Send([]UserID{user}, encodePresence(states))
}

// tellFriend tells a user's sessions that the line of other in the list of
// people has changed.
func (svc *Service) tellFriend(ctx context.Context, user, other UserID, state FriendState) Friend {
	f := Friend{User: other, State: state, Since: MillisOf(svc.now())}
	svc.befriended(ctx, user)
	if svc.toUsers([]UserID{user}, usersTiding(TidingFriends, user)); svc.alone() && !svc.hub.Online(user) {
		return f
	}
	profiles, err := svc.profilesOf(ctx, []UserID{other})
	if err != nil || len(profiles) == 0 {
		svc.logFault(ctx, "profile of a friend", err)
		return f
	}
	svc.deliver([]UserID{user}, Frame{Bytes: encode(friendFrame{Op: OpFriend, Friend: f, User: profiles[0]})})
	return f
}
