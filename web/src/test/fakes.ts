// Stand-ins for tests: a clock that moves only when told, messages, and a way to let promises run.
import { asChannelID, asClientMsgID, asUserID, type ChannelID, type InboxEntry, type Message, type OutboxRow, type UserID } from "../model/types";
import type { Clock } from "../net/clock";
import type { Page } from "../sync/core";

export const ME = asUserID("1");
export const YOU = asUserID("2");
export const CH = asChannelID("100");

export class FakeClock implements Clock {
  private time = 1_000_000;
  private seed: number;
  private readonly timers = new Map<number, { at: number; f: () => void }>();
  private last = 0;

  constructor(seed = 1) {
    this.seed = seed;
  }

  now(): number {
    return this.time;
  }

  /** A small linear congruential generator: the same seed gives the same run. */
  random(): number {
    this.seed = (this.seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return this.seed / 2_147_483_648;
  }

  after(ms: number, f: () => void): () => void {
    const id = ++this.last;
    this.timers.set(id, { at: this.time + ms, f });
    return () => void this.timers.delete(id);
  }

  /** Moves time on, running what falls due in its order, and lets promises run in between. */
  async pass(ms: number): Promise<void> {
    const end = this.time + ms;
    for (;;) {
      await settle();
      const next = [...this.timers].filter(([, t]) => t.at <= end).sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0];
      if (!next) break;
      this.timers.delete(next[0]);
      this.time = Math.max(this.time, next[1].at);
      next[1].f();
    }
    this.time = end;
    await settle();
  }
}

/** Lets every promise that can go on go on. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 4; i++) await new Promise<void>((done) => setImmediate(done));
}

export const fakePage = (clock: FakeClock): Page => ({
  visible: () => true,
  online: () => true,
  active: () => true,
  fillRandom: (b) => {
    for (let i = 0; i < b.length; i++) b[i] = Math.floor(clock.random() * 256);
  },
});

export const idOf = (n: number) => asClientMsgID(`00000000-0000-7000-8000-${String(n).padStart(12, "0")}`);

export function msg(seq: number, more: Partial<Message> = {}): Message {
  return { channel: CH, seq, n: seq, sender: YOU, client_msg_id: idOf(seq), body: `m${seq}`, at: seq * 1000, ...more };
}

export function row(n: number, more: Partial<OutboxRow> = {}): OutboxRow {
  return { client_msg_id: idOf(10_000 + n), channel: CH, body: `o${n}`, order: n, made_at: n, state: "pending", ...more };
}

export function entryOf(last: number, more: Partial<InboxEntry> = {}, channel: ChannelID = CH, peer: UserID = YOU): InboxEntry {
  return {
    channel, kind: 1, peer, member: true, pos: last, last_seq: last, last_n: last, last_change: 0, last_at: last * 1000,
    read_seq: 0, read_n: 0, mentions: 0, level: 0, pinned: false, ...more,
  };
}
