package chat

import (
	"context"
	"strings"
	"unicode"
)

// Edit replaces the body of the sender's own message.
func (svc *Service) Edit(ctx context.Context, who Identity, id ChannelID, seq Seq, body string, mentions []UserID) (Message, error) {
	body, err := NormalBody(body)
	if err != nil {
		return Message{}, err
	}
	if mentions, err = checkMentions(mentions); err != nil {
		return Message{}, err
	}
	return svc.alter(ctx, Alteration{Kind: AlterEdit, Channel: id, Seq: seq, Actor: who.User, Body: body, Mentions: mentions})
}

// Delete takes a message back for everyone.
func (svc *Service) Delete(ctx context.Context, who Identity, id ChannelID, seq Seq) (Message, error) {
	return svc.alter(ctx, Alteration{Kind: AlterDelete, Channel: id, Seq: seq, Actor: who.User})
}

// React puts an emoji on a message.
func (svc *Service) React(ctx context.Context, who Identity, id ChannelID, seq Seq, emoji string) (Message, error) {
	emoji, err := normalEmoji(emoji)
	if err != nil {
		return Message{}, err
	}
	return svc.alter(ctx, Alteration{Kind: AlterReact, Channel: id, Seq: seq, Actor: who.User, Emoji: emoji})
}

// Unreact takes one's emoji away again.
func (svc *Service) Unreact(ctx context.Context, who Identity, id ChannelID, seq Seq, emoji string) (Message, error) {
	emoji, err := normalEmoji(emoji)
	if err != nil {
		return Message{}, err
	}
	return svc.alter(ctx, Alteration{Kind: AlterUnreact, Channel: id, Seq: seq, Actor: who.User, Emoji: emoji})
}

func (svc *Service) alter(ctx context.Context, a Alteration) (Message, error) {
	if a.Channel <= 0 || a.Seq <= 0 {
		return Message{}, Errorf(CodeBadID, "no message is named")
	}
	a.Now = svc.now()
	res, err := svc.log.Alter(ctx, a)
	if err != nil {
		return Message{}, err
	}
	if res.Applied {
		svc.tell(a.Channel, outgoing{version: res.MemberVersion, frame: encodeMessage(OpChange, &res.Message)})
	}
	return res.Message, nil
}

// normalEmoji checks a reaction: something visible, short, without letters,
// space or control characters. Which emoji exist is the client's business.
func normalEmoji(s string) (string, error) {
	if len(s) > MaxEmojiBytes {
		return "", Errorf(CodeTooLong, "a reaction has at most %d bytes", MaxEmojiBytes)
	}
	s, err := NormalText(s)
	if err != nil {
		return "", err
	}
	if Blank(s) {
		return "", Errorf(CodeEmpty, "a reaction must be visible")
	}
	bad := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || turnsDirection(r) }
	if strings.ContainsFunc(s, bad) {
		return "", Errorf(CodeBadText, "a reaction is one emoji")
	}
	return s, nil
}
