// What admins are told of shards and reshards. Loaded only with the admin pages.
import { array, boolean, idText, number, object, opt, text } from "./check";
import type { ChannelID, Millis, UserID } from "./types";

export interface Seat {
  readonly id: string;
  readonly addr: string;
  readonly term: number;
  readonly up: boolean;
  readonly leaving?: boolean;
  readonly standby?: string;
  readonly sync?: boolean;
  readonly partitions: number;
  readonly planned: number;
  readonly left: number;
  readonly rows: number;
  readonly bytes: number;
}

export interface Moving {
  readonly partition: number;
  readonly from: string;
  readonly to: string;
  readonly state: string;
}

export interface Plan {
  readonly id: string;
  readonly kind: string;
  readonly shard: string;
  readonly detached: boolean;
  readonly paused: boolean;
  readonly why?: string;
  readonly mbps: number;
  readonly slowdown: number;
  readonly begun_at: Millis;
}

export interface Ring {
  readonly version: number;
  readonly epoch: number;
  readonly digest: string;
  readonly seats: readonly Seat[];
  /** Index into seats by partition; -1: nobody answers, -2: several. */
  readonly owner: readonly number[];
  readonly rows: readonly number[];
  readonly moving: readonly Moving[];
  readonly spread: number;
  readonly plan?: Plan;
}

export interface Table {
  readonly name: string;
  readonly rows: number;
  readonly bytes: number;
}

export interface ShardVitals {
  readonly id: string;
  readonly up: boolean;
  readonly error?: string;
  readonly ping_us: number;
  readonly partitions: number;
  readonly rows: number;
  readonly bytes: number;
  readonly channels: number;
  readonly messages: number;
  readonly writes_s: number;
  readonly rows_s: number;
  readonly wal_bytes_s: number;
  readonly conns: number;
  readonly max_conns: number;
  readonly pending: number;
  readonly dirty: number;
  readonly version: string;
  readonly started_at: Millis;
  readonly standby?: string;
  readonly standby_lag?: number;
  readonly tables: readonly Table[];
}

export interface HotChannel {
  readonly channel: ChannelID;
  readonly kind: number;
  readonly name: string;
  readonly members: number;
  readonly last_seq: number;
  readonly per_minute: number;
  readonly partition: number;
  readonly shard: string;
  readonly last_at: Millis;
}

export interface Place {
  readonly kind: string;
  readonly id: string;
  readonly name: string;
  readonly messages: number;
  readonly partition: number;
  readonly shard: string;
  readonly state: string;
  readonly epoch: number;
}

export interface AuditLine {
  readonly id: string;
  readonly at: Millis;
  readonly actor?: UserID;
  readonly action: string;
  readonly subject: string;
  readonly address: string;
  readonly shard: string;
}

export interface AuditPage {
  readonly lines: readonly AuditLine[];
  readonly more: boolean;
  readonly missing: readonly string[];
}

export interface ShardSum {
  readonly shard: string;
  readonly partitions: number;
  readonly rows: number;
  readonly bytes: number;
}

export interface MoveSum {
  readonly from: string;
  readonly to: string;
  readonly partitions: number;
  readonly rows: number;
  readonly bytes: number;
}

export interface Preview {
  readonly version: number;
  readonly change: string;
  readonly shard: string;
  readonly before: readonly ShardSum[];
  readonly after: readonly ShardSum[];
  readonly moves: readonly MoveSum[];
  /** Index into after by partition. */
  readonly owner: readonly number[];
  readonly partitions: number;
  readonly rows: number;
  readonly bytes: number;
  readonly spread: number;
  readonly makes: boolean;
}

export interface Move {
  readonly partition: number;
  readonly from: string;
  readonly to: string;
  readonly state: string;
  readonly attempt: number;
  readonly rows: number;
  readonly total_rows: number;
  readonly bytes: number;
  readonly dirty: number;
  readonly pause_us: number;
  readonly error?: string;
  readonly started_at: Millis;
  readonly updated_at: Millis;
}

export interface Pause {
  readonly partition: number;
  readonly us: number;
  readonly at: Millis;
}

export interface ReshardStatus {
  readonly version: number;
  readonly plan?: Plan;
  readonly can_make: boolean;
  readonly can_reverse: boolean;
  readonly left: number;
  readonly done: number;
  readonly rows: number;
  readonly bytes: number;
  readonly total_rows: number;
  readonly rows_s: number;
  readonly bytes_s: number;
  readonly dirty: number;
  readonly left_ms: number;
  readonly budget_us: number;
  readonly moves: readonly Move[];
  readonly pauses: readonly Pause[];
}

export interface ReceiptSum {
  readonly reshard: string;
  readonly from: readonly string[];
  readonly to: readonly string[];
  readonly begun_at: Millis;
  readonly ended_at: Millis;
  readonly partitions: number;
  readonly channels: number;
  readonly rows: number;
  readonly bytes: number;
  readonly followed: number;
  readonly gaps: number;
  readonly pause_p50_us: number;
  readonly pause_p99_us: number;
  readonly pause_max_us: number;
}

export interface ReceiptLine {
  readonly partition: number;
  readonly from: string;
  readonly to: string;
  readonly epoch: number;
  readonly at: Millis;
  readonly rows: number;
  readonly bytes: number;
  readonly followed: number;
  readonly pause_us: number;
  readonly tables: number;
  readonly channels: number;
  readonly messages: number;
  readonly gaps: number;
}

export interface NodeInfo {
  readonly name: string;
  readonly region?: string;
  readonly version: string;
  readonly run: string;
  readonly pid: number;
  readonly sessions: number;
  readonly capacity: number;
  readonly cpu: number;
  readonly ready: boolean;
  readonly draining: boolean;
  readonly started_at: Millis;
  readonly age_ms: number;
  readonly self?: boolean;
}

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

const plan = object({
  id: text, kind: text, shard: text, detached: boolean, paused: boolean, why: opt(text), mbps: number, slowdown: number, begun_at: number,
});
const seat = object({
  id: text, addr: text, term: number, up: boolean, leaving: opt(boolean), standby: opt(text), sync: opt(boolean), partitions: number, planned: number,
  left: number, rows: number, bytes: number,
});
const move = object({
  partition: number, from: text, to: text, state: text, attempt: number, rows: number, total_rows: number, bytes: number, dirty: number,
  pause_us: number, error: opt(text), started_at: number, updated_at: number,
});
const table = object({ name: text, rows: number, bytes: number });
const shard = object({
  id: text, up: boolean, error: opt(text), ping_us: number, partitions: number, rows: number, bytes: number, channels: number, messages: number,
  writes_s: number, rows_s: number, wal_bytes_s: number, conns: number, max_conns: number, pending: number, dirty: number, version: text,
  started_at: number, standby: opt(text), standby_lag: opt(number), tables: array(table),
});
const sum = object({ shard: text, partitions: number, rows: number, bytes: number });
const receipt = object({
  reshard: text, from: array(text), to: array(text), begun_at: number, ended_at: number, partitions: number, channels: number, rows: number,
  bytes: number, followed: number, gaps: number, pause_p50_us: number, pause_p99_us: number, pause_max_us: number,
});
const line = object({
  partition: number, from: text, to: text, epoch: number, at: number, rows: number, bytes: number, followed: number, pause_us: number,
  tables: number, channels: number, messages: number, gaps: number,
});
const node = object({
  name: text, region: opt(text), version: text, run: text, pid: number, sessions: number, capacity: number, cpu: number, ready: boolean,
  draining: boolean, started_at: number, age_ms: number, self: opt(boolean),
});

const typed = <T>(check: (x: unknown, at: string) => unknown) => (x: unknown): T => check(x, "answer") as T;

export const readAdmin = {
  ring: typed<Ring>(object({
    version: number, epoch: number, digest: text, seats: array(seat), owner: array(number), rows: array(number),
    moving: array(object({ partition: number, from: text, to: text, state: text })), spread: number, plan: opt(plan),
  })),
  shards: typed<{ shards: readonly ShardVitals[] }>(object({ shards: array(shard) })),
  hot: typed<{ channels: readonly HotChannel[] }>(object({
    channels: array(object({
      channel: idText, kind: number, name: text, members: number, last_seq: number, per_minute: number, partition: number, shard: text, last_at: number,
    })),
  })),
  places: typed<{ places: readonly Place[] }>(object({
    places: array(object({ kind: text, id: idText, name: text, messages: number, partition: number, shard: text, state: text, epoch: number })),
  })),
  audit: typed<AuditPage>(object({
    lines: array(object({ id: text, at: number, actor: opt(idText), action: text, subject: text, address: text, shard: text })),
    more: boolean, missing: array(text),
  })),
  status: typed<ReshardStatus>(object({
    version: number, plan: opt(plan), can_make: boolean, can_reverse: boolean, left: number, done: number, rows: number, bytes: number,
    total_rows: number, rows_s: number, bytes_s: number, dirty: number, left_ms: number, budget_us: number, moves: array(move),
    pauses: array(object({ partition: number, us: number, at: number })),
  })),
  preview: typed<Preview>(object({
    version: number, change: text, shard: text, before: array(sum), after: array(sum),
    moves: array(object({ from: text, to: text, partitions: number, rows: number, bytes: number })), owner: array(number), partitions: number,
    rows: number, bytes: number, spread: number, makes: boolean,
  })),
  receipts: typed<{ receipts: readonly ReceiptSum[] }>(object({ receipts: array(receipt) })),
  receipt: typed<{ reshard: string; partitions: readonly ReceiptLine[] }>(object({ reshard: text, partitions: array(line) })),
  nodes: typed<{ nodes: readonly NodeInfo[] }>(object({ nodes: array(node) })),
};

/** Where the file of a receipt is. */
export const receiptFile = (reshard: string): string => `/api/v1/admin/receipts/${encodeURIComponent(reshard)}/file`;
