// The stores of one account, and the small transaction that both keepers (IndexedDB, memory) offer.
import type { Cursor } from "../model/cursor";
import type { DraftText, MemberList } from "../model/patch";
import type { Channel, Friend, InboxEntry, Message, OutboxRow, User } from "../model/types";
import type { LocalRead } from "../model/unread";

export interface MetaRow {
  readonly key: "me" | "login" | "limits" | "pos" | "generation";
  readonly value: unknown;
}

export interface ReadRow extends LocalRead {
  readonly key: string;
}

export interface Rows {
  meta: MetaRow;
  messages: Message;
  entries: InboxEntry;
  details: Channel;
  members: MemberList;
  cursors: Cursor;
  outbox: OutboxRow;
  drafts: DraftText;
  people: User;
  friends: Friend;
  reads: ReadRow;
}
export type StoreName = keyof Rows;
export type Key = string | readonly [string, number];

/** Where each store's key is found in its rows. */
export const KEY_PATHS: { readonly [S in StoreName]: string | readonly string[] } = {
  meta: "key",
  messages: ["channel", "seq"],
  entries: "channel",
  details: "id",
  members: "channel",
  cursors: "channel",
  outbox: "client_msg_id",
  drafts: "key",
  people: "id",
  friends: "user",
  reads: "key",
};
export const STORES = Object.keys(KEY_PATHS) as readonly StoreName[];

/** Inside a transaction only its own calls may be awaited: IndexedDB commits as soon as nothing is asked. */
export interface Tx {
  get<S extends StoreName>(store: S, key: Key): Promise<Rows[S] | undefined>;
  all<S extends StoreName>(store: S): Promise<Rows[S][]>;
  /** Messages of a channel with from <= seq <= to, ascending. */
  messages(channel: string, from: number, to: number): Promise<Message[]>;
  put<S extends StoreName>(store: S, row: Rows[S]): void;
  delete(store: StoreName, key: Key): void;
  deleteMessages(channel: string, from: number, to: number): void;
  clear(store: StoreName): void;
}

export interface Keeper {
  /** Whether the data is there again after a reload, and seen by the account's other tabs. */
  readonly lasting: boolean;
  /** All or nothing; the result is there after the commit. */
  run<T>(mode: "readonly" | "readwrite", work: (tx: Tx) => Promise<T>): Promise<T>;
  close(): void;
}
