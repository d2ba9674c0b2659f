// The part of a commit that keeps messages: each at most once, each in its newest state, with the ranges and change
// numbers that say what is there.
import { addRange, cutRanges, emptyCursor, isFresh, rangeAt, topRange, type Cursor } from "../model/cursor";
import type { Ack, Patch } from "../model/patch";
import { mergeMessage, withReply } from "../model/timeline";
import type { ChannelID, ClientMsgID, Message, OutboxRow, UserID } from "../model/types";
import { dropRow, type Gathered } from "./gathered";
import type { Tx } from "./kv";

/** Messages kept of one channel: what is older is fetched again when somebody scrolls there. */
export const KEEP_PER_CHANNEL = 1500;
const TRIM_SLACK = 300;

export class Shelf {
  private readonly tx: Tx;
  private readonly self: UserID;
  private readonly g: Gathered;
  private outbox: Map<ClientMsgID, OutboxRow> | null = null;

  constructor(tx: Tx, self: UserID, g: Gathered) {
    this.tx = tx;
    this.self = self;
    this.g = g;
  }

  async take(p: Patch): Promise<void> {
    for (const id of p.forget ?? []) this.forget(id);
    for (const page of p.pages ?? []) {
      let c = await this.cursor(page.channel);
      const fresh = c.ranges.length === 0;
      for (const m of page.messages) await this.keep(m);
      c = {
        ...c,
        ranges: page.from <= page.to || fresh ? addRange(c.ranges, { from: page.from, to: page.to }) : c.ranges,
        ...(fresh ? { change: page.lastChange, as_of: page.lastSeq } : {}),
        start: page.start ?? c.start,
        seen_seq: Math.max(c.seen_seq, page.lastSeq),
        seen_change: Math.max(c.seen_change, page.lastChange),
      };
      this.set(await this.trim(c, page.to));
      await this.rootsOf(page.messages);
    }
    for (const m of p.live ?? []) await this.live(m);
    for (const a of p.acks ?? []) await this.ack(a);
    for (const m of p.altered ?? []) await this.altered(m);
    for (const ch of p.changes ?? []) {
      for (const m of ch.messages) await this.keepIfCovered(m);
      const c = await this.cursor(ch.channel);
      if (ch.after > c.change || ch.to <= c.change) continue;
      this.set({ ...c, change: ch.to, as_of: Math.max(c.as_of, ch.lastSeq), seen_change: Math.max(c.seen_change, ch.to), seen_seq: Math.max(c.seen_seq, ch.lastSeq) });
    }
    for (const id of p.settleSent ?? []) {
      for (const row of (await this.rows()).values()) {
        if (row.channel === id && row.state === "sent") dropRow(this.tx, this.g, row.client_msg_id);
      }
    }
  }

  /** A new message: kept if the channel was ever loaded (else its first page will bring it) and it cannot have been altered
   *  since (else the gap it leaves will be fetched). */
  private async live(m: Message): Promise<void> {
    const c = await this.cursor(m.channel);
    const seen = { ...c, seen_seq: Math.max(c.seen_seq, m.seq), seen_change: Math.max(c.seen_change, m.change ?? 0) };
    const top = topRange(c);
    if (top && (rangeAt(c.ranges, m.seq) || (m.seq > top.to && isFresh(c, m.seq)))) {
      await this.keep(m);
      this.set(await this.trim({ ...seen, ranges: addRange(c.ranges, { from: m.seq, to: m.seq }) }, m.seq));
    } else {
      this.set(seen);
      this.g.messages.push(m);
      await this.settle(m);
    }
    await this.rootsOf([m]);
  }

  private async altered(m: Message): Promise<void> {
    await this.keepIfCovered(m);
    const c = await this.cursor(m.channel);
    const n = m.change ?? 0;
    const next = c.ranges.length > 0 && n === c.change + 1;
    this.set({
      ...c, ...(next ? { change: n, as_of: Math.max(c.as_of, m.seq) } : {}),
      seen_change: Math.max(c.seen_change, n), seen_seq: Math.max(c.seen_seq, m.seq),
    });
  }

  /** One's own message is stored: in its place if that follows what is here, else it waits as `sent` for the rest. */
  private async ack(a: Ack): Promise<void> {
    const row = (await this.rows()).get(a.client_msg_id);
    const c = await this.cursor(a.channel);
    const seen: Cursor = { ...c, seen_seq: Math.max(c.seen_seq, a.seq) };
    const top = topRange(c);
    if (!row) return this.set(seen);
    if (top && a.seq === top.to + 1 && isFresh(c, a.seq)) {
      await this.live(messageOf(row, a, this.self));
      return;
    }
    this.set(seen);
    if (top && a.seq > top.to) {
      const sent: OutboxRow = { ...row, state: "sent", seq: a.seq };
      this.tx.put("outbox", sent);
      this.g.outboxPut.set(row.client_msg_id, sent);
      this.outbox?.set(row.client_msg_id, sent);
    } else dropRow(this.tx, this.g, row.client_msg_id);
  }

  private async keepIfCovered(m: Message): Promise<void> {
    const c = await this.cursor(m.channel);
    if (rangeAt(c.ranges, m.seq)) await this.keep(m);
    else this.g.messages.push(m);
  }

  private async keep(m: Message): Promise<void> {
    const old = await this.tx.get("messages", [m.channel, m.seq]);
    const merged = old ? mergeMessage(old, m) : m;
    if (merged !== old) this.tx.put("messages", merged);
    this.g.messages.push(merged);
    await this.settle(m);
  }

  /** The echo of one's own message takes its row out of the outbox, in the same transaction. */
  private async settle(m: Message): Promise<void> {
    if (m.sender !== this.self) return;
    if ((await this.rows()).delete(m.client_msg_id)) dropRow(this.tx, this.g, m.client_msg_id);
  }

  /** Replies raise the summary under their root. */
  private async rootsOf(list: readonly Message[]): Promise<void> {
    const last = new Map<number, Message>();
    for (const m of list) if (m.thread) last.set(m.thread, m);
    for (const [root, reply] of last) {
      const old = await this.tx.get("messages", [reply.channel, root]);
      const next = old && withReply(old, reply);
      if (!next || next === old) continue;
      this.tx.put("messages", next);
      this.g.messages.push(next);
    }
  }

  private forget(id: ChannelID): void {
    this.tx.deleteMessages(id, 0, Number.MAX_SAFE_INTEGER);
    this.tx.delete("cursors", id);
    this.tx.delete("members", id);
    this.tx.delete("details", id);
    this.g.cursors.delete(id);
  }

  /** Bounds a channel, but never cuts what was just fetched for the eye. */
  private async trim(c: Cursor, justKept: number): Promise<Cursor> {
    const size = c.ranges.reduce((n, r) => n + r.to - r.from + 1, 0);
    if (size <= KEEP_PER_CHANNEL + TRIM_SLACK) return c;
    const cut = cutRanges(c.ranges, KEEP_PER_CHANNEL);
    if (cut.below === 0 || justKept < cut.below) return c;
    this.tx.deleteMessages(c.channel, 0, cut.below - 1);
    return { ...c, ranges: cut.ranges };
  }

  private async cursor(id: ChannelID): Promise<Cursor> {
    return this.g.cursors.get(id) ?? (await this.tx.get("cursors", id)) ?? emptyCursor(id);
  }

  private set(c: Cursor): void {
    this.g.cursors.set(c.channel, c);
    this.tx.put("cursors", c);
  }

  private async rows(): Promise<Map<ClientMsgID, OutboxRow>> {
    this.outbox ??= new Map((await this.tx.all("outbox")).map((r) => [r.client_msg_id, r]));
    return this.outbox;
  }
}

function messageOf(row: OutboxRow, a: Ack, self: UserID): Message {
  const { reply_to, thread, mentions, mention_all } = row;
  return {
    channel: row.channel, seq: a.seq, n: a.n, sender: self, client_msg_id: row.client_msg_id, body: row.body, at: a.at,
    ...(a.thread_n !== undefined ? { thread_n: a.thread_n } : {}), ...(reply_to ? { reply_to } : {}), ...(thread ? { thread } : {}),
    ...(mentions ? { mentions } : {}), ...(mention_all ? { mention_all } : {}),
  };
}
