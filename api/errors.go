package api

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"time"

	"gori/chat"
)

// statusOf is the one table from codes to HTTP statuses; a test holds it
// against docs/PROTOCOL.md.
var statusOf = map[chat.Code]int{
	chat.CodeBadRequest:      http.StatusBadRequest,
	chat.CodeBadID:           http.StatusBadRequest,
	chat.CodeBadText:         http.StatusBadRequest,
	chat.CodeEmpty:           http.StatusBadRequest,
	chat.CodeUnknownOp:       http.StatusBadRequest,
	chat.CodeUnauthenticated: http.StatusUnauthorized,
	chat.CodeBadCredentials:  http.StatusUnauthorized,
	chat.CodeForbidden:       http.StatusForbidden,
	chat.CodeBlocked:         http.StatusForbidden,
	chat.CodeInviteNeeded:    http.StatusForbidden,
	chat.CodeNotFound:        http.StatusNotFound,
	chat.CodeNotMember:       http.StatusNotFound,
	chat.CodeInviteInvalid:   http.StatusNotFound,
	chat.CodeConflict:        http.StatusConflict,
	chat.CodeNameTaken:       http.StatusConflict,
	chat.CodeIDReused:        http.StatusConflict,
	chat.CodeChannelFull:     http.StatusConflict,
	chat.CodeTooLate:         http.StatusConflict,
	chat.CodeDeleted:         http.StatusConflict,
	chat.CodeLastOwner:       http.StatusConflict,
	chat.CodeNoInstance:      http.StatusConflict,
	chat.CodeTooLong:         http.StatusRequestEntityTooLarge,
	chat.CodeRateLimited:     http.StatusTooManyRequests,
	chat.CodeInternal:        http.StatusInternalServerError,
	chat.CodeOverloaded:      http.StatusServiceUnavailable,
	chat.CodeShardDown:       http.StatusServiceUnavailable,
	chat.CodeMoving:          http.StatusServiceUnavailable,
	chat.CodeDraining:        http.StatusServiceUnavailable,
	chat.CodePushFailed:      http.StatusBadGateway,
}

// errorBody is the shape of every refused request.
type errorBody struct {
	Error errorDetail `json:"error"`
}

type errorDetail struct {
	Code    chat.Code `json:"code"`
	Message string    `json:"message"`
	Retry   bool      `json:"retry"`
	AfterMs int64     `json:"after_ms,omitempty"`
	// Reason tells programs what Message tells people.
	Reason *chat.Reason `json:"reason,omitempty"`
}

// fail answers with err. An error without a code is logged with its cause and
// shown without.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e := chat.ErrorOf(err)
	status, known := statusOf[e.Code]
	if !known {
		status = http.StatusInternalServerError
	}
	if ctxErr := r.Context().Err(); ctxErr != nil && errors.Is(err, context.Canceled) {
		// The client has gone; nobody reads the answer and nothing of ours failed.
		status = statusClientGone
	} else if status == http.StatusInternalServerError {
		s.log.Error("request failed", slog.String("request", requestID(r)), slog.String("route", routeOf(r)), slog.Any("err", err))
	}
	if s.metrics != nil {
		s.metrics.refused.WithLabelValues(string(e.Code)).Inc()
	}
	writeError(w, status, e)
}

// statusClientGone is logged when the client hung up before the answer.
const statusClientGone = 499

func writeError(w http.ResponseWriter, status int, e *chat.Error) {
	h := w.Header()
	if status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable {
		h.Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(e.After.Seconds())))))
	}
	if status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="gori"`)
	}
	writeJSON(w, status, errorBody{errorDetail{
		Code: e.Code, Message: e.Message, Retry: e.Retry, AfterMs: int64(e.After / time.Millisecond), Reason: e.Reason,
	}})
}

// writeJSON answers with v. What Marshal cannot encode is a fault of ours, so
// the status is only sent once the encoding has succeeded.
func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		status = http.StatusInternalServerError
		b = []byte(`{"error":{"code":"internal","message":"something went wrong on our side","retry":false}}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Content-Length", strconv.Itoa(len(b)+1))
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // a client that has gone needs no answer
}
