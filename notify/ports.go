package notify

import (
	"context"
	"time"

	"gori/chat"
)

// Book keeps devices and settings, on the user's home shard. Package store
// implements it.
type Book interface {
	// Devices lists the user's devices, the newest first.
	Devices(ctx context.Context, user chat.UserID) (Settings, []Device, error)
	SaveSettings(ctx context.Context, user chat.UserID, s Settings) error
	// AddDevice keeps a device and returns it with its id. The same endpoint
	// again replaces keys, name and login and keeps the id. Of the kinds
	// WebPush and Webhook a user has MaxDevices: one more takes the place of
	// the one unused for longest; of the kind BotWebhook one: another replaces
	// it. A device of a login that has ended is refused with
	// CodeUnauthenticated.
	AddDevice(ctx context.Context, d Device) (Device, error)
	// RemoveDevice removes a device and what was to be sent to it.
	// CodeNotFound.
	RemoveDevice(ctx context.Context, user chat.UserID, id DeviceID) error
	// Device reads one with its keys. CodeNotFound.
	Device(ctx context.Context, user chat.UserID, id DeviceID) (Device, error)
}

// Vault keeps the key pair by which push services know this system.
type Vault interface {
	// PushKeys returns the kept pair; if there is none it keeps the given one.
	// Of several nodes that ask at once all get the same.
	PushKeys(ctx context.Context, fresh KeyPair) (KeyPair, error)
}

// KeyPair is a VAPID key pair (RFC 8292), both halves in base64url.
type KeyPair struct {
	Public  string `json:"public"`
	Private string `json:"private"`
}

// Presence tells who is there. Package presence implements it.
type Presence interface {
	// Liveness tells whether a device of the user is connected to any node,
	// and if none is, how long a dropped one may still come back before the
	// user counts as gone.
	Liveness(user chat.UserID) (live bool, graceLeft time.Duration)
}

// Reader reads what a push tells, as the user who gets it. chat.Service
// implements it.
type Reader interface {
	History(ctx context.Context, who chat.Identity, q chat.HistoryQuery) (chat.Page, error)
	Profiles(ctx context.Context, ids []chat.UserID) ([]chat.User, error)
}
