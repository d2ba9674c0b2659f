package presence

import "gori/chat"

// Peers carries what presence tells the other nodes. Package mesh implements
// it. Its methods never wait and may lose what they are given: digests repair.
type Peers interface {
	ToAll(payload []byte)
	ToNode(node string, payload []byte)
}

// Gossip is what a Peers needs of presence. Tracker implements it; calls are
// short work on memory.
type Gossip interface {
	// Heard takes what another node's presence said.
	Heard(node string, payload []byte)
	// NodeJoined tells of a node heard for the first time, or again after it
	// was gone or has restarted: its table is asked for.
	NodeJoined(node string)
	// NodeGone tells that a node is dead or has said goodbye: nothing is sent to
	// it any more, and its users are in grace unless they are elsewhere.
	NodeGone(node string)
	// NodesOf calls yield once for each other node on which any of the users
	// has a session or a listener, with those users.
	NodesOf(users []chat.UserID, yield func(node string, users []chat.UserID))
}
