package api

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-chi/chi/v5"

	"gori/chat"
)

// Limits of request bodies in bytes. A message body of 100,000 characters,
// each escaped as a surrogate pair, is 1.2 MB of JSON.
const (
	maxSmallBody  = 64 << 10
	maxSendBody   = 1_400_000
	maxImportBody = 32 << 20
)

// readJSON decodes the body into v, strictly: the media type must be JSON,
// unknown, repeated and case-variant keys are refused, and so is anything
// after the first document.
func readJSON(w http.ResponseWriter, r *http.Request, limit int64, v any) error {
	mt, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil || mt != "application/json" {
		return chat.Errorf(chat.CodeBadRequest, "the body must be application/json")
	}
	if cs, ok := params["charset"]; ok && !strings.EqualFold(cs, "utf-8") {
		return chat.Errorf(chat.CodeBadRequest, "the body must be UTF-8")
	}
	b, err := readBody(w, r, limit)
	if err != nil {
		return err
	}
	return chat.DecodeStrict(b, v)
}

// readBody reads at most limit bytes.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, chat.Errorf(chat.CodeTooLong, "the body may have %d bytes", limit)
	}
	b, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	var tooBig *http.MaxBytesError
	switch {
	case errors.As(err, &tooBig):
		return nil, chat.Errorf(chat.CodeTooLong, "the body may have %d bytes", limit)
	case err != nil:
		return nil, &chat.Error{Code: chat.CodeBadRequest, Message: "the body ended early", Err: err}
	}
	return b, nil
}

func pathChannel(r *http.Request) (chat.ChannelID, error) {
	return chat.ParseChannelID(chi.URLParam(r, "id"))
}

func pathUser(r *http.Request, name string) (chat.UserID, error) {
	return chat.ParseUserID(chi.URLParam(r, name))
}

func pathSeq(r *http.Request) (chat.Seq, error) {
	n, err := canonicalInt(chi.URLParam(r, "seq"), 1)
	return chat.Seq(n), err
}

// pathText returns a path segment with its escapes undone. chi hands out the
// raw form when the path holds an escaped slash.
func pathText(r *http.Request, name string) (string, error) {
	s := chi.URLParam(r, name)
	if r.URL.RawPath == "" {
		return s, nil
	}
	s, err := url.PathUnescape(s)
	if err != nil {
		return "", chat.Errorf(chat.CodeBadRequest, "the path is not well escaped")
	}
	return s, nil
}

// canonicalInt reads a decimal integer of at least least, without sign or
// leading zeros.
func canonicalInt(s string, least int64) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < least || strconv.FormatInt(n, 10) != s {
		return 0, chat.Errorf(chat.CodeBadID, "%.40q is not a number of at least %d", s, least)
	}
	return n, nil
}

// query reads the query string, where each parameter may stand once and only
// known ones may stand at all.
type query struct {
	v   url.Values
	err error
}

func readQuery(r *http.Request, known ...string) *query {
	v, err := url.ParseQuery(r.URL.RawQuery)
	q := &query{v: v}
	if err != nil {
		q.err = chat.Errorf(chat.CodeBadRequest, "the query is not well escaped")
		return q
	}
	for name, values := range v {
		if len(values) != 1 {
			q.err = chat.Errorf(chat.CodeBadRequest, "the parameter %.40q stands more than once", name)
		}
		found := false
		for _, k := range known {
			found = found || k == name
		}
		if !found {
			q.err = chat.Errorf(chat.CodeBadRequest, "the parameter %.40q is not known here", name)
		}
	}
	return q
}

func (q *query) has(name string) bool { return q.v.Has(name) }

func (q *query) text(name string) string { return q.v.Get(name) }

// number reads a parameter that must be at least least; absent means absent.
func (q *query) number(name string, least, absent int64) int64 {
	if q.err != nil || !q.v.Has(name) {
		return absent
	}
	n, err := canonicalInt(q.v.Get(name), least)
	if err != nil {
		q.err = chat.Errorf(chat.CodeBadRequest, "the parameter %s must be a number of at least %d", name, least)
		return absent
	}
	return n
}

// limit reads `limit`, cut down to most.
func (q *query) limit(most int) int {
	return int(min(q.number("limit", 1, 0), int64(most)))
}
