package client

import (
	"bytes"
	"encoding/json"
)

// object steps through the members of one JSON object without decoding or
// allocating. It trusts the server to send well-formed JSON: whatever is not
// ends the stepping, and full decoding by encoding/json says so.
type object struct {
	b []byte
	i int
}

// openObject stands before the first member of the object b begins with.
func openObject(b []byte) (object, bool) {
	o := object{b: b}
	o.space()
	if o.i >= len(b) || b[o.i] != '{' {
		return o, false
	}
	o.i++
	return o, true
}

func (o *object) space() {
	for o.i < len(o.b) && (o.b[o.i] == ' ' || o.b[o.i] == '\n' || o.b[o.i] == '\t' || o.b[o.i] == '\r') {
		o.i++
	}
}

// key steps onto the next member and gives its name without quotes; the caller
// then takes the value by value. False at the end.
func (o *object) key() ([]byte, bool) {
	o.space()
	if o.i < len(o.b) && o.b[o.i] == ',' {
		o.i++
		o.space()
	}
	if o.i >= len(o.b) || o.b[o.i] != '"' {
		return nil, false
	}
	name := o.value()
	o.space()
	if len(name) < 2 || o.i >= len(o.b) || o.b[o.i] != ':' {
		return nil, false
	}
	o.i++
	o.space()
	return name[1 : len(name)-1], true
}

// value takes the value it stands on, as it is written.
func (o *object) value() []byte {
	start, depth := o.i, 0
	for o.i < len(o.b) {
		switch c := o.b[o.i]; c {
		case '"':
			o.str()
		case '{', '[':
			depth++
			o.i++
		case '}', ']':
			if depth == 0 {
				return o.b[start:o.i]
			}
			depth--
			o.i++
		case ',':
			if depth == 0 {
				return o.b[start:o.i]
			}
			o.i++
			continue
		default:
			o.i++
			continue
		}
		if depth == 0 {
			return o.b[start:o.i]
		}
	}
	return o.b[start:o.i]
}

// str steps over a string.
func (o *object) str() {
	o.i++
	for o.i < len(o.b) {
		n := bytes.IndexByte(o.b[o.i:], '"')
		if n < 0 {
			o.i = len(o.b)
			return
		}
		end := o.i + n
		slashes := 0
		for end-1-slashes >= o.i && o.b[end-1-slashes] == '\\' {
			slashes++
		}
		o.i = end + 1
		if slashes%2 == 0 {
			return
		}
	}
}

// number reads digits, quoted or not; 0 for anything else.
func number(v []byte) int64 {
	if len(v) > 1 && v[0] == '"' {
		v = v[1 : len(v)-1]
	}
	var n int64
	for _, c := range v {
		if c < '0' || c > '9' {
			return 0
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

// text reads a string; strings without escapes cost nothing but the copy.
func text(v []byte) string {
	if bytes.IndexByte(v, '\\') < 0 && len(v) >= 2 {
		return string(v[1 : len(v)-1])
	}
	var s string
	_ = json.Unmarshal(v, &s) // a broken string reads as ""
	return s
}

// Delivery is what order needs of a message, read without decoding the rest.
type Delivery struct {
	Channel     ChannelID
	Seq         Seq
	Sender      UserID
	ClientMsgID ClientMsgID
}

// scanDelivery reads a Message object. It stops at the last field it needs,
// which the server writes before the body.
func scanDelivery(b []byte) (d Delivery, ok bool) {
	o, ok := openObject(b)
	if !ok {
		return d, false
	}
	for missing := 4; missing > 0; missing-- {
	next:
		k, ok := o.key()
		if !ok {
			return d, false
		}
		v := o.value()
		switch string(k) {
		case "channel":
			d.Channel = ChannelID(number(v))
		case "seq":
			d.Seq = Seq(number(v))
		case "sender":
			d.Sender = UserID(number(v))
		case "client_msg_id":
			if len(v) != 38 || d.ClientMsgID.UnmarshalText(v[1:37]) != nil {
				return d, false
			}
		default:
			goto next
		}
	}
	return d, d.Channel > 0 && d.Seq > 0
}

// scanInbox reads from an inbox frame what order needs of its entries.
func scanInbox(o object, pos *Pos, entries *[]InboxEntry) bool {
	for {
		k, ok := o.key()
		if !ok {
			return true
		}
		switch v := o.value(); string(k) {
		case "pos":
			*pos = Pos(number(v))
		case "entries":
			list := array{object{b: v}}
			if len(v) < 2 || v[0] != '[' {
				return false
			}
			list.i = 1
			for item := list.item(); len(item) > 0; item = list.item() {
				e, ok := scanEntry(item)
				if !ok {
					return false
				}
				*entries = append(*entries, e)
			}
		}
	}
}

// array steps through the items of a JSON array.
type array struct{ object }

func (a *array) item() []byte {
	a.space()
	if a.i < len(a.b) && a.b[a.i] == ',' {
		a.i++
		a.space()
	}
	return a.value()
}

func scanEntry(b []byte) (e InboxEntry, ok bool) {
	o, ok := openObject(b)
	if !ok {
		return e, false
	}
	for {
		k, ok := o.key()
		if !ok {
			return e, e.Channel > 0
		}
		switch v := o.value(); string(k) {
		case "channel":
			e.Channel = ChannelID(number(v))
		case "member":
			e.Member = string(v) == "true"
		case "last_seq":
			e.LastSeq = Seq(number(v))
		case "last_change":
			e.LastChange = Change(number(v))
		}
	}
}
