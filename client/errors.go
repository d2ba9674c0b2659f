package client

import (
	"errors"
	"fmt"
	"time"
)

// Error is a refusal by the server, with its code of docs/PROTOCOL.md.
type Error struct {
	Status  int // of HTTP; 0 for a frame
	Code    string
	Message string
	Retry   bool          // the same again may succeed
	After   time.Duration // with Retry: not before
}

func (e *Error) Error() string {
	if e.Message == "" {
		return e.Code
	}
	return e.Code + ": " + e.Message
}

// CodeOf is the server's code in err, "" if it has none.
func CodeOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// CloseError is the end of a Live that must not come back by itself.
type CloseError struct {
	Code   int // the WebSocket close code
	Reason string
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("the server closed the session with %d %s", e.Code, e.Reason)
}

// Errors of a Live.
var (
	ErrClosed     = errors.New("client: closed")
	ErrOutboxFull = errors.New("client: the outbox is full")
)
