package chat

import (
	"bytes"
	"encoding/json"
)

// maxSeq is the greatest number a client may name: JavaScript's greatest exact
// integer.
const maxSeq = 1<<53 - 1

// The frames from client to server.

type resumeOp struct {
	Op  string `json:"op"`
	V   int    `json:"v"`
	Pos Pos    `json:"pos"`
}

type sendOp struct {
	Op          string      `json:"op"`
	Channel     ChannelID   `json:"channel"`
	ClientMsgID ClientMsgID `json:"client_msg_id"`
	Body        string      `json:"body"`
	ReplyTo     Seq         `json:"reply_to"`
	Thread      Seq         `json:"thread"`
	Mentions    []UserID    `json:"mentions"`
	MentionAll  bool        `json:"mention_all"`
}

type readOp struct {
	Op      string    `json:"op"`
	Channel ChannelID `json:"channel"`
	Seq     Seq       `json:"seq"`
	Thread  Seq       `json:"thread"`
}

type typingOp struct {
	Op      string    `json:"op"`
	Channel ChannelID `json:"channel"`
	Thread  Seq       `json:"thread"`
}

// openOp's channel may be "0": none.
type openOp struct {
	Op      string `json:"op"`
	Channel string `json:"channel"`
}

type pingOp struct {
	Op     string `json:"op"`
	Active bool   `json:"active"`
}

type byeOp struct {
	Op string `json:"op"`
}

// clientOps is the table of what a client may say.
var clientOps = map[string]func() clientFrame{
	OpResume: func() clientFrame { return new(resumeOp) },
	OpSend:   func() clientFrame { return new(sendOp) },
	OpRead:   func() clientFrame { return new(readOp) },
	OpTyping: func() clientFrame { return new(typingOp) },
	OpOpen:   func() clientFrame { return new(openOp) },
	OpPing:   func() clientFrame { return new(pingOp) },
	OpBye:    func() clientFrame { return new(byeOp) },
}

// clientFrame is a decoded frame from a client. check tells what is wrong with
// its numbers.
type clientFrame interface{ check() error }

// refusal says what an undecodable frame was, as far as it is known, so that
// the nack can name it.
type refusal struct {
	op  string
	err error
}

// decodeFrame reads one frame from a client. It never panics, and what it
// allocates is bounded by the frame's length.
func decodeFrame(data []byte) (clientFrame, *refusal) {
	if len(data) > MaxFrameBytes {
		return nil, &refusal{err: Errorf(CodeTooLong, "a frame has at most %d bytes", MaxFrameBytes)}
	}
	fields, err := checkJSON(data)
	if err != nil {
		return nil, &refusal{err: err}
	}
	op, ok := opOf(fields)
	if !ok {
		return nil, &refusal{err: Errorf(CodeBadRequest, "op is missing")}
	}
	blank, known := clientOps[op]
	if !known {
		return nil, &refusal{err: Errorf(CodeUnknownOp, "there is no op %.32q", op)}
	}
	f := blank()
	if quick, ok := f.(*sendOp); !ok || !quick.take(fields) {
		f = blank()
		if err := decodeChecked(data, f); err != nil {
			return nil, &refusal{op, err}
		}
	}
	if err := f.check(); err != nil {
		return f, &refusal{op, err}
	}
	return f, nil
}

// opOf finds the op: a string without escapes.
func opOf(fields []rawField) (string, bool) {
	for _, f := range fields {
		if string(f.key) == "op" {
			return plainString(f.value)
		}
	}
	return "", false
}

// plainString is the content of a checked JSON string without escapes.
func plainString(v []byte) (string, bool) {
	if v[0] != '"' || bytes.IndexByte(v, '\\') >= 0 {
		return "", false
	}
	return string(v[1 : len(v)-1]), true
}

// take decodes the usual send, the one frame that comes often, several times
// quicker than encoding/json. Whatever is not usual it leaves to that, with
// false; tests hold both to the same result.
func (f *sendOp) take(fields []rawField) bool {
	for _, x := range fields {
		ok := true
		switch string(x.key) {
		case "op":
			f.Op = OpSend
		case "channel":
			var s string
			if s, ok = plainString(x.value); ok {
				id, err := ParseChannelID(s)
				f.Channel, ok = id, err == nil
			}
		case "client_msg_id":
			var s string
			if s, ok = plainString(x.value); ok {
				id, err := ParseClientMsgID(s)
				f.ClientMsgID, ok = id, err == nil
			}
		case "body":
			if f.Body, ok = plainString(x.value); !ok {
				ok = x.value[0] == '"' && json.Unmarshal(x.value, &f.Body) == nil
			}
		case "reply_to":
			f.ReplyTo, ok = plainSeq(x.value)
		case "thread":
			f.Thread, ok = plainSeq(x.value)
		default:
			return false
		}
		if !ok {
			return false
		}
	}
	return true
}

// plainSeq reads a number of at most 16 digits and nothing else.
func plainSeq(v []byte) (Seq, bool) {
	if len(v) > 16 || v[0] == '0' && len(v) > 1 {
		return 0, false
	}
	n := Seq(0)
	for _, d := range v {
		if d < '0' || d > '9' {
			return 0, false
		}
		n = n*10 + Seq(d-'0')
	}
	return n, true
}

func checkSeqs(seqs ...Seq) error {
	for _, s := range seqs {
		if s < 0 || s > maxSeq {
			return Errorf(CodeBadRequest, "a seq is 0 to 2^53-1")
		}
	}
	return nil
}

func needChannel(id ChannelID) error {
	if id <= 0 {
		return Errorf(CodeBadID, "no channel is named")
	}
	return nil
}

func (f *resumeOp) check() error { return checkSeqs(Seq(f.Pos)) }

func (f *sendOp) check() error {
	if err := needChannel(f.Channel); err != nil {
		return err
	}
	if f.ClientMsgID == (ClientMsgID{}) {
		return Errorf(CodeBadID, "client_msg_id is missing")
	}
	return checkSeqs(f.ReplyTo, f.Thread)
}

func (f *readOp) check() error {
	if err := needChannel(f.Channel); err != nil {
		return err
	}
	return checkSeqs(f.Seq, f.Thread)
}

func (f *typingOp) check() error {
	if err := needChannel(f.Channel); err != nil {
		return err
	}
	return checkSeqs(f.Thread)
}

func (f *openOp) check() error {
	_, err := f.channel()
	return err
}

// channel is the channel to open; 0: none.
func (f *openOp) channel() (ChannelID, error) {
	if f.Channel == "0" {
		return 0, nil
	}
	return ParseChannelID(f.Channel)
}

func (f *pingOp) check() error { return nil }
func (f *byeOp) check() error  { return nil }
