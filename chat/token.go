package chat

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
)

// A token is "<user id>.<43 characters base64url>": the user id finds the home
// shard, the 256 random bits prove the login. Only their SHA-256 is kept.
const (
	tokenSecret = 32 // random bytes
	tokenChars  = 43 // of the secret in base64url
	maxToken    = 19 + 1 + tokenChars
)

// newSecret draws the random part of a token or invitation.
func newSecret(random io.Reader) (text string, hash [32]byte, err error) {
	var b [tokenSecret]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", hash, fmt.Errorf("draw a secret: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(b[:]), sha256.Sum256(b[:]), nil
}

// formatToken writes a token.
func formatToken(user UserID, secret string) string { return user.String() + "." + secret }

// parseToken reads a token. Whatever is not one is CodeUnauthenticated.
func parseToken(s string) (UserID, [32]byte, error) {
	id, hash, ok := parseSecret(s)
	if !ok {
		return 0, [32]byte{}, Errorf(CodeUnauthenticated, "log in first")
	}
	return UserID(id), hash, nil
}

// parseSecret reads an id, a dot and a secret.
func parseSecret(s string) (id int64, hash [32]byte, ok bool) {
	if len(s) > maxToken {
		return 0, hash, false
	}
	text, secret, ok := strings.Cut(s, ".")
	id, err := parseID([]byte(text))
	if !ok || err != nil || len(secret) != tokenChars {
		return 0, hash, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(secret)
	if err != nil || len(b) != tokenSecret {
		return 0, hash, false
	}
	return id, sha256.Sum256(b), true
}

// avatarColors is the size of the client's palette.
const avatarColors = 12
