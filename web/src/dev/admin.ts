// A made-up system for the admin pages: &moving shows a reshard under way, &lost a shard that does not answer.
import type { Move, Plan, Ring, ShardVitals } from "../model/admin";
import { asChannelID, asUserID } from "../model/types";
import type { AdminCommands } from "../sync/commands";

const P = 1021;
const has = (w: string): boolean => typeof location !== "undefined" && location.search.includes(w);
const begun = Date.now();

/** A number between 0 and 1 that is always the same for the same i. */
const noise = (i: number): number => {
  const x = Math.sin(i * 12.9898) * 43758.5453;
  return x - Math.floor(x);
};

const rows = Array.from({ length: P }, (_, p) => Math.floor(400 * noise(p) + (noise(p + 7) > 0.97 ? 40_000 * noise(p + 3) : 0)));
const first = Array.from({ length: P }, (_, p) => p % 4);
const goesToE = (p: number): boolean => noise(p + 100) < 0.2;

const long = has("many") ? ["seoul-primary-ssd-01", "busan-archive", "c", "d-2", "e", "f", "g", "h", "i", "jeju-west-2", "k", "l"] : undefined;

const plan: Plan = { id: "v7-add-e", kind: "add", shard: "e", detached: true, paused: has("paused"), ...(has("paused") ? { why: "after 10 tries: copy: ERROR: could not extend file: No space left on device (SQLSTATE 53100)", reason: { code: "disk_full", args: { tries: "10" } } } : {}), mbps: 0, slowdown: 2, begun_at: begun - 40_000 };

function ring(): Ring {
  const moving = has("moving");
  const ids = long ?? (moving ? ["a", "b", "c", "d", "e"] : ["a", "b", "c", "d"]);
  const going = moving ? rows.map((_, p) => p).filter(goesToE) : [];
  const done = Math.min(going.length - 9, Math.floor(going.length * 0.3 + (Date.now() - begun) / 500));
  const owner = long === undefined ? [...first] : first.map((_, p) => p % long.length);
  going.slice(0, done).forEach((p) => (owner[p] = 4));
  if (has("lost")) owner.forEach((o, p) => o === 2 && (owner[p] = -1));
  const left = going.slice(done);
  return {
    version: 7, epoch: 3, digest: "9f2c61ab03de77", owner, rows, spread: 1.002, ...(moving ? { plan } : {}),
    moving: left.map((partition, i) => ({ partition, from: ids[first[partition] ?? 0] ?? "a", to: "e", state: i < 3 ? "copying" : "planned" })),
    seats: ids.map((id, i) => {
      const mine = owner.map((o, p) => (o === i ? p : -1)).filter((p) => p >= 0);
      const n = mine.reduce((sum, p) => sum + (rows[p] ?? 0), 0);
      return {
        id, addr: `@${id}`, term: 1, up: !(has("lost") && id === "c"), partitions: mine.length, planned: first.filter((_, p) => p % ids.length === i).length, left: 0, rows: n, bytes: n * 310,
        ...(i === 0 ? { standby: "@a2", sync: true } : {}),
      };
    }),
  };
}

function vitals(): readonly ShardVitals[] {
  return ring().seats.map((s, i) => ({
    id: s.id, up: s.up, ...(s.up ? {} : { error: "no answer" }), ping_us: 240 + 60 * i, partitions: s.partitions, rows: s.rows, bytes: s.bytes, channels: 1200 + i,
    messages: Math.floor(s.rows * 0.8), writes_s: 310 + 40 * Math.random(), rows_s: 900 + 400 * Math.random() * (i + 1), wal_bytes_s: 310_000 * (1 + Math.random()),
    conns: 24 + i, max_conns: 200, pending: i, dirty: has("moving") ? 120 : 0, version: "15.14", started_at: begun - 36e5 * 5,
    ...(i === 0 ? { standby: "streaming", standby_lag: 0 } : {}),
    tables: ["messages", "members", "inbox", "channels", "users"].map((name, k) => ({ name, rows: Math.floor(s.rows / (k + 1)), bytes: Math.floor(s.bytes / (k + 1.5)) })),
  }));
}

function moves(): readonly Move[] {
  return ring().moving.slice(0, 3).map((m, i) => ({
    partition: m.partition, from: m.from, to: m.to, state: ["copying", "following", "verified"][i] ?? "copying", attempt: i === 2 ? 2 : 1, rows: 4_000 * (i + 1),
    total_rows: 16_000, bytes: 1_200_000, dirty: 12 * i, pause_us: 0, started_at: begun, updated_at: Date.now(),
  }));
}

const pauses = (n: number) => Array.from({ length: n }, (_, i) => ({ partition: i, us: Math.floor(6_000 + 18_000 * noise(i) + (noise(i + 9) > 0.97 ? 60_000 : 0)), at: begun - (n - i) * 200 }));

export function adminCommands(): AdminCommands {
  const status = async () => {
    const r = ring();
    const left = r.moving.length;
    const done = has("moving") ? 204 - left : 0;
    return {
      version: 7, ...(has("moving") ? { plan } : {}), can_make: true, can_reverse: true, left, done, rows: 61_000, bytes: 19e6, total_rows: 121_000, rows_s: 44_200,
      bytes_s: 14.2e6, dirty: 36, left_ms: left * 900, budget_us: 150_000, moves: has("moving") ? moves() : [], pauses: pauses(Math.max(0, done)),
    };
  };
  return {
    ring: async () => ring(),
    shards: async () => vitals(),
    hot: async () => ["제품 팀", "Weekend hikers 주말 등산", "", "#postgres", "빌드 알림"].map((name, i) => ({
      channel: asChannelID(String(7_143_220_011 + i)), kind: name === "" ? 1 : 2, name, members: 40 - i * 6, last_seq: 12_000 - 900 * i, per_minute: 240 / (i + 1),
      partition: (i * 211) % P, shard: "abcd"[i % 4] ?? "a", last_at: Date.now() - i * 900,
    })),
    where: async (text) => (text === "?" ? [] : [{ kind: "group", id: "7143220011", name: text, messages: 12_000, partition: 377, shard: "b", state: "active", epoch: 2 }]),
    audit: async () => ({
      more: true, missing: [],
      lines: (["reshard.add", "user.disabled", "login.ok", "login.failed", "signup"] as const).map((action, i) => ({
        id: String(100 - i), at: Date.now() - i * 4e6, ...(i === 3 ? {} : { actor: asUserID(String(1 + (i % 4))) }), action, subject: i === 0 ? "e" : String(2 + i), address: "192.0.2.10", shard: "abcd"[i % 4] ?? "a",
      })),
    }),
    status,
    preview: async (c) => {
      const owner = first.map((o, p) => (goesToE(p) ? 4 : o));
      const now = ring();
      const before = now.seats.map((s) => ({ shard: s.id, partitions: s.partitions, rows: s.rows, bytes: s.bytes }));
      const after = [...before.map((s) => s.shard), c.shard].map((shard, i) => ({ shard, partitions: owner.filter((o) => o === i).length, rows: 20_000, bytes: 6e6 }));
      return { version: 7, change: c.change, shard: c.shard, before, after, moves: [], owner, partitions: 204, rows: 121_000, bytes: 37.6e6, spread: 1.004, makes: true };
    },
    order: async () => undefined,
    receipts: async () => [
      { reshard: "v5-add-d", from: ["a", "b", "c"], to: ["d"], begun_at: begun - 9e7, ended_at: begun - 9e7 + 214_000, partitions: 255, channels: 6_412, rows: 4_120_332, bytes: 1.28e9, followed: 20_112, gaps: 0, pause_p50_us: 9_200, pause_p99_us: 38_100, pause_max_us: 61_000, check: { reshard: "v5-add-d", state: has("differs") ? "done" : "running", by: asUserID("1"), begun_at: begun, partitions: 255, checked: 40, channels: 1_200, messages: 700_000, found: has("differs") ? 2 : 0 } },
      { reshard: "v3-remove-x", from: ["x"], to: ["a", "b", "c"], begun_at: begun - 4e8, ended_at: begun - 4e8 + 91_000, partitions: 255, channels: 5_120, rows: 3_020_118, bytes: 0.9e9, followed: 3_310, gaps: 0, pause_p50_us: 8_800, pause_p99_us: 31_000, pause_max_us: 44_000, check: { reshard: "v3-remove-x", state: "done", by: asUserID("1"), begun_at: begun, ended_at: begun + 5_000, partitions: 255, checked: 255, channels: 5_120, messages: 2_400_118, found: 0 } },
    ],
    receipt: async () => pauses(255).map((p) => ({ partition: p.partition, from: "a", to: "d", epoch: 2, at: p.at, rows: 9_000, bytes: 2e6, followed: 12, pause_us: p.us, tables: 22, channels: 25, messages: 7_800, gaps: 0 })),
    verify: async () => undefined,
    check: async (reshard) => ({
      reshard, state: has("differs") ? "done" : "running", by: asUserID("1"), begun_at: begun, partitions: 255, checked: 120, channels: 4_000, messages: 2_000_000, found: has("differs") ? 2 : 0,
      ...(has("differs") ? { faults: [{ code: "channel_differs", partition: 377, shards: ["d"], channel: asChannelID("7143220011"), upto: 900, rows: 899, wanted: 900, text: "…" }, { code: "no_owner", partition: 12, text: "…" }] } : {}),
    }),
    nodes: async () => ["n1", "n2", "n3"].map((name, i) => ({
      name, region: i === 2 ? "busan" : "seoul", version: "v0.4.0", run: String(i), pid: 4100 + i, sessions: 1_204 - 310 * i, capacity: 20_000, cpu: 180 + 90 * i, ready: true,
      draining: i === 2, started_at: begun - 36e5 * (i + 1), age_ms: 300, ...(i === 0 ? { self: true } : {}),
    })),
  };
}
