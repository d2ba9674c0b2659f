// The words of the protocol, as docs/PROTOCOL.md and the Go package chat define them. Objects keep their wire names, so
// what the db keeps, what the state shows and what the server sent are one and the same shape.

declare const brand: unique symbol;
type Branded<T, B extends string> = T & { readonly [brand]: B };

/** Decimal string; JavaScript numbers end at 2^53. */
export type UserID = Branded<string, "user">;
export type ChannelID = Branded<string, "channel">;
export type LoginID = Branded<string, "login">;
export type InviteID = Branded<string, "invite">;
export type PushDeviceID = Branded<string, "push device">;
export type HookID = Branded<string, "hook">;
/** A UUIDv7 made by the sending device. */
export type ClientMsgID = Branded<string, "client_msg_id">;
/** Position of a message in its channel: 1, 2, 3 … */
export type Seq = number;
/** Number of an alteration in its channel: 1, 2, 3 … */
export type Change = number;
/** Position of a user's inbox. */
export type Pos = number;
/** Unix milliseconds; for people to read, never for order. */
export type Millis = number;

export const asUserID = (s: string): UserID => s as UserID;
export const asChannelID = (s: string): ChannelID => s as ChannelID;
export const asLoginID = (s: string): LoginID => s as LoginID;
export const asInviteID = (s: string): InviteID => s as InviteID;
export const asPushDeviceID = (s: string): PushDeviceID => s as PushDeviceID;
export const asHookID = (s: string): HookID => s as HookID;
export const asClientMsgID = (s: string): ClientMsgID => s as ClientMsgID;

export const KIND_DIRECT = 1;
export const KIND_GROUP = 2;
export type ChannelKind = typeof KIND_DIRECT | typeof KIND_GROUP;

export const ROLE_NONE = 0;
export const ROLE_MEMBER = 1;
export const ROLE_ADMIN = 2;
export const ROLE_OWNER = 3;
export type Role = 0 | 1 | 2 | 3;

export const LEVEL_ALL = 0;
export const LEVEL_MENTIONS = 1;
export const LEVEL_NONE = 2;
export type Level = 0 | 1 | 2;

export const TEXT = 0;
export const SYSTEM = 1;
export type MessageKind = 0 | 1;

export interface Reaction {
  readonly emoji: string;
  readonly users: readonly UserID[];
}

export interface Replies {
  readonly n: number;
  readonly last_seq: Seq;
  readonly last_at: Millis;
}

export type SystemEvent = "created" | "joined" | "added" | "removed" | "left" | "renamed" | "role" | "limit";

export interface System {
  readonly event: SystemEvent;
  readonly actor: UserID;
  readonly users?: readonly UserID[];
  readonly text?: string;
}

export interface Message {
  readonly channel: ChannelID;
  readonly seq: Seq;
  /** The channel's running count of messages that count as unread, including this one. */
  readonly n: number;
  readonly thread_n?: number;
  readonly sender: UserID;
  readonly client_msg_id: ClientMsgID;
  readonly kind?: MessageKind;
  readonly body: string;
  readonly at: Millis;
  readonly orig_at?: Millis;
  readonly reply_to?: Seq;
  readonly thread?: Seq;
  readonly mentions?: readonly UserID[];
  readonly mention_all?: boolean;
  readonly change?: Change;
  readonly edited_at?: Millis;
  readonly deleted?: boolean;
  readonly reactions?: readonly Reaction[];
  readonly replies?: Replies;
  readonly system?: System;
}

export interface Channel {
  readonly id: ChannelID;
  readonly kind: ChannelKind;
  readonly name: string;
  readonly created_at: Millis;
  readonly last_seq: Seq;
  readonly last_n: number;
  readonly last_change: Change;
  readonly member_count: number;
  readonly member_limit: number;
  readonly member_version: number;
  /** Of the one who asks; absent in frames, which are the same for all. */
  readonly role?: Role;
}

export interface Member {
  readonly user: UserID;
  readonly role: Role;
  readonly joined_at: Millis;
  readonly read_seq: Seq;
}

export interface ThreadUnread {
  readonly root: Seq;
  readonly unread: number;
  readonly mentions: number;
}

/** One channel in the user's inbox: an index, not a copy of the messages. */
export interface InboxEntry {
  readonly channel: ChannelID;
  readonly kind: ChannelKind;
  readonly peer?: UserID;
  readonly name?: string;
  readonly member: boolean;
  readonly pos: Pos;
  readonly last_seq: Seq;
  readonly last_n: number;
  readonly last_change: Change;
  readonly last_at: Millis;
  readonly last_sender?: UserID;
  readonly preview?: string;
  readonly preview_kind?: MessageKind;
  readonly read_seq: Seq;
  readonly read_n: number;
  readonly mentions: number;
  readonly threads?: readonly ThreadUnread[];
  readonly level: Level;
  readonly pinned: boolean;
}

export interface User {
  readonly id: UserID;
  readonly login_name: string;
  readonly display_name: string;
  readonly avatar_color: number;
  readonly avatar_version?: number;
  readonly status_line?: string;
  readonly disabled?: boolean;
  /** A program's account. */
  readonly bot?: boolean;
  readonly last_active_at?: Millis;
}

/** Who may see whether one is there. */
export type PresenceTo = "everyone" | "friends" | "nobody";

export interface Self extends User {
  readonly admin: boolean;
  readonly lang: string;
  readonly presence_to?: PresenceTo;
}

export interface Login {
  readonly id: LoginID;
  readonly device_name: string;
  readonly created_at: Millis;
  readonly last_used_at: Millis;
  readonly current: boolean;
}

export type FriendState = "sent" | "received" | "accepted" | "blocked";

export interface Friend {
  readonly user: UserID;
  readonly state: FriendState;
  readonly since: Millis;
}

export type PresenceName = "online" | "away" | "offline";

export interface PresenceState {
  readonly user: UserID;
  readonly state: PresenceName;
  readonly last_active_at?: Millis;
}

export interface Invite {
  readonly id: InviteID;
  readonly channel: ChannelID;
  /** Only in the answer that made it. */
  readonly code?: string;
  readonly created_by: UserID;
  readonly created_at: Millis;
  readonly expires_at?: Millis;
  readonly max_uses?: number;
  readonly uses: number;
}

export interface InvitePreview {
  readonly channel: ChannelID;
  readonly name: string;
  readonly member_count: number;
}

export interface Limits {
  readonly heartbeat_s: number;
  readonly body_chars: number;
  readonly body_bytes: number;
}

export const DEFAULT_LIMITS: Limits = { heartbeat_s: 17, body_chars: 100_000, body_bytes: 400_000 };

export interface Page {
  readonly messages: readonly Message[];
  readonly more_before: boolean;
  readonly more_after: boolean;
  readonly last_seq: Seq;
  readonly last_change: Change;
}

export interface InboxPage {
  readonly pos: Pos;
  readonly entries: readonly InboxEntry[];
  readonly more: boolean;
  readonly people?: readonly User[];
}

export interface ServerConfig {
  readonly signup: "open" | "invite";
  /** False until there is an account; the first one becomes the admin. */
  readonly founded?: boolean;
  readonly name: string;
  readonly version: string;
  readonly limits?: Limits;
}

/** How pushes reach a user, on all devices. Minutes of the day, -1: none; the zone is an IANA name. */
export interface PushSettings {
  readonly hide_body: boolean;
  readonly quiet_from: number;
  readonly quiet_to: number;
  readonly zone: string;
}

export interface PushDevice {
  readonly id: PushDeviceID;
  readonly kind: "webpush" | "webhook";
  readonly name?: string;
  /** Of its address; the rest of it is a secret. */
  readonly host?: string;
  /** It goes with the login that asks. */
  readonly current?: boolean;
  readonly created_at?: Millis;
  readonly last_ok_at?: Millis;
  /** Pushes given up, in a row. */
  readonly failures?: number;
}

export interface PushInfo {
  readonly vapid_key: string;
  readonly settings: PushSettings;
  readonly devices: readonly PushDevice[];
}

/** An address by which a program writes into a channel. */
export interface Hook {
  readonly id: HookID;
  readonly name: string;
  readonly created_at?: Millis;
  /** Only in the answer that made it. */
  readonly url?: string;
}

/** Why something was refused, as the server's error table names it; `offline` and `timeout` are ours. */
export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly retry: boolean;
  readonly after_ms?: number;
  readonly reason?: Reason;
}

/** What a message of the server says, as a code with parameters. */
export interface Reason {
  readonly code: string;
  readonly args?: Readonly<Record<string, string>>;
  /** In English. */
  readonly text?: string;
}

/** pending: waits here; sending: on the socket, not answered; sent: stored, its message not yet in the timeline;
 *  failed: refused for good, the person decides. */
export type OutboxState = "pending" | "sending" | "sent" | "failed";

/** One message of this device that the timeline does not show as stored yet. */
export interface OutboxRow {
  readonly client_msg_id: ClientMsgID;
  readonly channel: ChannelID;
  readonly body: string;
  readonly reply_to?: Seq;
  readonly thread?: Seq;
  readonly mentions?: readonly UserID[];
  readonly mention_all?: boolean;
  /** Order of sending within the channel; greater is later. */
  readonly order: number;
  readonly made_at: Millis;
  readonly state: OutboxState;
  readonly problem?: Problem;
  /** Known once sent. */
  readonly seq?: Seq;
}
