import type { Cursor } from "../model/cursor";
import type { ChannelID, ClientMsgID, InboxEntry, Message, OutboxRow } from "../model/types";
import type { Tx } from "./kv";

/** What a commit gathers for its Effect. */
export interface Gathered {
  readonly entries: Map<ChannelID, InboxEntry>;
  readonly messages: Message[];
  readonly outboxPut: Map<ClientMsgID, OutboxRow>;
  readonly outboxDrop: Set<ClientMsgID>;
  readonly readsDrop: string[];
  readonly cursors: Map<ChannelID, Cursor>;
}

export function dropRow(tx: Tx, g: Gathered, id: ClientMsgID): void {
  tx.delete("outbox", id);
  g.outboxPut.delete(id);
  g.outboxDrop.add(id);
}
