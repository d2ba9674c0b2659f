import { deleteDB, openDB, type IDBPDatabase, type IDBPTransaction } from "idb";
import { KEY_PATHS, STORES, type Key, type Keeper, type StoreName, type Tx } from "./kv";

/** Raise it with a step in `upgrade`; never edit a step that people have run. */
const VERSION = 1;

export const databaseName = (account: string): string => `gori-${account}`;

/** Opens (or makes) the account's database. `onLost` is told when a newer version of the page wants to upgrade it, or
 *  the browser closed it: the page must reload to go on. */
export async function openIdb(account: string, onLost: () => void): Promise<Keeper> {
  let open = true;
  const db = await openDB(databaseName(account), VERSION, {
    upgrade(d, oldVersion) {
      upgrade(d, oldVersion);
    },
    blocking() {
      open = false;
      db.close();
      onLost();
    },
    terminated() {
      if (open) onLost();
    },
  });
  return {
    lasting: true,
    run: (mode, work) => run(db, mode, work),
    close: () => {
      open = false;
      db.close();
    },
  };
}

export async function deleteIdb(account: string): Promise<void> {
  await deleteDB(databaseName(account));
}

function upgrade(db: IDBPDatabase, oldVersion: number): void {
  if (oldVersion < 1) {
    for (const name of STORES) {
      const path = KEY_PATHS[name];
      db.createObjectStore(name, { keyPath: typeof path === "string" ? path : [...path] });
    }
  }
}

async function run<T>(db: IDBPDatabase, mode: "readonly" | "readwrite", work: (tx: Tx) => Promise<T>): Promise<T> {
  const t = db.transaction([...STORES], mode, { durability: mode === "readwrite" ? "relaxed" : "default" });
  const writes: Promise<unknown>[] = [];
  try {
    const result = await work(txOf(t as unknown as IDBPTransaction<unknown, string[], "readwrite">, writes));
    await Promise.all(writes);
    await t.done;
    return result;
  } catch (err) {
    t.done.catch(() => {}); // the abort below is the answer to `err`, not another error
    for (const w of writes) w.catch(() => {});
    try {
      t.abort();
    } catch {
      // it had ended by itself
    }
    throw err;
  }
}

function txOf(t: IDBPTransaction<unknown, string[], "readwrite">, writes: Promise<unknown>[]): Tx {
  const range = (channel: string, from: number, to: number) => IDBKeyRange.bound([channel, from], [channel, to]);
  const idbKey = (key: Key): IDBValidKey => (typeof key === "string" ? key : [...key]);
  return {
    get: (store, key) => t.objectStore(store).get(idbKey(key)),
    all: (store) => t.objectStore(store).getAll(),
    messages: (channel, from, to) => (from > to ? Promise.resolve([]) : t.objectStore("messages").getAll(range(channel, from, to))),
    put: (store, row) => void writes.push(t.objectStore(store).put(row)),
    delete: (store: StoreName, key) => void writes.push(t.objectStore(store).delete(idbKey(key))),
    deleteMessages: (channel, from, to) => {
      if (from <= to) writes.push(t.objectStore("messages").delete(range(channel, from, to)));
    },
    clear: (store) => void writes.push(t.objectStore(store).clear()),
  };
}
