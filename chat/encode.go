package chat

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// encode writes a frame by encoding/json. The frames that every message causes,
// msg and ack, are written by hand below and tested to be equal.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("chat: a frame cannot be encoded: %v", err)) // frames are plain structs of our own
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// encodeMessage writes the frame msg or change.
func encodeMessage(op string, m *Message) []byte {
	b := make([]byte, 0, 256+len(m.Body)+len(m.Body)/8)
	b = append(b, `{"op":"`...)
	b = append(b, op...)
	b = append(b, `","message":`...)
	b = AppendMessage(b, m)
	return append(b, '}')
}

// encodeAck writes the frame ack.
func encodeAck(a *Ack) []byte {
	b := make([]byte, 0, 192)
	b = append(b, `{"op":"ack"`...)
	b = appendID(b, `,"channel":`, int64(a.Channel))
	b = append(b, `,"client_msg_id":"`...)
	b = appendUUID(b, a.ClientMsgID)
	b = append(b, '"')
	b = appendInt(b, `,"seq":`, int64(a.Seq))
	b = appendInt(b, `,"n":`, int64(a.Count))
	b = appendSome(b, `,"thread_n":`, int64(a.ThreadCount))
	b = appendInt(b, `,"at":`, int64(a.At))
	if a.Dup {
		b = append(b, `,"dup":true`...)
	}
	return append(b, '}')
}

// AppendMessage writes m as encoding/json would, without escaping HTML. What
// is rare is left to encoding/json.
func AppendMessage(b []byte, m *Message) []byte {
	b = appendID(b, `{"channel":`, int64(m.Channel))
	b = appendInt(b, `,"seq":`, int64(m.Seq))
	b = appendInt(b, `,"n":`, int64(m.Count))
	b = appendSome(b, `,"thread_n":`, int64(m.ThreadCount))
	b = appendID(b, `,"sender":`, int64(m.Sender))
	b = append(b, `,"client_msg_id":"`...)
	b = appendUUID(b, m.ClientMsgID)
	b = append(b, '"')
	b = appendSome(b, `,"kind":`, int64(m.Kind))
	b = append(b, `,"body":`...)
	b = appendString(b, m.Body)
	b = appendInt(b, `,"at":`, int64(m.At))
	b = appendSome(b, `,"orig_at":`, int64(m.OrigAt))
	b = appendSome(b, `,"reply_to":`, int64(m.ReplyTo))
	b = appendSome(b, `,"thread":`, int64(m.Thread))
	for i, id := range m.Mentions {
		if i == 0 {
			b = append(b, `,"mentions":[`...)
		} else {
			b = append(b, ',')
		}
		b = appendID(b, "", int64(id))
		if i == len(m.Mentions)-1 {
			b = append(b, ']')
		}
	}
	b = appendTrue(b, `,"mention_all":true`, m.MentionAll)
	b = appendSome(b, `,"change":`, int64(m.Change))
	b = appendSome(b, `,"edited_at":`, int64(m.EditedAt))
	b = appendTrue(b, `,"deleted":true`, m.Deleted)
	if len(m.Reactions) > 0 {
		b = append(append(b, `,"reactions":`...), encode(m.Reactions)...)
	}
	if m.Replies != nil {
		b = append(append(b, `,"replies":`...), encode(m.Replies)...)
	}
	if m.System != nil {
		b = append(append(b, `,"system":`...), encode(m.System)...)
	}
	return append(b, '}')
}

func appendInt(b []byte, key string, n int64) []byte {
	return strconv.AppendInt(append(b, key...), n, 10)
}

// appendSome leaves zero out.
func appendSome(b []byte, key string, n int64) []byte {
	if n == 0 {
		return b
	}
	return appendInt(b, key, n)
}

func appendTrue(b []byte, field string, is bool) []byte {
	if !is {
		return b
	}
	return append(b, field...)
}

// appendID writes an id as a decimal string.
func appendID(b []byte, key string, n int64) []byte {
	b = append(append(b, key...), '"')
	return append(strconv.AppendInt(b, n, 10), '"')
}

func appendUUID(b []byte, id ClientMsgID) []byte {
	for i, part := range [...][2]int{{0, 4}, {4, 6}, {6, 8}, {8, 10}, {10, 16}} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, id[part[0]:part[1]])
	}
	return b
}

// appendString writes a JSON string as encoding/json does without HTML escapes.
func appendString(b []byte, s string) []byte {
	const digits = "0123456789abcdef"
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			b = append(b, s[start:i]...)
			switch c {
			case '"', '\\':
				b = append(b, '\\', c)
			case '\b':
				b = append(b, '\\', 'b')
			case '\f':
				b = append(b, '\\', 'f')
			case '\n':
				b = append(b, '\\', 'n')
			case '\r':
				b = append(b, '\\', 'r')
			case '\t':
				b = append(b, '\\', 't')
			default:
				b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			b = append(append(b, s[start:i]...), `\ufffd`...)
			start = i + 1
		case r == '\u2028' || r == '\u2029':
			b = append(append(b, s[start:i]...), '\\', 'u', '2', '0', '2', digits[r&15])
			start = i + size
		}
		i += size
	}
	return append(append(b, s[start:]...), '"')
}
