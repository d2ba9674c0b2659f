package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// Bounds of JSON from outside.
const (
	maxJSONDepth  = 8
	maxJSONKeys   = 64   // in one object
	maxJSONItems  = 1000 // in one list
	maxJSONKey    = 64   // bytes of a key
	maxJSONNumber = 24   // bytes of a number
)

// DecodeStrict reads one JSON document into v, a pointer to a struct, and
// refuses what encoding/json would let pass: unknown fields, keys that repeat
// or differ only in case, lone surrogates, NUL, invalid UTF-8, a second
// document, and documents too deep or too wide. Every error is coded.
//
// Keys are written as a-z, 0-9 and _, without escapes, so there is only one way
// to write each.
func DecodeStrict(data []byte, v any) error {
	if _, err := checkJSON(data); err != nil {
		return err
	}
	return decodeChecked(data, v)
}

// decodeChecked decodes what checkJSON has passed.
func decodeChecked(data []byte, v any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	err := dec.Decode(v)
	if err == nil {
		return nil
	}
	var coded *Error
	if errors.As(err, &coded) {
		return coded
	}
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong):
		return Errorf(CodeBadRequest, "the field %.80s cannot be a %.40s", wrong.Field, wrong.Value)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return badJSON("the document ends early")
	}
	return badJSON("%.120s", trimJSONPrefix(err.Error()))
}

func trimJSONPrefix(s string) string {
	if len(s) > 6 && s[:6] == "json: " {
		return s[6:]
	}
	return s
}

// checkJSON passes over a document once; what it allocates does not grow with
// the document. It returns the fields of the top-level object.
func checkJSON(data []byte) ([]rawField, error) {
	if !utf8.Valid(data) {
		return nil, Errorf(CodeBadText, "the document is not valid UTF-8")
	}
	c := checker{data: data}
	if c.peek() != '{' {
		return nil, badJSON("the document must be one JSON object")
	}
	if err := c.value(0); err != nil {
		return nil, err
	}
	c.space()
	if c.at != len(data) {
		return nil, badJSON("something follows the document")
	}
	return c.top, nil
}

// rawField is one field of an object: its key and its value as it stands.
type rawField struct{ key, value []byte }

func badJSON(format string, args ...any) error { return Errorf(CodeBadRequest, format, args...) }

// checker is a position in a document.
type checker struct {
	data []byte
	at   int
	top  []rawField // of the top-level object
}

func (c *checker) space() {
	for c.at < len(c.data) {
		switch c.data[c.at] {
		case ' ', '\t', '\n', '\r':
			c.at++
		default:
			return
		}
	}
}

// peek is the next byte after space; 0 at the end.
func (c *checker) peek() byte {
	c.space()
	if c.at >= len(c.data) {
		return 0
	}
	return c.data[c.at]
}

func (c *checker) value(depth int) error {
	if depth >= maxJSONDepth {
		return badJSON("the document is nested deeper than %d", maxJSONDepth)
	}
	switch b := c.peek(); {
	case b == '{':
		return c.object(depth)
	case b == '[':
		return c.list(depth)
	case b == '"':
		return c.text()
	case b == '-' || b >= '0' && b <= '9':
		return c.number()
	case b == 't':
		return c.word("true")
	case b == 'f':
		return c.word("false")
	case b == 'n':
		return c.word("null")
	}
	return badJSON("a value is missing at byte %d", c.at)
}

func (c *checker) word(w string) error {
	if len(c.data)-c.at < len(w) || string(c.data[c.at:c.at+len(w)]) != w {
		return badJSON("an unknown word at byte %d", c.at)
	}
	c.at += len(w)
	return nil
}

// number passes over an integer or decimal; encoding/json checks its form.
func (c *checker) number() error {
	start := c.at
	for c.at < len(c.data) {
		b := c.data[c.at]
		if b >= '0' && b <= '9' || b == '-' || b == '+' || b == '.' || b == 'e' || b == 'E' {
			c.at++
			continue
		}
		break
	}
	if c.at-start > maxJSONNumber {
		return badJSON("a number is longer than %d digits", maxJSONNumber)
	}
	return nil
}

func (c *checker) list(depth int) error {
	c.at++
	if c.peek() == ']' {
		c.at++
		return nil
	}
	for n := 1; ; n++ {
		if n > maxJSONItems {
			return Errorf(CodeTooLong, "a list has more than %d items", maxJSONItems)
		}
		if err := c.value(depth + 1); err != nil {
			return err
		}
		switch c.peek() {
		case ',':
			c.at++
		case ']':
			c.at++
			return nil
		default:
			return badJSON("a list is not closed at byte %d", c.at)
		}
	}
}

func (c *checker) object(depth int) error {
	var few [8]rawField // most objects have no more
	seen := few[:0]
	c.at++
	if c.peek() == '}' {
		c.at++
		return nil
	}
	for {
		key, err := c.key()
		if err != nil {
			return err
		}
		for _, other := range seen {
			if bytes.Equal(other.key, key) {
				return badJSON("the key %.64s stands twice", key)
			}
		}
		if len(seen) >= maxJSONKeys {
			return badJSON("an object has more than %d keys", maxJSONKeys)
		}
		c.space()
		from := c.at
		if err := c.value(depth + 1); err != nil {
			return err
		}
		seen = append(seen, rawField{key, c.data[from:c.at]})
		switch c.peek() {
		case ',':
			c.at++
		case '}':
			c.at++
			if depth == 0 {
				c.top = append([]rawField(nil), seen...)
			}
			return nil
		default:
			return badJSON("an object is not closed at byte %d", c.at)
		}
	}
}

// key passes over a key and its colon.
func (c *checker) key() ([]byte, error) {
	if c.peek() != '"' {
		return nil, badJSON("a key is missing at byte %d", c.at)
	}
	start := c.at + 1
	for i := start; i < len(c.data) && i-start <= maxJSONKey; i++ {
		b := c.data[i]
		if b == '"' {
			c.at = i + 1
			if c.peek() != ':' {
				return nil, badJSON("a colon is missing at byte %d", c.at)
			}
			c.at++
			return c.data[start:i], nil
		}
		if (b < 'a' || b > 'z') && (b < '0' || b > '9') && b != '_' {
			return nil, badJSON("a key at byte %d is not made of a-z, 0-9 and _", start)
		}
	}
	return nil, badJSON("a key at byte %d is too long", start)
}

// text passes over a string. NUL, raw control characters and escapes that are
// half a surrogate pair are refused.
func (c *checker) text() error {
	for i := c.at + 1; i < len(c.data); i++ {
		switch b := c.data[i]; {
		case b == '"':
			c.at = i + 1
			return nil
		case b < ' ':
			return Errorf(CodeBadText, "a control character stands in a string at byte %d", i)
		case b == '\\':
			n, err := c.escape(i)
			if err != nil {
				return err
			}
			i += n - 1
		}
	}
	return badJSON("a string is not closed")
}

// escape checks the escape at i and returns its length.
func (c *checker) escape(i int) (int, error) {
	if i+1 >= len(c.data) {
		return 0, badJSON("a string is not closed")
	}
	switch c.data[i+1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2, nil
	case 'u':
	default:
		return 0, badJSON("an unknown escape at byte %d", i)
	}
	r, ok := c.hex4(i + 2)
	switch {
	case !ok:
		return 0, badJSON("an unknown escape at byte %d", i)
	case r == 0:
		return 0, Errorf(CodeBadText, "a string contains NUL")
	case r < 0xD800 || r > 0xDFFF:
		return 6, nil
	case r >= 0xDC00:
		return 0, Errorf(CodeBadText, "a string contains a lone surrogate")
	}
	if i+7 < len(c.data) && c.data[i+6] == '\\' && c.data[i+7] == 'u' {
		if low, ok := c.hex4(i + 8); ok && low >= 0xDC00 && low <= 0xDFFF {
			return 12, nil
		}
	}
	return 0, Errorf(CodeBadText, "a string contains a lone surrogate")
}

func (c *checker) hex4(i int) (rune, bool) {
	if i+4 > len(c.data) {
		return 0, false
	}
	var r rune
	for _, b := range c.data[i : i+4] {
		if b >= 'A' && b <= 'F' {
			b += 'a' - 'A'
		}
		v, ok := hexValue(b)
		if !ok {
			return 0, false
		}
		r = r<<4 | rune(v)
	}
	return r, true
}
