// The outbox: what the person has said and the server has not yet acknowledged. A row is kept before it is sent, sent in
// the order it was made within its channel, one at a time, and leaves in the transaction that stores its message. Only the
// tab that leads sends. Every send is safe to repeat: the server knows client_msg_id for ever.
import { loadOutbox } from "../db/load";
import type { ClientFrame, ServerFrame } from "../model/frame";
import type { Effect } from "../model/patch";
import type { ChannelID, ClientMsgID, OutboxRow, Problem } from "../model/types";
import { uuidv7 } from "../model/uuid";
import { Backoff } from "../net/backoff";
import type { Clock } from "../net/clock";
import { draftKey } from "../state/channels";
import type { Draft } from "./commands";
import type { Core } from "./core";

/** What the outbox needs of the world. */
export interface OutboxParts {
  readonly clock: Clock;
  /** False: the socket cannot take it now. */
  send(f: ClientFrame): boolean;
  /** Keeps a row's new state. */
  save(row: OutboxRow): Promise<unknown>;
  /** Shows a state that need not be kept. */
  show(row: OutboxRow): void;
  /** The answer to a send never came: the socket is not to be trusted. */
  stuck(): void;
}

/**
 * Puts a new message in the outbox: it gets the client_msg_id that makes sending it again harmless, is kept, and is shown as
 * pending, in one transaction; its draft goes. Rows leave in the order of `order` within their channel.
 */
export async function enqueue(core: Pick<Core, "clock" | "page" | "commit">, channel: ChannelID, draft: Draft, order: number): Promise<void> {
  const { reply_to, thread, mentions, mention_all } = draft;
  const made_at = core.clock.now();
  const row: OutboxRow = {
    client_msg_id: uuidv7(made_at, (b) => core.page.fillRandom(b)), channel, body: draft.body.normalize("NFC"), order, made_at,
    state: "pending", ...(reply_to ? { reply_to } : {}), ...(thread ? { thread } : {}),
    ...(mentions && mentions.length > 0 ? { mentions } : {}), ...(mention_all ? { mention_all } : {}),
  };
  await core.commit({ outboxPut: [row], drafts: [{ key: draftKey(channel, thread), text: "" }] });
}

const ANSWER_MS = 12_000;
/** A node refuses at once what it cannot store, so asking often is cheap, and when it can the message is not to wait for long. */
const MOST_HELD_MS = 4_000;
/** The server answers 64 sends of a session at a time; stay below. */
const AT_ONCE = 32;

interface Flight {
  readonly row: OutboxRow;
  readonly cancel: () => void;
}

export class Outbox {
  private readonly p: OutboxParts;
  private readonly rows = new Map<ClientMsgID, OutboxRow>();
  private readonly flying = new Map<ChannelID, Flight>();
  private readonly pausing = new Map<ChannelID, () => void>();
  private readonly backoffs = new Map<ChannelID, Backoff>();
  private live = false;

  constructor(p: OutboxParts) {
    this.p = p;
  }

  /** Rows kept from before. */
  load(rows: Awaited<ReturnType<typeof loadOutbox>>): void {
    for (const r of rows) this.rows.set(r.client_msg_id, r);
    this.pump();
  }

  /** Every tab's new and gone rows come this way, once they are kept. */
  noticed(e: Effect): void {
    for (const r of e.outboxPut) {
      if (r.state === "sending") continue; // shown, not kept
      this.rows.set(r.client_msg_id, r);
      if (r.state !== "pending") this.landed(r.channel, r.client_msg_id);
    }
    for (const id of e.outboxDrop) {
      const row = this.rows.get(id);
      this.rows.delete(id);
      if (row) this.landed(row.channel, id);
    }
    this.pump();
  }

  /** The socket takes frames now. */
  resume(): void {
    this.live = true;
    for (const cancel of this.pausing.values()) cancel();
    this.pausing.clear();
    this.pump();
  }

  /** The socket is gone: whatever flew may or may not have arrived; it is sent again. */
  pause(): void {
    this.live = false;
    for (const f of this.flying.values()) {
      f.cancel();
      if (this.rows.has(f.row.client_msg_id)) this.p.show(f.row);
    }
    this.flying.clear();
  }

  nack(f: Extract<ServerFrame, { op: "nack" }>): void {
    const row = f.client_msg_id ? this.rows.get(f.client_msg_id) : undefined;
    if (!row || row.state !== "pending") return;
    this.landed(row.channel, row.client_msg_id);
    const problem: Problem = { code: f.code, message: f.message, retry: f.retry, ...(f.after_ms !== undefined ? { after_ms: f.after_ms } : {}) };
    if (f.retry) this.holdBack(row, problem);
    else {
      const failed: OutboxRow = { ...row, state: "failed", problem };
      this.rows.set(row.client_msg_id, failed);
      void this.p.save(failed);
    }
    this.pump();
  }

  /** Sends what may be sent. */
  pump(): void {
    if (!this.live) return;
    for (const row of this.heads()) {
      if (this.flying.size >= AT_ONCE) return;
      if (this.flying.has(row.channel) || this.pausing.has(row.channel)) continue;
      if (!this.p.send(frameOf(row))) return;
      const cancel = this.p.clock.after(ANSWER_MS, () => this.unanswered(row));
      this.flying.set(row.channel, { row, cancel });
      this.p.show({ ...row, state: "sending" });
    }
  }

  stop(): void {
    this.pause();
    for (const cancel of this.pausing.values()) cancel();
    this.pausing.clear();
  }

  /** The first row of each channel that waits to be sent; refused and sent ones are passed over. */
  private heads(): readonly OutboxRow[] {
    const first = new Map<ChannelID, OutboxRow>();
    for (const r of this.rows.values()) {
      if (r.state !== "pending") continue;
      const head = first.get(r.channel);
      if (!head || before(r, head)) first.set(r.channel, r);
    }
    return [...first.values()].sort((a, b) => a.order - b.order);
  }

  private landed(channel: ChannelID, id: ClientMsgID): void {
    const f = this.flying.get(channel);
    if (!f || f.row.client_msg_id !== id) return;
    f.cancel();
    this.flying.delete(channel);
    if (!this.rows.has(id) || this.rows.get(id)?.state === "sent") this.backoffs.get(channel)?.reset();
  }

  private holdBack(row: OutboxRow, problem: Problem): void {
    const channel = row.channel;
    let b = this.backoffs.get(channel);
    if (!b) {
      b = new Backoff({ base: 400, cap: MOST_HELD_MS, random: () => this.p.clock.random() });
      this.backoffs.set(channel, b);
    }
    const ms = Math.max(problem.after_ms ?? 0, b.next(), 50);
    this.p.show({ ...row, problem });
    this.pausing.set(channel, this.p.clock.after(ms, () => {
      this.pausing.delete(channel);
      this.pump();
    }));
  }

  private unanswered(row: OutboxRow): void {
    const f = this.flying.get(row.channel);
    if (!f || f.row.client_msg_id !== row.client_msg_id) return;
    this.p.stuck();
  }
}

const before = (a: OutboxRow, b: OutboxRow): boolean => a.order < b.order || (a.order === b.order && a.client_msg_id < b.client_msg_id);

function frameOf(r: OutboxRow): ClientFrame {
  return {
    op: "send", channel: r.channel, client_msg_id: r.client_msg_id, body: r.body,
    ...(r.reply_to ? { reply_to: r.reply_to } : {}), ...(r.thread ? { thread: r.thread } : {}),
    ...(r.mentions && r.mentions.length > 0 ? { mentions: r.mentions } : {}), ...(r.mention_all ? { mention_all: true } : {}),
  };
}
