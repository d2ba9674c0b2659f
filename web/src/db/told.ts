// What this browser has been told by pushes: shared by the pages and the worker, apart from the accounts' databases, as the
// worker must know it while no page is open. Opened for one piece of work at a time, so that it is never in the way of its
// deletion.
import { deleteDB, openDB, type IDBPDatabase } from "idb";
import type { ChannelID, Seq } from "../model/types";

const NAME = "gori-push";
/** Channels remembered; the ones told least recently go. */
const KEEP = 500;

export interface ToldMeta {
  /** The language of the screen. */
  lang: string;
  /** This browser among the account's push devices, and the address it has there. */
  device: string;
  endpoint: string;
  /** What it is called there. */
  name: string;
  /** PushSettings as JSON. */
  settings: string;
}

interface ChannelRow {
  readonly channel: ChannelID;
  /** The newest message that was shown. */
  readonly shown: Seq;
  /** Read up to here, on any device as far as this one knows. */
  readonly read: Seq;
  readonly at: number;
}

async function withDB<T>(work: (db: IDBPDatabase) => Promise<T>): Promise<T> {
  const db = await openDB(NAME, 1, {
    upgrade(d) {
      d.createObjectStore("meta");
      d.createObjectStore("channels", { keyPath: "channel" });
    },
    blocking() {
      db.close();
    },
  });
  try {
    return await work(db);
  } finally {
    db.close();
  }
}

export function toldMeta<K extends keyof ToldMeta>(key: K): Promise<ToldMeta[K]> {
  return withDB(async (db) => ((await db.get("meta", key)) as ToldMeta[K] | undefined) ?? "");
}

export function setToldMeta(values: Partial<ToldMeta>): Promise<void> {
  return withDB(async (db) => {
    const tx = db.transaction("meta", "readwrite");
    for (const [key, value] of Object.entries(values)) void tx.store.put(value, key);
    await tx.done;
  });
}

/** Whether a message is to be shown: not one that was shown already, nor an older one, nor one that was read. If so it
 *  counts as shown from now on. */
export function claim(channel: ChannelID, seq: Seq, now: number): Promise<boolean> {
  return withDB(async (db) => {
    const tx = db.transaction("channels", "readwrite");
    const old = (await tx.store.get(channel)) as ChannelRow | undefined;
    const news = seq > (old?.shown ?? 0) && seq > (old?.read ?? 0);
    if (news) await tx.store.put({ channel, shown: seq, read: old?.read ?? 0, at: now } satisfies ChannelRow);
    if (news && !old) await trim(tx.store);
    await tx.done;
    return news;
  });
}

/** Pushes up to seq that are still on their way are not to be shown. */
export function noteRead(channel: ChannelID, seq: Seq, now: number): Promise<void> {
  return withDB(async (db) => {
    const tx = db.transaction("channels", "readwrite");
    const old = (await tx.store.get(channel)) as ChannelRow | undefined;
    if (seq > (old?.read ?? 0)) await tx.store.put({ channel, shown: old?.shown ?? 0, read: seq, at: now } satisfies ChannelRow);
    if (!old) await trim(tx.store);
    await tx.done;
  });
}

/** Nobody is logged in here any more. */
export async function forgetTold(): Promise<void> {
  await deleteDB(NAME);
}

interface Trimmed {
  count(): Promise<number>;
  getAll(): Promise<ChannelRow[]>;
  delete(key: string): Promise<void>;
}

async function trim(store: Trimmed): Promise<void> {
  if ((await store.count()) <= KEEP) return;
  const rows = (await store.getAll()).sort((a, b) => a.at - b.at);
  for (const r of rows.slice(0, rows.length - KEEP)) await store.delete(r.channel);
}
