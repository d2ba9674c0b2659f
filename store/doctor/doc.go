// Package doctor looks whether a system is as it should be: each partition with
// one owner, messages without gaps, inboxes that know of them, guards and
// rights in place, settings that keep promises. It reads only, apart from two
// repairs that can do no harm, and those only when asked: having a channel's
// inboxes brought up to date again, and making a person's unread and mention
// numbers what the messages and the read mark come to.
//
// Every statement has a time limit; one that does not end by then is told as
// not looked at. Examine runs one goroutine for each shard and waits for them.
package doctor
