// Which parts of a channel this device has, and what it misses. Pure functions.
import type { Change, ChannelID, Seq } from "./types";

/** Every seq from..to is kept. {1, 0} says: the channel is known to have been empty. */
export interface Range {
  readonly from: Seq;
  readonly to: Seq;
}

/** A device's place in one channel. The cursor of the protocol is the end of the last range, and `change`. */
export interface Cursor {
  readonly channel: ChannelID;
  /** Ascending, apart by at least one missing seq. Empty: never loaded. */
  readonly ranges: readonly Range[];
  /** All alterations up to this number are in the kept messages. Meaningless while never loaded. */
  readonly change: Change;
  /** The channel's last seq when `change` was last moved: a message up to here that comes by another way than a page may
   *  be in a state older than `change` says. */
  readonly as_of: Seq;
  /** The first seq this user may see; 0 while unknown. */
  readonly start: Seq;
  /** The greatest numbers heard of, whether or not the message itself came. */
  readonly seen_seq: Seq;
  readonly seen_change: Change;
}

export type Gap =
  | { readonly kind: "newest"; readonly channel: ChannelID }
  | { readonly kind: "hole"; readonly channel: ChannelID; readonly after: Seq; readonly to: Seq }
  | { readonly kind: "changes"; readonly channel: ChannelID; readonly after: Change; readonly upTo: Seq };

/** Holes up to this size are filled at once; greater ones when somebody scrolls there. */
export const FILL_MAX = 400;

export const emptyCursor = (channel: ChannelID): Cursor => ({
  channel, ranges: [], change: 0, as_of: 0, start: 0, seen_seq: 0, seen_change: 0,
});

export function addRange(ranges: readonly Range[], r: Range): readonly Range[] {
  const all = [...ranges, r].sort((a, b) => a.from - b.from || a.to - b.to);
  const out: Range[] = [];
  for (const next of all) {
    const last = out[out.length - 1];
    if (last && next.from <= last.to + 1) {
      if (next.to > last.to) out[out.length - 1] = { from: last.from, to: next.to };
    } else out.push(next);
  }
  return out;
}

export function rangeAt(ranges: readonly Range[], seq: Seq): Range | undefined {
  return ranges.find((r) => r.from <= seq && seq <= r.to);
}

export function topRange(c: Cursor): Range | undefined {
  return c.ranges[c.ranges.length - 1];
}

/** Keeps only the newest `max` messages. */
export function cutRanges(ranges: readonly Range[], max: number): { ranges: readonly Range[]; below: Seq } {
  let left = max;
  for (let i = ranges.length - 1; i >= 0; i--) {
    const r = ranges[i] as Range;
    const size = r.to - r.from + 1;
    if (size >= left && left > 0) {
      const from = r.to - left + 1;
      return { ranges: [{ from, to: r.to }, ...ranges.slice(i + 1)], below: from };
    }
    left -= size;
  }
  return { ranges, below: 0 };
}

/** Whether a message as it was first sent may be taken in: nothing had altered it when `change` was counted. */
export function isFresh(c: Cursor, seq: Seq): boolean {
  return c.change === 0 || seq > c.as_of;
}

/** What the device should fetch, given what the inbox says of the channel. */
export function gapsOf(c: Cursor, inbox: { last_seq: Seq; last_change: Change } | undefined): readonly Gap[] {
  const lastSeq = Math.max(c.seen_seq, inbox?.last_seq ?? 0);
  const lastChange = Math.max(c.seen_change, inbox?.last_change ?? 0);
  const top = topRange(c);
  if (!top) return lastSeq > 0 || lastChange > 0 ? [{ kind: "newest", channel: c.channel }] : [];
  const gaps: Gap[] = [];
  if (lastChange > c.change) gaps.push({ kind: "changes", channel: c.channel, after: c.change, upTo: top.to });
  if (lastSeq - top.to > FILL_MAX) gaps.push({ kind: "newest", channel: c.channel });
  else if (lastSeq > top.to) gaps.push({ kind: "hole", channel: c.channel, after: top.to, to: lastSeq });
  for (let i = c.ranges.length - 1; i > 0; i--) {
    const above = c.ranges[i] as Range;
    const below = c.ranges[i - 1] as Range;
    if (above.from - below.to - 1 <= FILL_MAX) {
      gaps.push({ kind: "hole", channel: c.channel, after: below.to, to: above.from - 1 });
    }
  }
  return gaps;
}
