// Package api is the HTTP and WebSocket edge: it decodes, authenticates, calls
// and encodes, and decides nothing else.
//
// Lifecycle: New builds the routes from a Config; Public and Admin return the
// handlers of the two addresses. Serve runs both until its context ends, then
// drains: /readyz fails first, no new sockets are taken, running requests end,
// sessions are told to come back elsewhere, and only then it returns.
//
// Ownership of goroutines: every accepted socket has one goroutine, its read
// loop, started by sockets and awaited by Shutdown. The HTTP goroutine of the
// handshake ends at once, which is worth 15 KB a connection.
package api
