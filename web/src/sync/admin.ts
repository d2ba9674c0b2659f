// What an admin can ask and order. Loaded only with the admin pages.
import {
  readAdmin as read, type AuditPage, type Change, type HotChannel, type NodeInfo, type Order, type Place, type Preview, type ReceiptCheck, type ReceiptLine, type ReceiptSum,
  type ReshardStatus, type Ring, type ShardVitals,
} from "../model/admin";
import { nothing, type Http } from "../net/http";

export interface AdminCommands {
  ring(signal?: AbortSignal): Promise<Ring>;
  shards(signal?: AbortSignal): Promise<readonly ShardVitals[]>;
  hot(signal?: AbortSignal): Promise<readonly HotChannel[]>;
  /** Where something lives: by id when it is a number, and by name. */
  where(text: string): Promise<readonly Place[]>;
  audit(before?: string): Promise<AuditPage>;
  status(signal?: AbortSignal): Promise<ReshardStatus>;
  preview(change: Change): Promise<Preview>;
  order(order: Order): Promise<void>;
  receipts(signal?: AbortSignal): Promise<readonly ReceiptSum[]>;
  receipt(reshard: string): Promise<readonly ReceiptLine[]>;
  /** Has a receipt computed again from what is served; it goes on by itself. */
  verify(reshard: string): Promise<void>;
  check(reshard: string, signal?: AbortSignal): Promise<ReceiptCheck>;
  nodes(signal?: AbortSignal): Promise<readonly NodeInfo[]>;
}

export function makeAdmin(http: Http): AdminCommands {
  const until = (signal?: AbortSignal) => (signal ? { signal } : {});
  return {
    ring: (s) => http("/admin/ring", read.ring, until(s)),
    shards: async (s) => (await http("/admin/shards", read.shards, until(s))).shards,
    hot: async (s) => (await http("/admin/channels/hot", read.hot, { query: { limit: 30 }, ...until(s) })).channels,
    where: async (wanted) => {
      const ask = async (key: "channel" | "user" | "name", value: string) => (await http("/admin/where", read.places, { query: { [key]: value } })).places;
      const text = wanted.trim();
      if (!/^[1-9]\d{0,18}$/.test(text)) return ask("name", text.replace(/^@/, ""));
      return (await Promise.all([ask("channel", text), ask("user", text), ask("name", text)])).flat();
    },
    audit: (before) => http("/admin/audit", read.audit, { query: { before, limit: 50 } }),
    status: (s) => http("/admin/reshard", read.status, until(s)),
    preview: (body) => http("/admin/reshard/plan", read.preview, { method: "POST", body }),
    // An instance may have to be made.
    order: (body) => http("/admin/reshard", nothing, { method: "POST", body, timeoutMs: 120_000 }),
    receipts: async (s) => (await http("/admin/receipts", read.receipts, until(s))).receipts,
    receipt: async (reshard) => (await http(`/admin/receipts/${encodeURIComponent(reshard)}`, read.receipt)).partitions,
    verify: (reshard) => http(`/admin/receipts/${encodeURIComponent(reshard)}/verify`, nothing, { method: "POST" }),
    check: (reshard, s) => http(`/admin/receipts/${encodeURIComponent(reshard)}/verify`, read.check, until(s)),
    nodes: async (s) => (await http("/admin/nodes", read.nodes, until(s))).nodes,
  };
}
