package chat

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
	op, err := checkJSON(data)
	if err != nil {
		return nil, &refusal{err: err}
	}
	if op == nil {
		return nil, &refusal{err: Errorf(CodeBadRequest, "op is missing")}
	}
	make, known := clientOps[string(op)]
	if !known {
		return nil, &refusal{err: Errorf(CodeUnknownOp, "there is no op %.32q", op)}
	}
	f := make()
	if err := decodeChecked(data, f); err != nil {
		return nil, &refusal{string(op), err}
	}
	if err := f.check(); err != nil {
		return f, &refusal{string(op), err}
	}
	return f, nil
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
