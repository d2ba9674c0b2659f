package notify

import (
	"crypto/ecdh"
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // quiet hours, also where the host has no zones

	"gori/chat"
)

// Limits of devices.
const (
	MaxDevices    = 20   // of a user; one more replaces the one unused for longest
	MaxEndpoint   = 2048 // bytes of an endpoint or URL
	MaxDeviceName = 60   // characters
	maxZone       = 64
	minutesOfDay  = 24 * 60
	authBytes     = 16 // of a subscription's secret, RFC 8291
	secretBytes   = 32 // of a webhook's secret
	noQuiet       = -1
)

// DeviceID names a push device within its user.
type DeviceID int64

func (id DeviceID) String() string { return strconv.FormatInt(int64(id), 10) }

// MarshalText writes the decimal form.
func (id DeviceID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// Kind tells how a device is reached.
type Kind int16

// The kinds of device.
const (
	WebPush    Kind = 1 // a browser's or UnifiedPush endpoint: RFC 8030, 8291 and 8292
	Webhook    Kind = 2 // a URL that a person gave, told what a browser would be
	BotWebhook Kind = 3 // the URL of a bot, told of every message that concerns the bot
)

// MarshalText writes the name that the protocol uses.
func (k Kind) MarshalText() ([]byte, error) {
	if k == WebPush {
		return []byte("webpush"), nil
	}
	return []byte("webhook"), nil
}

// Device is something a user is told through.
type Device struct {
	ID        DeviceID    `json:"id"`
	Kind      Kind        `json:"kind"`
	Name      string      `json:"name,omitempty"`
	Host      string      `json:"host"`    // of the endpoint; the rest of it is a secret
	Current   bool        `json:"current"` // it goes with the login that asks
	CreatedAt chat.Millis `json:"created_at"`
	LastOKAt  chat.Millis `json:"last_ok_at,omitempty"` // when a push was last taken, to the hour
	Failures  int         `json:"failures,omitempty"`   // pushes given up in a row

	User     chat.UserID  `json:"-"`
	Login    chat.LoginID `json:"-"` // with which it ends; 0: with none
	Endpoint string       `json:"-"`
	P256dh   []byte       `json:"-"` // the receiver's public key, 65 bytes
	Auth     []byte       `json:"-"`
	Secret   []byte       `json:"-"` // of a webhook, for its signature
}

// Settings are what a user wants of all pushes.
type Settings struct {
	HideBody  bool   `json:"hide_body"`
	QuietFrom int    `json:"quiet_from"` // minute of the day; -1: no quiet hours
	QuietTo   int    `json:"quiet_to"`
	Zone      string `json:"zone"` // IANA name; empty: UTC
}

// DefaultSettings are those of a user who has chosen none.
func DefaultSettings() Settings { return Settings{QuietFrom: noQuiet, QuietTo: noQuiet} }

// check refuses settings that mean nothing.
func (s Settings) check() error {
	if (s.QuietFrom == noQuiet) != (s.QuietTo == noQuiet) {
		return chat.Errorf(chat.CodeBadRequest, "quiet_from and quiet_to are given together, or both -1")
	}
	for _, m := range []int{s.QuietFrom, s.QuietTo} {
		if m < noQuiet || m >= minutesOfDay {
			return chat.Errorf(chat.CodeBadRequest, "a minute of the day is 0 to %d, or -1", minutesOfDay-1)
		}
	}
	// "Local" would be this server's zone, and a path is none.
	if len(s.Zone) > maxZone || s.Zone == "Local" {
		return chat.Errorf(chat.CodeBadRequest, "zone is an IANA time zone, such as Asia/Seoul")
	}
	if _, err := time.LoadLocation(s.Zone); err != nil {
		return chat.Errorf(chat.CodeBadRequest, "%.64q is not a time zone", s.Zone)
	}
	return nil
}

// quiet tells whether the user wants no pushes at this time. From and To at
// the same minute mean the whole day. The wall clock of the zone decides, so
// where daylight saving skips an hour the quiet hours are that much shorter.
func (s Settings) quiet(now time.Time) bool {
	if s.QuietFrom == noQuiet {
		return false
	}
	zone, err := time.LoadLocation(s.Zone)
	if err != nil {
		zone = time.UTC // it was known once; the host's zones have changed
	}
	t := now.In(zone)
	minute := t.Hour()*60 + t.Minute()
	if s.QuietFrom < s.QuietTo {
		return minute >= s.QuietFrom && minute < s.QuietTo
	}
	return minute >= s.QuietFrom || minute < s.QuietTo
}

// Registration asks for a device.
type Registration struct {
	Kind     Kind
	Name     string
	Endpoint string // or URL
	P256dh   string // base64url, as the browser gives them
	Auth     string
}

// device checks a registration. plainHTTP tells which endpoints need no TLS.
func (r Registration) device(plainHTTP func(host string) bool) (Device, error) {
	name, err := chat.NormalLine("name", r.Name, 0, MaxDeviceName)
	if err != nil {
		return Device{}, err
	}
	host, err := checkEndpoint(r.Endpoint, plainHTTP)
	if err != nil {
		return Device{}, err
	}
	d := Device{Kind: r.Kind, Name: name, Endpoint: r.Endpoint, Host: host}
	if r.Kind != WebPush {
		if r.P256dh != "" || r.Auth != "" {
			return Device{}, chat.Errorf(chat.CodeBadRequest, "a webhook has no keys")
		}
		return d, nil
	}
	if d.P256dh, err = decodeKey(r.P256dh); err == nil {
		_, err = ecdh.P256().NewPublicKey(d.P256dh)
	}
	if err != nil {
		return Device{}, chat.Errorf(chat.CodeBadRequest, "p256dh is not an uncompressed P-256 key in base64url")
	}
	if d.Auth, err = decodeKey(r.Auth); err != nil || len(d.Auth) != authBytes {
		return Device{}, chat.Errorf(chat.CodeBadRequest, "auth is not %d bytes in base64url", authBytes)
	}
	return d, nil
}

// decodeKey reads base64url with or without padding.
func decodeKey(s string) ([]byte, error) {
	if len(s) > 256 {
		return nil, fmt.Errorf("a key of %d characters", len(s))
	}
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
}

// checkEndpoint returns the host of an endpoint that may be called. What its
// name leads to is checked when it is called (see Dialer).
func checkEndpoint(endpoint string, plainHTTP func(host string) bool) (host string, err error) {
	if len(endpoint) > MaxEndpoint {
		return "", chat.Errorf(chat.CodeTooLong, "an endpoint may have %d bytes", MaxEndpoint)
	}
	bad := func(why string) (string, error) {
		return "", chat.Errorf(chat.CodeBadRequest, "this endpoint cannot be called: %s", why)
	}
	for _, c := range []byte(endpoint) {
		if c <= ' ' || c >= 0x7F {
			return bad("it holds a character that must be escaped")
		}
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return bad("it is not a URL")
	case u.Hostname() == "" || u.Opaque != "":
		return bad("it names no host")
	case u.User != nil:
		return bad("it holds a user name")
	case u.Fragment != "":
		return bad("it holds a fragment")
	case u.Scheme == "https":
	case u.Scheme == "http" && plainHTTP(u.Hostname()):
	default:
		return bad("it is not https")
	}
	if u.Port() == "0" {
		return bad("its port is 0")
	}
	return u.Host, nil
}
