package chat

import "context"

// Self reads one's own account.
func (p *PeopleService) Self(ctx context.Context, who Identity) (Self, error) {
	return p.people.Self(ctx, who.User)
}

// EditProfile changes one's own profile and tells friends.
func (p *PeopleService) EditProfile(ctx context.Context, who Identity, e ProfileEdit) (Self, error) {
	if e.DisplayName != nil {
		s, err := NormalLine("display name", *e.DisplayName, 1, MaxDisplayName)
		if err != nil {
			return Self{}, err
		}
		e.DisplayName = &s
	}
	if e.StatusLine != nil {
		s, err := NormalLine("status line", *e.StatusLine, 0, MaxStatusLine)
		if err != nil {
			return Self{}, err
		}
		e.StatusLine = &s
	}
	if e.AvatarColor != nil && (*e.AvatarColor < 0 || *e.AvatarColor >= avatarColors) {
		return Self{}, Errorf(CodeBadRequest, "avatar_color is 0 to %d", avatarColors-1)
	}
	if e.Lang != nil {
		if err := checkLang(*e.Lang); err != nil {
			return Self{}, err
		}
	}
	self, err := p.people.EditProfile(ctx, who.User, e)
	if err != nil {
		return Self{}, err
	}
	if e.PresenceTo != nil {
		p.svc.seenByChanged(who.User, self.PresenceTo)
	}
	p.svc.ProfileChanged(ctx, self.User)
	return self, nil
}

// Find searches people by the beginning of a name. Partial is set when a shard
// did not answer in time.
func (p *PeopleService) Find(ctx context.Context, _ Identity, prefix string) (found []User, partial bool, err error) {
	prefix, err = NormalLine("name", prefix, 1, MaxDisplayName)
	if err != nil {
		return nil, false, err
	}
	found, partial, err = p.people.Find(ctx, prefix, MaxUserSearchPage)
	if found == nil {
		found = []User{}
	}
	return found, partial, err
}

// SetAvatar keeps a picture made from an uploaded image; an empty upload
// removes the picture.
func (p *PeopleService) SetAvatar(ctx context.Context, who Identity, upload []byte) (version int64, err error) {
	var png []byte
	if len(upload) > 0 {
		select {
		case p.decoding <- struct{}{}:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		png, err = DecodeAvatar(upload)
		<-p.decoding
		if err != nil {
			return 0, err
		}
	}
	version, err = p.avatars.SetAvatar(ctx, who.User, png)
	if err != nil {
		return 0, err
	}
	self, err := p.people.Self(ctx, who.User)
	if err != nil {
		return 0, err
	}
	p.svc.ProfileChanged(ctx, self.User)
	return version, nil
}

// Avatar reads a user's picture. CodeNotFound if there is none.
func (p *PeopleService) Avatar(ctx context.Context, user UserID) (png []byte, version int64, err error) {
	png, version, err = p.avatars.Avatar(ctx, user)
	if err == nil && len(png) == 0 {
		err = Errorf(CodeNotFound, "this user has no picture")
	}
	return png, version, err
}
