package chat

import (
	"errors"
	"fmt"
	"time"
)

// Code names a kind of error for programs. Codes are part of the public
// protocol: docs/PROTOCOL.md lists each with its HTTP status.
type Code string

// The codes. One table in package api maps them to HTTP statuses; frames carry
// them as they are.
const (
	CodeInternal        Code = "internal"             // a fault of ours; logged with its cause, shown without
	CodeBadRequest      Code = "bad_request"          // the request cannot be understood
	CodeBadID           Code = "bad_id"               // an id is not in its canonical form
	CodeBadText         Code = "bad_text"             // NUL, bad UTF-8 or a lone surrogate
	CodeTooLong         Code = "too_long"             // a text or list is over its limit
	CodeEmpty           Code = "empty"                // a text that must say something is blank
	CodeUnknownOp       Code = "unknown_op"           // a frame with an op this server does not know
	CodeUnauthenticated Code = "unauthenticated"      // no valid login
	CodeBadCredentials  Code = "bad_credentials"      // wrong name or password; the same for unknown names
	CodeForbidden       Code = "forbidden"            // the role does not allow it
	CodeNotMember       Code = "not_member"           // the channel does not exist for this user
	CodeNotFound        Code = "not_found"            // no such thing, or none this user may see
	CodeNameTaken       Code = "name_taken"           // the login name belongs to someone else
	CodeInviteNeeded    Code = "invite_needed"        // sign-up is by invitation
	CodeInviteInvalid   Code = "invite_invalid"       // the invitation is used up, expired or revoked
	CodeBlocked         Code = "blocked"              // one of the two has blocked the other
	CodeChannelFull     Code = "channel_full"         // the member limit is reached
	CodeConflict        Code = "conflict"             // the state changed meanwhile
	CodeIDReused        Code = "client_msg_id_reused" // the same client_msg_id with another body
	CodeTooLate         Code = "too_late"             // the time for a delete has passed
	CodeDeleted         Code = "deleted"              // the message has been deleted
	CodeLastOwner       Code = "last_owner"           // a group cannot be left without an owner
	CodeRateLimited     Code = "rate_limited"         // too many; retry after Retry
	CodeOverloaded      Code = "overloaded"           // a bounded queue is full; retry after Retry
	CodeShardDown       Code = "shard_unavailable"    // the shard of this channel or user is down; retry
	CodeMoving          Code = "moving"               // the partition is being handed over; retry at once
	CodeDraining        Code = "draining"             // this node is going away; connect elsewhere
	CodePushFailed      Code = "push_failed"          // a push service or webhook did not take a push
	CodeNoInstance      Code = "no_instance"          // nobody here makes PostgreSQL instances: give an address
)

// Error is an error with a code. Every error that leaves a package is an Error
// or wraps one; whatever has no code is CodeInternal to the outside.
type Error struct {
	Code    Code
	Message string        // for people; English; never contains secrets
	Retry   bool          // whether the same request may succeed later
	After   time.Duration // with Retry: how long to wait at least; 0 means the caller's own back-off
	Err     error         // the cause, for logs only; may be nil
	Reason  *Reason       // the Message for programs; nil: only the Code
}

// Reason says more than a Code: for one who has words of their own for it.
type Reason struct {
	Code string            `json:"code"`
	Args map[string]string `json:"args,omitempty"`
	Text string            `json:"text,omitempty"` // in English, where nothing else says it
}

func (e *Error) Error() string {
	if e.Err != nil {
		return string(e.Code) + ": " + e.Message + ": " + e.Err.Error()
	}
	return string(e.Code) + ": " + e.Message
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error that will not be cured by retrying.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Retryable makes an Error that the same request may overcome after a pause.
func Retryable(code Code, after time.Duration, cause error, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Retry: true, After: after, Err: cause}
}

// ErrorOf finds the coded error in err. An error without a code becomes
// CodeInternal with err as its cause; nil stays nil.
func ErrorOf(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Code: CodeInternal, Message: "something went wrong on our side", Err: err}
}

// CodeOf returns the code of err, CodeInternal if it has none, "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	return ErrorOf(err).Code
}
