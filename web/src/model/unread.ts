// What is unread, and by how many a message has not been read.
import type { ChannelID, InboxEntry, Member, Seq, UserID } from "./types";

/** A read mark of this device that the server has not confirmed. */
export interface LocalRead {
  readonly channel: ChannelID;
  /** 0: the channel itself. */
  readonly thread: Seq;
  readonly seq: Seq;
  /** The channel's count at that seq, so that the badge falls at once. */
  readonly n: number;
}

export const readKey = (channel: ChannelID, thread: Seq): string => `${channel}/${thread}`;

/** Unread messages of the channel itself, threads apart. */
export function unreadOf(e: InboxEntry): number {
  return Math.max(0, e.last_n - e.read_n);
}

export function mentionsOf(e: InboxEntry): number {
  return e.mentions + (e.threads ?? []).reduce((n, t) => n + t.mentions, 0);
}

/** Unread replies in followed threads. */
export function threadsOf(e: InboxEntry): number {
  return (e.threads ?? []).reduce((n, t) => n + t.unread, 0);
}

/** The entry as this device should show it before the server has confirmed its read marks. */
export function overlayRead(e: InboxEntry, reads: ReadonlyMap<string, LocalRead>): InboxEntry {
  let out = e;
  const main = reads.get(readKey(e.channel, 0));
  if (main && main.seq > e.read_seq) {
    const all = main.seq >= e.last_seq;
    out = {
      ...out,
      read_seq: main.seq,
      read_n: all ? e.last_n : Math.min(e.last_n, Math.max(e.read_n, main.n)),
      mentions: all ? 0 : e.mentions,
    };
  }
  if (e.threads?.some((t) => reads.has(readKey(e.channel, t.root)))) {
    out = { ...out, threads: e.threads.filter((t) => !reads.has(readKey(e.channel, t.root))) };
  }
  return out;
}

export function sortEntries(list: readonly InboxEntry[]): readonly InboxEntry[] {
  return [...list].sort((a, b) =>
    a.pinned !== b.pinned ? (a.pinned ? -1 : 1)
    : b.last_at !== a.last_at ? b.last_at - a.last_at
    : a.channel < b.channel ? -1 : 1,
  );
}

/** How many members have not read a message (KakaoTalk's number). The sender has read what they sent. */
export function unreadBy(members: readonly Member[], seq: Seq, sender: UserID): number {
  let n = 0;
  for (const m of members) if (m.read_seq < seq && m.user !== sender) n++;
  return n;
}

/** unreadBy for many messages: sort once, then each answer is a binary search. */
export function readCounter(members: readonly Member[]): (seq: Seq, sender: UserID) => number {
  const marks = members.map((m) => m.read_seq).sort((a, b) => a - b);
  const own = new Map(members.map((m) => [m.user, m.read_seq]));
  return (seq, sender) => {
    let lo = 0;
    let hi = marks.length;
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if ((marks[mid] ?? 0) < seq) lo = mid + 1;
      else hi = mid;
    }
    const mine = own.get(sender);
    return lo - (mine !== undefined && mine < seq ? 1 : 0);
  };
}
