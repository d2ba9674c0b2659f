// A window of a channel's messages, and how new knowledge is merged into it. Pure functions.
import type { ChannelID, Message, OutboxRow, Replies, Seq } from "./types";

/** A contiguous run of messages in memory. Of a channel: every seq from `from` to `to` (thread replies take seqs too).
 *  Of a thread: its replies, ascending; `from` and `to` are then the first and last reply's seq. */
export interface Window {
  readonly channel: ChannelID;
  readonly messages: readonly Message[];
  readonly from: Seq;
  /** from-1 if empty. */
  readonly to: Seq;
  readonly moreBefore: boolean;
  readonly moreAfter: boolean;
}

/** One line of the conversation as the view lists it. The key stays when a waiting row becomes a stored one. */
export type Row =
  | { readonly kind: "message"; readonly key: string; readonly message: Message }
  | { readonly kind: "waiting"; readonly key: string; readonly out: OutboxRow };

/** Above this many messages a window is trimmed at the end the reader is not at. */
export const WINDOW_MAX = 400;

/** The newer state of one message: the greater change number wins; a thread's summary only grows. */
export function mergeMessage(old: Message, incoming: Message): Message {
  const newer = (incoming.change ?? 0) >= (old.change ?? 0) ? incoming : old;
  const replies = newerReplies(old.replies, incoming.replies);
  if (!replies || newer.replies === replies) return newer;
  return { ...newer, replies };
}

function newerReplies(a: Replies | undefined, b: Replies | undefined): Replies | undefined {
  if (!a) return b;
  if (!b) return a;
  return b.n > a.n || (b.n === a.n && b.last_seq >= a.last_seq) ? b : a;
}

/** The root of a thread once a reply is known. */
export function withReply(root: Message, reply: Message): Message {
  const seen: Replies = { n: reply.thread_n ?? 0, last_seq: reply.seq, last_at: reply.at };
  const replies = newerReplies(root.replies, seen);
  return replies === root.replies || !replies ? root : { ...root, replies };
}

/** Ascending, each seq once, in its newest state. */
export function mergeMessages(list: readonly Message[], incoming: readonly Message[]): readonly Message[] {
  if (incoming.length === 0) return list;
  const bySeq = new Map<Seq, Message>();
  for (const m of list) bySeq.set(m.seq, m);
  let changed = false;
  let lastSeq = list.length > 0 ? (list[list.length - 1] as Message).seq : 0;
  let sorted = true;
  for (const m of incoming) {
    const old = bySeq.get(m.seq);
    const next = old ? mergeMessage(old, m) : m;
    if (next !== old) changed = true;
    bySeq.set(m.seq, next);
    if (!old) {
      if (m.seq < lastSeq) sorted = false;
      lastSeq = Math.max(lastSeq, m.seq);
    }
  }
  for (const m of incoming) {
    const root = m.thread ? bySeq.get(m.thread) : undefined;
    if (!root) continue;
    const next = withReply(root, m);
    if (next !== root) {
      bySeq.set(root.seq, next);
      changed = true;
    }
  }
  if (!changed) return list;
  const out = [...bySeq.values()];
  return sorted ? out : out.sort((a, b) => a.seq - b.seq);
}

/** Takes in what is news to the window: new states of messages it has and, when it stands at the end, messages that
 *  continue it without a hole. Anything else is left out, so the window stays contiguous. */
export function absorb(w: Window, incoming: readonly Message[]): Window {
  const fits: Message[] = [];
  const later = new Map<Seq, Message>();
  let to = w.to;
  for (const m of incoming) {
    if (m.channel !== w.channel) continue;
    if (m.seq >= w.from && m.seq <= w.to) fits.push(m);
    else if (m.seq > w.to) {
      const twin = later.get(m.seq);
      later.set(m.seq, twin ? mergeMessage(twin, m) : m);
    }
  }
  if (!w.moreAfter) {
    for (let m = later.get(to + 1); m; m = later.get(to + 1)) {
      fits.push(m);
      to++;
    }
  }
  // A reply outside the window still changes the summary of a root inside it.
  const messages = withReplies(mergeMessages(w.messages, fits), incoming, w.channel);
  if (messages === w.messages && to === w.to) return w;
  return { ...w, messages, to };
}

/** The same for one thread's window, which holds the root (if known) and a run of its replies. */
export function absorbReplies(w: Window, root: Seq, incoming: readonly Message[]): Window {
  const fits = incoming.filter(
    (m) =>
      m.channel === w.channel &&
      (m.seq === root || (m.thread === root && (m.seq >= w.from || !w.moreBefore) && (m.seq <= w.to || !w.moreAfter))),
  );
  const messages = mergeMessages(w.messages, fits);
  return messages === w.messages ? w : { ...w, messages, ...replyBounds(messages, root) };
}

/** First and last reply of a thread's messages. */
export function replyBounds(list: readonly Message[], root: Seq): { from: Seq; to: Seq } {
  const replies = list.filter((m) => m.thread === root);
  return { from: replies[0]?.seq ?? root + 1, to: replies[replies.length - 1]?.seq ?? root };
}

function withReplies(list: readonly Message[], incoming: readonly Message[], channel: ChannelID): readonly Message[] {
  let out = list;
  for (const reply of incoming) {
    if (!reply.thread || reply.channel !== channel) continue;
    const i = indexOfSeq(out, reply.thread);
    const root = i < 0 ? undefined : out[i];
    const next = root && withReply(root, reply);
    if (next && next !== root) {
      out = out.slice();
      (out as Message[])[i] = next;
    }
  }
  return out;
}

/** Cuts the window to WINDOW_MAX at the end the reader is not looking at. */
export function trim(w: Window, keep: "older" | "newer", max = WINDOW_MAX): Window {
  const over = w.messages.length - max;
  if (over <= 0) return w;
  if (keep === "newer") {
    const messages = w.messages.slice(over);
    return { ...w, messages, from: (messages[0] as Message).seq, moreBefore: true };
  }
  const messages = w.messages.slice(0, max);
  return { ...w, messages, to: (messages[max - 1] as Message).seq, moreAfter: true };
}

/** Binary search; -1 if the seq is not there. */
export function indexOfSeq(list: readonly Message[], seq: Seq): number {
  let lo = 0;
  let hi = list.length - 1;
  while (lo <= hi) {
    const mid = (lo + hi) >> 1;
    const s = (list[mid] as Message).seq;
    if (s === seq) return mid;
    if (s < seq) lo = mid + 1;
    else hi = mid - 1;
  }
  return -1;
}

export function findMessage(w: Window | null, seq: Seq): Message | undefined {
  if (!w) return undefined;
  const i = indexOfSeq(w.messages, seq);
  return i < 0 ? undefined : w.messages[i];
}

/** The rows of a channel: what is stored, then what waits. */
export function rowsOf(w: Window | null, outbox: ReadonlyMap<string, OutboxRow>, channel: ChannelID | null): readonly Row[] {
  if (!channel) return [];
  const stored = w && w.channel === channel ? w.messages.filter((m) => !m.thread) : [];
  return listRows(stored, w?.moreAfter ? [] : waitingIn(outbox, channel, 0));
}

/** The rows of a thread: its root if known, the replies, then what waits. */
export function threadRowsOf(
  main: Window | null,
  thread: Window | null,
  outbox: ReadonlyMap<string, OutboxRow>,
  channel: ChannelID | null,
  root: Seq | null,
): readonly Row[] {
  if (!channel || !root) return [];
  const inMain = main && main.channel === channel ? main.messages.filter((m) => m.seq === root || m.thread === root) : [];
  const inThread = thread && thread.channel === channel ? thread.messages : [];
  // Replies of the main window below the thread window's start would leave a hole between them.
  const joint = inMain.filter((m) => m.seq === root || !thread || m.seq >= thread.from || !thread.moreBefore);
  return listRows(mergeMessages(inThread, joint), waitingIn(outbox, channel, root));
}

function waitingIn(outbox: ReadonlyMap<string, OutboxRow>, channel: ChannelID, thread: Seq): readonly OutboxRow[] {
  const out: OutboxRow[] = [];
  for (const r of outbox.values()) if (r.channel === channel && (r.thread ?? 0) === thread) out.push(r);
  return out.sort((a, b) => a.order - b.order);
}

function listRows(stored: readonly Message[], waiting: readonly OutboxRow[]): readonly Row[] {
  const rows: Row[] = [];
  const keys = new Set<string>();
  for (const m of stored) {
    let key: string = m.kind === 1 ? `s${m.seq}` : m.client_msg_id;
    if (keys.has(key)) key = `${key}/${m.seq}`;
    keys.add(key);
    rows.push({ kind: "message", key, message: m });
  }
  for (const out of waiting) {
    if (!keys.has(out.client_msg_id)) rows.push({ kind: "waiting", key: out.client_msg_id, out });
  }
  return rows;
}
