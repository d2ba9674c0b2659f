// Package chattest holds a chat system in memory, for tests, and the contract
// suite that it and the real store both pass, so the fake cannot lie.
//
// Memory implements every port of package chat. Suite takes a function that
// makes a System for each test; package store calls it on PostgreSQL.
//
// What the suite holds a store to, beyond the comments of chat/ports.go:
//
//   - Seqs and changes of a channel are dense; system messages take a seq and
//     no count, replies in threads take a seq and a count of their thread only.
//   - Writing in the channel itself moves the writer's read mark to that
//     message; a reply moves the writer's mark in the thread only. So nobody
//     has unread messages of their own last word.
//   - New members see all history; nothing said before they came is unread.
//   - A thread is followed by the root's author (from the first reply on), by
//     who replies and by who is mentioned there (from that reply on).
//   - A deleted message keeps its place and its count; its body is gone, from
//     previews too.
//   - Inboxes may follow a moment after the answer of Append, Alter and Govern;
//     MarkRead's answer is up to date. Removal from an inbox is immediate.
package chattest
