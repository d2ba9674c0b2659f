// What admins are told of shards and reshards. Loaded only with the admin pages.
import { array, boolean, idText, number, object, opt, text, type Check, type Checked } from "./check";
import { readReason as reason } from "./problem";
import type { ChannelID, UserID } from "./types";

const user = idText as Check<UserID>;
const channel = idText as Check<ChannelID>;

const plan = object({
  id: text, kind: text, shard: text, detached: boolean, paused: boolean, why: opt(text), reason: opt(reason), mbps: number, slowdown: number, begun_at: number,
});
const seat = object({
  id: text, addr: text, term: number, up: boolean, leaving: opt(boolean), standby: opt(text), sync: opt(boolean), partitions: number, planned: number,
  left: number, rows: number, bytes: number,
});
const moving = object({ partition: number, from: text, to: text, state: text });
const ring = object({
  version: number, epoch: number, digest: text, seats: array(seat),
  /** Index into seats by partition; -1: nobody answers, -2: several. */
  owner: array(number),
  rows: array(number), moving: array(moving), spread: number, plan: opt(plan),
});
const table = object({ name: text, rows: number, bytes: number });
const shard = object({
  id: text, up: boolean, error: opt(text), ping_us: number, partitions: number, rows: number, bytes: number, channels: number, messages: number,
  writes_s: number, rows_s: number, wal_bytes_s: number, conns: number, max_conns: number, pending: number, dirty: number, version: text,
  started_at: number, standby: opt(text), standby_lag: opt(number), tables: array(table),
});
const hot = object({
  channel, kind: number, name: text, members: number, last_seq: number, per_minute: number, partition: number, shard: text, last_at: number,
});
const place = object({ kind: text, id: idText, name: text, messages: number, partition: number, shard: text, state: text, epoch: number });
const auditLine = object({ id: text, at: number, actor: opt(user), action: text, subject: text, address: text, shard: text });
const auditPage = object({ lines: array(auditLine), more: boolean, missing: array(text) });
const shardSum = object({ shard: text, partitions: number, rows: number, bytes: number });
const moveSum = object({ from: text, to: text, partitions: number, rows: number, bytes: number });
const preview = object({
  version: number, change: text, shard: text, before: array(shardSum), after: array(shardSum), moves: array(moveSum),
  /** Index into after by partition. */
  owner: array(number),
  partitions: number, rows: number, bytes: number, spread: number, makes: boolean,
});
const move = object({
  partition: number, from: text, to: text, state: text, attempt: number, rows: number, total_rows: number, bytes: number, dirty: number,
  pause_us: number, error: opt(text), reason: opt(reason), started_at: number, updated_at: number,
});
const pause = object({ partition: number, us: number, at: number });
const status = object({
  version: number, plan: opt(plan), can_make: boolean, can_reverse: boolean, left: number, done: number, rows: number, bytes: number,
  total_rows: number, rows_s: number, bytes_s: number, dirty: number, left_ms: number, budget_us: number, moves: array(move), pauses: array(pause),
});
const fault = object({
  code: text, partition: number, shards: opt(array(text)), channel: opt(channel), upto: opt(number), rows: opt(number), wanted: opt(number), table: opt(text), text,
});
const check = object({
  reshard: text, state: text, by: user, begun_at: number, ended_at: opt(number), partitions: number, checked: number, channels: number, messages: number,
  found: number, faults: opt(array(fault)), down: opt(array(text)), reason: opt(reason),
});
const receipt = object({
  reshard: text, from: array(text), to: array(text), begun_at: number, ended_at: number, partitions: number, channels: number, rows: number,
  bytes: number, followed: number, gaps: number, pause_p50_us: number, pause_p99_us: number, pause_max_us: number, check: opt(check),
});
const line = object({
  partition: number, from: text, to: text, epoch: number, at: number, rows: number, bytes: number, followed: number, pause_us: number,
  tables: number, channels: number, messages: number, gaps: number,
});
const node = object({
  name: text, region: opt(text), version: text, run: text, pid: number, sessions: number, capacity: number, cpu: number, ready: boolean,
  draining: boolean, started_at: number, age_ms: number, self: opt(boolean),
});

export type Seat = Checked<typeof seat>;
export type Moving = Checked<typeof moving>;
export type Plan = Checked<typeof plan>;
export type Ring = Checked<typeof ring>;
export type Table = Checked<typeof table>;
export type ShardVitals = Checked<typeof shard>;
export type HotChannel = Checked<typeof hot>;
export type Place = Checked<typeof place>;
export type AuditLine = Checked<typeof auditLine>;
export type AuditPage = Checked<typeof auditPage>;
export type Preview = Checked<typeof preview>;
export type Move = Checked<typeof move>;
export type Pause = Checked<typeof pause>;
export type ReshardStatus = Checked<typeof status>;
export type Fault = Checked<typeof fault>;
export type ReceiptCheck = Checked<typeof check>;
export type ReceiptSum = Checked<typeof receipt>;
export type ReceiptLine = Checked<typeof line>;
export type NodeInfo = Checked<typeof node>;

export type Order =
  | { readonly action: "add"; readonly shard: string; readonly addr?: string; readonly version: number; readonly mbps?: number; readonly slowdown?: number }
  | { readonly action: "remove"; readonly shard: string; readonly version: number; readonly mbps?: number; readonly slowdown?: number }
  | { readonly action: "abort" | "reverse" | "pause" | "resume"; readonly version: number }
  | { readonly action: "set"; readonly version: number; readonly mbps?: number; readonly slowdown?: number };

export interface Change {
  readonly change: "add" | "remove";
  readonly shard: string;
  readonly addr?: string;
}

const whole = <T>(one: Check<T>) => (x: unknown): T => one(x, "answer");

export const readAdmin = {
  ring: whole(ring),
  shards: whole(object({ shards: array(shard) })),
  hot: whole(object({ channels: array(hot) })),
  places: whole(object({ places: array(place) })),
  audit: whole(auditPage),
  status: whole(status),
  preview: whole(preview),
  receipts: whole(object({ receipts: array(receipt) })),
  receipt: whole(object({ reshard: text, partitions: array(line) })),
  check: whole(check),
  nodes: whole(object({ nodes: array(node) })),
};

/** Where the file of a receipt is. */
export const receiptFile = (reshard: string): string => `/api/v1/admin/receipts/${encodeURIComponent(reshard)}/file`;
