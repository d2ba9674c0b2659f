// Package irc brings IRC logs into a Gori system: Read understands the files, an
// Importer sends them through the public protocol and reads them back. All of it
// may be repeated and broken off at any moment: a line is stored once.
package irc
