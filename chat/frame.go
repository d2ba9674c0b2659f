package chat

// CloseCode is a WebSocket close code. 40xx: come back; 41xx: stay away.
type CloseCode int

// The close codes of the protocol, besides those of RFC 6455.
const (
	CloseNormal      CloseCode = 1000
	CloseGoingAway   CloseCode = 1001
	CloseBadFrame    CloseCode = 1007 // not UTF-8
	ClosePolicy      CloseCode = 1008
	CloseTooBig      CloseCode = 1009
	closeFault       CloseCode = 1011 // a fault of ours; come back
	CloseSlow        CloseCode = 4001 // the session's queue was full; resume
	CloseDrain       CloseCode = 4002 // the node goes away; connect elsewhere
	CloseSilent      CloseCode = 4003 // no heartbeat; resume
	CloseReplaced    CloseCode = 4004 // too many sessions of this login; the oldest went
	CloseOverload    CloseCode = 4005 // come back later
	CloseGarbage     CloseCode = 4100 // frames that are no protocol
	CloseRevoked     CloseCode = 4101 // the login was revoked, or the password changed
	CloseDisabled    CloseCode = 4102 // the account was disabled
	CloseUnsupported CloseCode = 4103 // protocol version not spoken
)

// Limits of frames and sessions.
const (
	ProtocolVersion    = 1
	MaxFrameBytes      = 1 << 20 // bytes of a frame from a client: a body of 100,000 characters, escaped
	MaxBadFrames       = 20      // refused frames within a minute before CloseGarbage
	MaxQueuedFrames    = 1024    // frames waiting on one session
	MaxQueuedBytes     = 4 << 20 // bytes waiting on one session
	MaxSessionsPerUser = 32
	HeartbeatSeconds   = 17
	SilenceSeconds     = 40 // two missed heartbeats; with the sweep and the telling, offline within 45 s
	MaxInFlightSends   = 64 // sends of one session not yet answered
)

// Ops from client to server.
const (
	OpResume = "resume" // first frame: {v, pos}
	OpSend   = "send"   // {channel, client_msg_id, body, reply_to?, thread?, mentions?, mention_all?}
	OpRead   = "read"   // {channel, seq, thread?}
	OpTyping = "typing" // {channel, thread?}; both directions
	OpOpen   = "open"   // {channel}: this session shows the channel; "0" for none
	OpPing   = "ping"   // {active}
	OpBye    = "bye"    // the person leaves; no grace
)

// Ops from server to client.
const (
	OpResumed  = "resumed"  // answer to resume: who, limits, what changed in the inbox
	OpAck      = "ack"      // a send is stored
	OpNack     = "nack"     // a frame is refused
	OpMessage  = "msg"      // a new message
	OpChange   = "change"   // an existing message in its new state
	OpInbox    = "inbox"    // entries of the user's inbox that changed
	OpReadMark = "read"     // someone's read mark in a channel moved
	OpPresence = "presence" // states of people
	OpPong     = "pong"
	OpUser     = "user"    // a profile changed
	OpFriend   = "friend"  // a line of the user's list of people changed
	OpChannel  = "channel" // a channel's name or members changed: the new view
)
