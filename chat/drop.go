package chat

// dropReason names why a frame did not reach a session. Nothing is dropped
// without one, and each is counted.
type dropReason int

const (
	dropFullFrames dropReason = iota // the queue had MaxQueuedFrames; the session was closed as slow
	dropFullBytes                    // the queue had MaxQueuedBytes; the session was closed as slow
	dropLight                        // a light frame on a queue half full; the session lives
	dropEnded                        // the session had ended already
	dropWrite                        // the connection failed while writing
	dropExpelled                     // the user was removed from the channel meanwhile
	dropUnresumed                    // the session has not resumed yet: what it resumes to holds it
	dropTiding                       // another node's tiding that could not be read or checked: repair finds what it held
	dropReasons
)

func (r dropReason) String() string {
	switch r {
	case dropFullFrames:
		return "full_frames"
	case dropFullBytes:
		return "full_bytes"
	case dropLight:
		return "light"
	case dropEnded:
		return "ended"
	case dropWrite:
		return "write"
	case dropExpelled:
		return "expelled"
	case dropUnresumed:
		return "unresumed"
	case dropTiding:
		return "tiding"
	}
	return "unknown"
}
