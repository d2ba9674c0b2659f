import type { Message } from "../model/types";
import { KEY_PATHS, STORES, type Key, type Keeper, type Rows, type StoreName, type Tx } from "./kv";

type Tables = Map<StoreName, Map<string, unknown>>;

const keyText = (key: Key): string => (typeof key === "string" ? key : JSON.stringify(key));

function rowKey(store: StoreName, row: unknown): string {
  const path = KEY_PATHS[store];
  const o = row as Record<string, string | number>;
  return typeof path === "string" ? String(o[path]) : JSON.stringify(path.map((p) => o[p]));
}

/** Keeps everything for the life of the page: private mode, or no IndexedDB. Transactions run one after another. */
export function openMemory(): Keeper {
  const tables: Tables = new Map(STORES.map((s) => [s, new Map()]));
  let last: Promise<unknown> = Promise.resolve();
  return {
    lasting: false,
    run: (_mode, work) => {
      const next = last.then(async () => {
        const log: (() => void)[] = [];
        const result = await work(txOf(tables, log));
        for (const write of log) write();
        return result;
      });
      last = next.catch(() => {});
      return next;
    },
    close: () => {},
  };
}

/** Writes wait in `log` until the work has succeeded, as a transaction's would; reads see them at once. */
function txOf(tables: Tables, log: (() => void)[]): Tx {
  const fresh: Tables = new Map();
  const gone = new Set<string>();
  const table = (s: StoreName) => tables.get(s) as Map<string, unknown>;
  const mine = (s: StoreName) => fresh.get(s) ?? fresh.set(s, new Map()).get(s)!;
  const drop = (s: StoreName, k: string) => {
    mine(s).delete(k);
    gone.add(`${s} ${k}`);
    log.push(() => table(s).delete(k));
  };
  const view = <S extends StoreName>(s: S): Rows[S][] => {
    const rows = new Map<string, unknown>();
    for (const [k, v] of table(s)) if (!gone.has(`${s} ${k}`)) rows.set(k, v);
    for (const [k, v] of mine(s)) rows.set(k, v);
    return [...rows.values()] as Rows[S][];
  };
  const inRange = (channel: string, from: number, to: number): Message[] =>
    view("messages").filter((m) => m.channel === channel && m.seq >= from && m.seq <= to).sort((a, b) => a.seq - b.seq);
  return {
    get: async <S extends StoreName>(s: S, key: Key) => {
      const k = keyText(key);
      const v = mine(s).get(k) ?? (gone.has(`${s} ${k}`) ? undefined : table(s).get(k));
      return v as Rows[S] | undefined;
    },
    all: async (s) => view(s),
    messages: async (channel, from, to) => inRange(channel, from, to),
    put: (s, row) => {
      const k = rowKey(s, row);
      gone.delete(`${s} ${k}`);
      mine(s).set(k, row);
      log.push(() => table(s).set(k, row));
    },
    delete: (s, key) => drop(s, keyText(key)),
    deleteMessages: (channel, from, to) => {
      for (const m of inRange(channel, from, to)) drop("messages", rowKey("messages", m));
    },
    clear: (s) => {
      for (const row of view(s)) drop(s, rowKey(s, row));
    },
  };
}
