// One step of knowledge: what a frame, an answer or a command adds. It is committed to the db in one transaction; the
// Effect is what changed by it, and what the state of every tab then takes in.
import type { Cursor, Gap } from "./cursor";
import type {
  Change, Channel, ChannelID, ClientMsgID, Friend, InboxEntry, Limits, LoginID, Member, Message, Millis, OutboxRow, Pos,
  PresenceState, Self, Seq, User, UserID,
} from "./types";
import type { LocalRead } from "./unread";

/** A page of history: every visible seq from..to is among the messages. */
export interface PageCover {
  readonly channel: ChannelID;
  readonly messages: readonly Message[];
  readonly from: Seq;
  readonly to: Seq;
  /** Set when nothing is before `from`. */
  readonly start?: Seq;
  /** Of the channel at the time of reading. */
  readonly lastSeq: Seq;
  readonly lastChange: Change;
}

/** All alterations after `after` up to `to`, of the messages kept. */
export interface ChangeCover {
  readonly channel: ChannelID;
  readonly messages: readonly Message[];
  readonly after: Change;
  readonly to: Change;
  /** Of the channel at the time of reading. */
  readonly lastSeq: Seq;
}

export interface Ack {
  readonly channel: ChannelID;
  readonly client_msg_id: ClientMsgID;
  readonly seq: Seq;
  readonly n: number;
  readonly thread_n?: number;
  readonly at: Millis;
}

export interface Mark {
  readonly channel: ChannelID;
  readonly user: UserID;
  readonly seq: Seq;
  readonly thread?: Seq;
}

export interface Typist {
  readonly channel: ChannelID;
  readonly thread: Seq;
  readonly user: UserID;
}

export interface MemberList {
  readonly channel: ChannelID;
  readonly members: readonly Member[];
}

export interface DraftText {
  readonly key: string;
  readonly text: string;
}

/** Knowledge that is not kept or not merged: it passes from patch to effect as it is. */
interface Passing {
  readonly me?: Self;
  readonly login?: LoginID;
  readonly limits?: Limits;
  readonly people?: readonly User[];
  readonly friends?: readonly Friend[];
  readonly unfriended?: readonly UserID[];
  /** With `friends`: the list is complete. */
  readonly allFriends?: boolean;
  readonly members?: readonly MemberList[];
  readonly drafts?: readonly DraftText[];
  readonly presence?: readonly PresenceState[];
  /** With `presence`: whoever is not in it, nor a friend or a member of the open channel, is not known any more. */
  readonly allPresence?: boolean;
  readonly typing?: readonly Typist[];
  readonly forget?: readonly ChannelID[];
}

export interface Patch extends Passing {
  readonly pos?: Pos;
  readonly entries?: readonly InboxEntry[];
  /** From `msg` frames. */
  readonly live?: readonly Message[];
  /** From `change` frames and answers to edits. */
  readonly altered?: readonly Message[];
  readonly pages?: readonly PageCover[];
  readonly changes?: readonly ChangeCover[];
  readonly acks?: readonly Ack[];
  readonly channels?: readonly Channel[];
  readonly marks?: readonly Mark[];
  readonly outboxPut?: readonly OutboxRow[];
  readonly outboxDrop?: readonly ClientMsgID[];
  readonly reads?: readonly LocalRead[];
  /** The entries answer reads that were sent before: thread reads of their channels are settled. */
  readonly settleReads?: boolean;
  /** Rows `sent` of these channels are in what was fetched, or never will be. */
  readonly settleSent?: readonly ChannelID[];
}

export interface Effect extends Passing {
  /** Only those that were news. */
  readonly entries: readonly InboxEntry[];
  readonly messages: readonly Message[];
  readonly cursors: readonly Cursor[];
  readonly gaps: readonly Gap[];
  readonly channels: readonly Channel[];
  readonly marks: readonly Mark[];
  readonly outboxPut: readonly OutboxRow[];
  readonly outboxDrop: readonly ClientMsgID[];
  readonly reads: readonly LocalRead[];
  /** Keys of read marks that are confirmed. */
  readonly readsDrop: readonly string[];
}
