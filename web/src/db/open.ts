import { deleteIdb, openIdb } from "./idb";
import type { Keeper } from "./kv";
import { openMemory } from "./memory";

/** The account's keeper: IndexedDB, or memory where the browser keeps nothing. */
export async function openKeeper(account: string, onLost: () => void): Promise<Keeper> {
  if (typeof indexedDB === "undefined") return openMemory();
  try {
    const keeper = await openIdb(account, onLost);
    await keeper.run("readonly", (tx) => tx.get("meta", "pos")); // some private modes open but do not work
    return keeper;
  } catch {
    return openMemory();
  }
}

export async function deleteKeeper(account: string): Promise<void> {
  if (typeof indexedDB === "undefined") return;
  await deleteIdb(account).catch(() => {});
}
