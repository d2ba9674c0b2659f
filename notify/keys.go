package notify

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"io"

	"gori/chat"
)

// newKeyPair draws a VAPID key pair.
func newKeyPair(rand io.Reader) (KeyPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand)
	if err != nil {
		return KeyPair{}, err
	}
	private, err := key.Bytes()
	if err != nil {
		return KeyPair{}, err
	}
	public, err := key.PublicKey.Bytes()
	if err != nil {
		return KeyPair{}, err
	}
	b64 := base64.RawURLEncoding
	return KeyPair{Public: b64.EncodeToString(public), Private: b64.EncodeToString(private)}, nil
}

// keys returns this system's key pair, which the first caller ever makes. It
// never changes: with another one every subscription would be void.
func (n *Notifier) keys(ctx context.Context) (KeyPair, error) {
	if k := n.pair.Load(); k != nil {
		return *k, nil
	}
	fresh, err := newKeyPair(n.cfg.Rand)
	if err != nil {
		return KeyPair{}, err
	}
	kept, err := n.vault.PushKeys(ctx, fresh)
	if err != nil {
		return KeyPair{}, err
	}
	n.pair.Store(&kept)
	return kept, nil
}

// VAPIDKey returns the public key with which browsers subscribe.
func (n *Notifier) VAPIDKey(ctx context.Context) (string, error) {
	k, err := n.keys(ctx)
	return k.Public, err
}

// newSecret draws a webhook's secret.
func (n *Notifier) newSecret() ([]byte, error) {
	raw := make([]byte, secretBytes)
	if _, err := io.ReadFull(n.cfg.Rand, raw); err != nil {
		return nil, err
	}
	// The text is the key: a receiver uses what it was shown, undecoded.
	return []byte(base64.RawURLEncoding.EncodeToString(raw)), nil
}

// Overview is what a user's settings page shows.
type Overview struct {
	VAPIDKey string   `json:"vapid_key"`
	Settings Settings `json:"settings"`
	Devices  []Device `json:"devices"`
}

// Overview reads the user's settings and devices.
func (n *Notifier) Overview(ctx context.Context, who chat.Identity) (Overview, error) {
	key, err := n.VAPIDKey(ctx)
	if err != nil {
		return Overview{}, err
	}
	settings, devices, err := n.book.Devices(ctx, who.User)
	if err != nil {
		return Overview{}, err
	}
	o := Overview{VAPIDKey: key, Settings: settings, Devices: make([]Device, 0, len(devices))}
	for _, d := range devices {
		o.Devices = append(o.Devices, d.seenBy(who))
	}
	return o, nil
}

func (d Device) seenBy(who chat.Identity) Device {
	d.Current = d.Login != 0 && d.Login == who.Login
	return d
}

// SaveSettings replaces the user's settings.
func (n *Notifier) SaveSettings(ctx context.Context, who chat.Identity, s Settings) (Settings, error) {
	if err := s.check(); err != nil {
		return Settings{}, err
	}
	return s, n.book.SaveSettings(ctx, who.User, s)
}

// Register adds a device of the user, or renews its keys. A browser's goes
// with the login that makes it. A webhook's secret is returned, this once.
func (n *Notifier) Register(ctx context.Context, who chat.Identity, r Registration) (Device, string, error) {
	d, err := r.device(n.dialer.mayBePlain)
	if err != nil {
		return Device{}, "", err
	}
	d.User = who.User
	if d.Kind == WebPush {
		d.Login = who.Login
	} else if d.Secret, err = n.newSecret(); err != nil {
		return Device{}, "", err
	}
	kept, err := n.book.AddDevice(ctx, d)
	if err != nil {
		return Device{}, "", err
	}
	return kept.seenBy(who), string(d.Secret), nil
}

// SetBotWebhook gives a bot its webhook, in place of an earlier one: from now
// on it is told of every message that mentions the bot and of every direct
// message to it. Who may do so is the caller's to judge. The secret is
// returned, this once.
func (n *Notifier) SetBotWebhook(ctx context.Context, bot chat.UserID, url string) (secret string, err error) {
	_, secret, err = n.Register(ctx, chat.Identity{User: bot}, Registration{Kind: BotWebhook, Endpoint: url})
	return secret, err
}

// RemoveBotWebhook ends a bot's webhook; none is no error.
func (n *Notifier) RemoveBotWebhook(ctx context.Context, bot chat.UserID) error {
	_, devices, err := n.book.Devices(ctx, bot)
	if err != nil {
		return err
	}
	for _, d := range devices {
		if d.Kind != BotWebhook {
			continue
		}
		if err := n.book.RemoveDevice(ctx, bot, d.ID); err != nil && chat.CodeOf(err) != chat.CodeNotFound {
			return err
		}
	}
	return nil
}

// Remove removes a device of the user.
func (n *Notifier) Remove(ctx context.Context, who chat.Identity, id DeviceID) error {
	return n.book.RemoveDevice(ctx, who.User, id)
}
