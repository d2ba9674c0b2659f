// Takes effects into the state, in one batch of signals. Everything here is idempotent: an effect may come twice, from
// one's own commit and from another tab.
import { batch, type Signal } from "@preact/signals";
import type { Snapshot } from "../db/load";
import type { Effect, Typist } from "../model/patch";
import { absorb, absorbReplies } from "../model/timeline";
import type { Friend, PresenceState, UserID } from "../model/types";
import { readKey } from "../model/unread";
import type { Clock } from "../net/clock";
import { writeChannels } from "../state/channels";
import { writeMe } from "../state/me";
import { writePeople, type Typing } from "../state/people";
import { IDLE, writeTimeline } from "../state/timeline";

const TYPING_MS = 5_000;

function put<K, V>(s: Signal<ReadonlyMap<K, V>>, rows: readonly (readonly [K, V])[], drop: readonly K[] = []): void {
  if (rows.length === 0 && drop.length === 0) return;
  const next = new Map(s.value);
  for (const k of drop) next.delete(k);
  for (const [k, v] of rows) next.set(k, v);
  s.value = next;
}

export function showEffect(e: Effect, clock: Clock): void {
  batch(() => {
    showAccount(e);
    showChannels(e);
    showPeople(e);
    if (e.typing) showTyping(e.typing, clock);
    put(writeTimeline.outboxMap, e.outboxPut.map((r) => [r.client_msg_id, r]), e.outboxDrop);
    showMessages(e);
  });
}

function showAccount(e: Effect): void {
  if (e.me) writeMe.self.value = e.me;
  if (e.login) writeMe.login.value = e.login;
  if (e.limits) writeMe.limits.value = e.limits;
}

function showChannels(e: Effect): void {
  const known = writeChannels.entryMap.value;
  const news = e.entries.filter((x) => x.pos >= (known.get(x.channel)?.pos ?? 0));
  put(writeChannels.entryMap, news.map((x) => [x.channel, x]));
  put(writeChannels.localReads, e.reads.map((r) => [readKey(r.channel, r.thread), r]), e.readsDrop);
  put(writeChannels.details, e.channels.map((c) => [c.id, c]), e.forget);
  put(writeChannels.memberMap, (e.members ?? []).map((m) => [m.channel, m.members]), e.forget);
  put(writeChannels.draftMap, (e.drafts ?? []).map((d) => [d.key, d.text]));
  for (const mark of e.marks) {
    const list = writeChannels.memberMap.value.get(mark.channel);
    const i = list?.findIndex((m) => m.user === mark.user) ?? -1;
    const old = list?.[i];
    if (!list || !old || old.read_seq >= mark.seq) continue;
    const next = list.slice();
    next[i] = { ...old, read_seq: mark.seq };
    put(writeChannels.memberMap, [[mark.channel, next]]);
  }
}

function showPeople(e: Effect): void {
  put(writePeople.userMap, (e.people ?? []).map((u) => [u.id, u]));
  const friends = (e.friends ?? []).map((f): [Friend["user"], Friend] => [f.user, f]);
  if (e.allFriends) writePeople.friendMap.value = new Map(friends);
  else put(writePeople.friendMap, friends, e.unfriended);
  const states = (e.presence ?? []).map((p): [UserID, PresenceState] => [p.user, p]);
  if (e.allPresence) writePeople.presenceMap.value = new Map([...stillHeld(e.friends ?? []), ...states]);
  else put(writePeople.presenceMap, states);
  if (e.me) put(writePeople.userMap, [[e.me.id, e.me]]);
}

/** A new session may be on another node, which tells of the members of the open channel a moment later; one that has just
 *  started leaves out friends of whom it is not sure yet, and tells of them within 10 s. Until then what was known of them
 *  stands, so that nobody flickers. */
function stillHeld(friends: readonly Friend[]): readonly [UserID, PresenceState][] {
  const open = writeTimeline.openID.value;
  const members = (open && writeChannels.memberMap.value.get(open)) || [];
  const accepted = friends.filter((f) => f.state === "accepted");
  const known = writePeople.presenceMap.value;
  return [...members, ...accepted].flatMap(({ user }) => {
    const state = known.get(user);
    return state ? [[user, state] as [UserID, PresenceState]] : [];
  });
}

function showTyping(list: readonly Typist[], clock: Clock): void {
  const until = clock.now() + TYPING_MS;
  const same = (a: Typist, b: Typing) => a.user === b.user && a.channel === b.channel && a.thread === b.thread;
  const rest = writePeople.typingList.value.filter((t) => !list.some((n) => same(n, t)));
  writePeople.typingList.value = [...rest, ...list.map((t) => ({ ...t, until }))];
  clock.after(TYPING_MS + 20, () => {
    const now = clock.now();
    const still = writePeople.typingList.value.filter((t) => t.until > now);
    if (still.length !== writePeople.typingList.value.length) writePeople.typingList.value = still;
  });
}

function showMessages(e: Effect): void {
  if (e.messages.length > 0) {
    const w = writeTimeline.current.value;
    if (w) writeTimeline.current.value = absorb(w, e.messages);
    const t = writeTimeline.threadWindow.value;
    const root = writeTimeline.threadRoot.value;
    if (t && root) writeTimeline.threadWindow.value = absorbReplies(t, root, e.messages);
    stopTyping(e);
  }
  const open = writeTimeline.openID.value;
  if (open && e.forget?.includes(open)) clearTimeline();
}

/** Who has just said something is not typing any more. */
function stopTyping(e: Effect): void {
  const list = writePeople.typingList.value;
  if (list.length === 0) return;
  const rest = list.filter((t) => !e.messages.some((m) => m.sender === t.user && m.channel === t.channel && (m.thread ?? 0) === t.thread));
  if (rest.length !== list.length) writePeople.typingList.value = rest;
}

export function clearTimeline(): void {
  batch(() => {
    const t = writeTimeline;
    t.openID.value = null;
    t.current.value = null;
    t.loadState.value = IDLE;
    t.lineAfter.value = 0;
    t.threadRoot.value = null;
    t.threadWindow.value = null;
    t.threadLoadState.value = IDLE;
    t.jump.value = null;
  });
}

/** The first paint: what the db knows. */
export function showSnapshot(s: Snapshot): void {
  batch(() => {
    writeMe.self.value = s.me;
    writeMe.login.value = s.login;
    if (s.limits) writeMe.limits.value = s.limits;
    writeChannels.entryMap.value = new Map(s.entries.map((e) => [e.channel, e]));
    writeChannels.details.value = new Map(s.details.map((c) => [c.id, c]));
    writeChannels.memberMap.value = new Map(s.members.map((m) => [m.channel, m.members]));
    writeChannels.draftMap.value = new Map(s.drafts.map((d) => [d.key, d.text]));
    writeChannels.localReads.value = new Map(s.reads.map((r) => [readKey(r.channel, r.thread), r]));
    writePeople.userMap.value = new Map(s.people.map((u) => [u.id, u]));
    if (s.me) put(writePeople.userMap, [[s.me.id, s.me]]);
    writePeople.friendMap.value = new Map(s.friends.map((f) => [f.user, f]));
    writePeople.presenceMap.value = new Map();
    writePeople.typingList.value = [];
    writeTimeline.outboxMap.value = new Map(s.outbox.map((r) => [r.client_msg_id, r]));
    clearTimeline();
  });
}

/** Nobody is logged in: nothing of the account stays on the screen. */
export function showNobody(): void {
  showSnapshot({
    me: null, login: null, limits: null, pos: 0, entries: [], details: [], members: [], outbox: [], drafts: [], people: [], friends: [], reads: [],
  });
}
