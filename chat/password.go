package chat

import (
	"context"
	"runtime"
	"time"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
)

// passwordParams are the cost of one hash: 19 MiB, two passes, one lane.
var passwordParams = argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32}

// Bounds of hashing.
const (
	hashQueue  = 256              // callers waiting for a turn
	hashWithin = 10 * time.Second // for a turn
)

// hasher makes and checks password hashes, as many at once as there are cores,
// so that a wave of logins cannot take the memory or all the time.
type hasher struct {
	params argon2id.Params
	turns  chan struct{}
	queue  chan struct{}
	dummy  string // checked in place of the hash of a user who does not exist
}

func newHasher(params argon2id.Params) (*hasher, error) {
	dummy, err := argon2id.CreateHash("nobody has this password", &params)
	if err != nil {
		return nil, err
	}
	return &hasher{params: params, dummy: dummy, turns: make(chan struct{}, runtime.GOMAXPROCS(0)),
		queue: make(chan struct{}, hashQueue)}, nil
}

// turn waits for a turn; the caller must call done.
func (h *hasher) turn(ctx context.Context) (done func(), err error) {
	busy := Retryable(CodeOverloaded, 2*time.Second, nil, "too many are logging in at once")
	select {
	case h.queue <- struct{}{}:
		defer func() { <-h.queue }()
	default:
		return nil, busy
	}
	wait := time.NewTimer(hashWithin)
	defer wait.Stop()
	select {
	case h.turns <- struct{}{}:
		return func() { <-h.turns }, nil
	case <-wait.C:
		return nil, busy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	done, err := h.turn(ctx)
	if err != nil {
		return "", err
	}
	defer done()
	return argon2id.CreateHash(password, &h.params)
}

// check compares a password with a hash. An empty hash matches nothing and
// costs as much as any other.
func (h *hasher) check(ctx context.Context, password, hash string) (bool, error) {
	done, err := h.turn(ctx)
	if err != nil {
		return false, err
	}
	defer done()
	exists := hash != ""
	if !exists {
		hash = h.dummy
	}
	match, err := argon2id.ComparePasswordAndHash(password, hash)
	return match && exists, err
}

// normalPassword checks a new password. It is kept as typed, in NFC, so that
// every keyboard gives the same one.
func normalPassword(s string) (string, error) {
	if len(s) > MaxPasswordBytes {
		return "", Errorf(CodeTooLong, "a password has at most %d bytes", MaxPasswordBytes)
	}
	s, err := NormalText(s)
	if err != nil {
		return "", err
	}
	if len(s) > MaxPasswordBytes {
		return "", Errorf(CodeTooLong, "a password has at most %d bytes", MaxPasswordBytes)
	}
	if utf8.RuneCountInString(s) < MinPasswordChars {
		return "", Errorf(CodeBadRequest, "a password has at least %d characters", MinPasswordChars)
	}
	return s, nil
}
