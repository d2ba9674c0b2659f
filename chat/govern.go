package chat

import (
	"context"
	"slices"
	"strconv"
	"time"
)

// OpenDirect finds or makes the direct channel with a peer.
func (svc *Service) OpenDirect(ctx context.Context, who Identity, peer UserID) (Channel, error) {
	if peer <= 0 || peer == who.User {
		return Channel{}, Errorf(CodeBadRequest, "a direct channel needs another person")
	}
	return svc.directory.OpenDirect(ctx, who.User, peer)
}

// CreateGroup makes a group owned by who.
func (svc *Service) CreateGroup(ctx context.Context, who Identity, d GroupDraft) (Channel, error) {
	d.Owner = who.User
	name, err := NormalLine("name", d.Name, 1, MaxChannelNameChars)
	if err != nil {
		return Channel{}, err
	}
	d.Name = name
	if d.Key == (ClientMsgID{}) {
		return Channel{}, Errorf(CodeBadID, "key is missing")
	}
	if d.Limit == 0 {
		d.Limit = svc.limit
	}
	if d.Limit < 2 || d.Limit > MaxMemberLimit {
		return Channel{}, Errorf(CodeBadRequest, "a member limit is 2 to %d", MaxMemberLimit)
	}
	if d.Members, err = checkUsers(d.Members, MaxMemberLimit); err != nil {
		return Channel{}, err
	}
	d.Members = slices.DeleteFunc(d.Members, func(id UserID) bool { return id == who.User })
	if len(d.Members)+1 > d.Limit {
		return Channel{}, Errorf(CodeChannelFull, "the channel holds at most %d members", d.Limit)
	}
	return svc.directory.CreateGroup(ctx, d)
}

// checkUsers sorts a list of users and removes repetitions.
func checkUsers(ids []UserID, max int) ([]UserID, error) {
	if len(ids) > max {
		return nil, Errorf(CodeTooLong, "at most %d people at once", max)
	}
	ids = slices.Clone(ids)
	slices.Sort(ids)
	if len(ids) > 0 && ids[0] <= 0 {
		return nil, Errorf(CodeBadID, "the list names nobody")
	}
	return slices.Compact(ids), nil
}

// Channel reads one channel.
func (svc *Service) Channel(ctx context.Context, who Identity, id ChannelID) (Channel, error) {
	return svc.directory.Channel(ctx, who.User, id)
}

// Members lists a channel's members and their profiles.
func (svc *Service) Members(ctx context.Context, who Identity, id ChannelID) ([]Member, []User, error) {
	members, err := svc.directory.Members(ctx, who.User, id)
	if err != nil {
		return nil, nil, err
	}
	ids := make([]UserID, len(members))
	for i, m := range members {
		ids[i] = m.User
	}
	users, err := svc.facesOf(ctx, ids)
	return members, users, err
}

// Govern changes a group and tells its members. When it returns, nothing of the
// channel reaches those it has removed.
func (svc *Service) Govern(ctx context.Context, who Identity, g Governance) (Channel, error) {
	g.Actor = who.User
	if err := checkGovernance(&g); err != nil {
		return Channel{}, err
	}
	res, err := svc.directory.Govern(ctx, g)
	if err != nil {
		return Channel{}, err
	}
	version := res.Channel.MemberVersion
	svc.versions.raise(g.Channel, version)
	if res.Message != nil {
		svc.toAll(membersTiding(g.Channel, version, res.Removed))
	}
	if len(res.Removed) > 0 {
		svc.hub.Expel(g.Channel, res.Removed)
		for _, id := range res.Removed {
			svc.note(ctx, who.User, "member.removed", g.Channel.String()+" "+id.String())
		}
	}
	if res.Message != nil {
		ln := svc.enter(g.Channel)
		svc.leave(ln, []outgoing{{seq: res.Message.Seq, version: version, frame: encodeMessage(OpMessage, res.Message)}})
		plain := res.Channel
		plain.Role = RoleNone
		svc.tell(g.Channel, outgoing{version: version, frame: encode(channelFrame{Op: OpChannel, Channel: plain})})
	}
	if g.Kind == GovernRole {
		svc.note(ctx, who.User, "member.role", g.Channel.String()+" "+strconv.Itoa(int(g.Role)))
	}
	return res.Channel, nil
}

func checkGovernance(g *Governance) (err error) {
	if g.Channel <= 0 {
		return Errorf(CodeBadID, "no channel is named")
	}
	switch g.Kind {
	case GovernRename:
		g.Name, err = NormalLine("name", g.Name, 1, MaxChannelNameChars)
	case GovernAdd, GovernRemove, GovernRole:
		g.Users, err = checkUsers(g.Users, MaxMemberLimit)
		if err == nil && len(g.Users) == 0 {
			err = Errorf(CodeBadRequest, "nobody is named")
		}
		if err == nil && g.Kind == GovernRole && (g.Role < RoleMember || g.Role > RoleOwner) {
			err = Errorf(CodeBadRequest, "there is no such role")
		}
	case GovernLimit:
		if g.Limit < 2 || g.Limit > MaxMemberLimit {
			err = Errorf(CodeBadRequest, "a member limit is 2 to %d", MaxMemberLimit)
		}
	case GovernLeave, GovernJoin:
	default:
		err = Errorf(CodeBadRequest, "nothing is asked for")
	}
	return err
}

// Invite makes an invite link. maxUses 0: no limit; a zero expires: never.
func (svc *Service) Invite(ctx context.Context, who Identity, id ChannelID, maxUses int, expires time.Time) (Invite, error) {
	if maxUses < 0 || maxUses > MaxMemberLimit {
		return Invite{}, Errorf(CodeBadRequest, "max_uses is 0 to %d", MaxMemberLimit)
	}
	if !expires.IsZero() && !expires.After(svc.now()) {
		return Invite{}, Errorf(CodeBadRequest, "expires_at has passed")
	}
	return svc.invites.CreateInvite(ctx, who.User, id, maxUses, expires)
}

// Invites lists a channel's live invite links.
func (svc *Service) Invites(ctx context.Context, who Identity, id ChannelID) ([]Invite, error) {
	return svc.invites.Invites(ctx, who.User, id)
}

// RevokeInvite ends an invite link.
func (svc *Service) RevokeInvite(ctx context.Context, who Identity, id ChannelID, invite int64) error {
	return svc.invites.RevokeInvite(ctx, who.User, id, invite)
}

// PreviewInvite shows what an invite link leads to.
func (svc *Service) PreviewInvite(ctx context.Context, code string) (InvitePreview, error) {
	if err := checkInviteCode(code); err != nil {
		return InvitePreview{}, err
	}
	return svc.invites.PreviewInvite(ctx, code)
}

// Join makes who a member by an invite link.
func (svc *Service) Join(ctx context.Context, who Identity, code string) (Channel, error) {
	preview, err := svc.PreviewInvite(ctx, code)
	if err != nil {
		return Channel{}, err
	}
	return svc.Govern(ctx, who, Governance{Kind: GovernJoin, Channel: preview.Channel, Invite: code})
}

func checkInviteCode(code string) error {
	if len(code) == 0 || len(code) > 200 {
		return Errorf(CodeInviteInvalid, "this invitation is not valid")
	}
	if _, err := NormalText(code); err != nil {
		return Errorf(CodeInviteInvalid, "this invitation is not valid")
	}
	return nil
}
