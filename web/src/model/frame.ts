// Frames from the server, parsed by op. Fields this client does not know are let through, ops it does not know are null:
// a newer server may say more. A frame that lacks what it must have is an error.
import { array, boolean, idText, nullable, number, object, oneOf, opt, text, type Check } from "./check";
import type {
  Channel, ChannelID, ClientMsgID, Friend, Hook, InboxEntry, InboxPage, Invite, InvitePreview, Limits, Login, LoginID, Member,
  Message, Millis, Page, Pos, PresenceState, PushDevice, PushInfo, PushSettings, Self, Seq, ServerConfig, User, UserID,
} from "./types";

export interface Resumed {
  readonly op: "resumed";
  readonly me: Self;
  readonly login: LoginID;
  readonly session: string;
  readonly node: string;
  readonly pos: Pos;
  readonly entries: readonly InboxEntry[];
  readonly more: boolean;
  readonly friends: readonly Friend[];
  readonly people: readonly User[];
  readonly presence: readonly PresenceState[];
  readonly limits: Limits;
  readonly now: Millis;
  /** Another one since the account was restored from a backup; missing: 0. */
  readonly generation?: number;
}

export type ServerFrame =
  | Resumed
  | { readonly op: "ack"; readonly channel: ChannelID; readonly client_msg_id: ClientMsgID; readonly seq: Seq; readonly n: number;
      readonly thread_n?: number; readonly at: Millis; readonly dup?: boolean }
  | { readonly op: "nack"; readonly client_msg_id?: ClientMsgID; readonly ref?: string; readonly code: string; readonly message: string;
      readonly retry: boolean; readonly after_ms?: number }
  | { readonly op: "msg"; readonly message: Message }
  | { readonly op: "change"; readonly message: Message }
  | { readonly op: "inbox"; readonly pos: Pos; readonly entries: readonly InboxEntry[] }
  | { readonly op: "read"; readonly channel: ChannelID; readonly user: UserID; readonly seq: Seq; readonly thread?: Seq }
  | { readonly op: "typing"; readonly channel: ChannelID; readonly user: UserID; readonly thread?: Seq }
  | { readonly op: "presence"; readonly states: readonly PresenceState[] }
  | { readonly op: "user"; readonly user: User }
  | { readonly op: "friend"; readonly friend: Friend | { user: UserID; state: string; since: Millis }; readonly user: User }
  | { readonly op: "channel"; readonly channel: Channel }
  | { readonly op: "pong"; readonly now: Millis };

export type ClientFrame =
  | { readonly op: "resume"; readonly v: 1; readonly pos: Pos }
  | { readonly op: "send"; readonly channel: ChannelID; readonly client_msg_id: ClientMsgID; readonly body: string; readonly reply_to?: Seq;
      readonly thread?: Seq; readonly mentions?: readonly UserID[]; readonly mention_all?: boolean }
  | { readonly op: "read"; readonly channel: ChannelID; readonly seq: Seq; readonly thread?: Seq }
  | { readonly op: "typing"; readonly channel: ChannelID; readonly thread?: Seq }
  | { readonly op: "open"; readonly channel: ChannelID | "0" }
  | { readonly op: "ping"; readonly active: boolean }
  | { readonly op: "bye" };

const reaction = object({ emoji: text, users: array(idText) });
const replies = object({ n: number, last_seq: number, last_at: number });
const system = object({ event: text, actor: idText, users: opt(array(idText)), text: opt(text) });

const user = {
  id: idText, login_name: text, display_name: text, avatar_color: number, avatar_version: opt(number),
  status_line: opt(text), disabled: opt(boolean), bot: opt(boolean), last_active_at: opt(number),
};
const checkUser = object(user);
const checkSelf = object({ ...user, admin: boolean, lang: text, presence_to: opt(oneOf("everyone", "friends", "nobody")) });
const checkMessage = object({
  channel: idText, seq: number, n: number, thread_n: opt(number), sender: text, client_msg_id: text, kind: opt(number), body: text,
  at: number, orig_at: opt(number), reply_to: opt(number), thread: opt(number), mentions: opt(array(idText)), mention_all: opt(boolean),
  change: opt(number), edited_at: opt(number), deleted: opt(boolean), reactions: opt(array(reaction)), replies: opt(nullable(replies)),
  system: opt(nullable(system)),
});
const threadUnread = object({ root: number, unread: number, mentions: number });
const checkEntry = object({
  channel: idText, kind: number, peer: opt(idText), name: opt(text), member: boolean, pos: number, last_seq: number, last_n: number,
  last_change: number, last_at: number, last_sender: opt(text), preview: opt(text), preview_kind: opt(number), read_seq: number,
  read_n: number, mentions: number, threads: opt(array(threadUnread)), level: number, pinned: boolean,
});
const checkChannel = object({
  id: idText, kind: number, name: text, created_at: number, last_seq: number, last_n: number, last_change: number,
  member_count: number, member_limit: number, member_version: number, role: opt(number),
});
const checkMember = object({ user: idText, role: number, joined_at: number, read_seq: number });
const checkFriend = object({ user: idText, state: text, since: number });
const checkPresence = object({ user: idText, state: oneOf("online", "away", "offline"), last_active_at: opt(number) });
const checkLimits = object({ heartbeat_s: number, body_chars: number, body_bytes: number });
const checkLogin = object({ id: idText, device_name: text, created_at: number, last_used_at: number, current: boolean });
const checkInvite = object({
  id: idText, channel: idText, code: opt(text), created_by: idText, created_at: number, expires_at: opt(number), max_uses: opt(number), uses: number,
});
const checkPage = object({ messages: array(checkMessage), more_before: boolean, more_after: boolean, last_seq: number, last_change: number });
const checkPushSettings = object({ hide_body: boolean, quiet_from: number, quiet_to: number, zone: text });
const checkPushDevice = object({
  id: idText, kind: oneOf("webpush", "webhook"), name: opt(text), host: opt(text), current: opt(boolean), created_at: opt(number),
  last_ok_at: opt(number), failures: opt(number),
});
const checkHook = object({ id: idText, name: text, created_at: opt(number), url: opt(text) });
const checkInboxPage = object({ pos: number, entries: array(checkEntry), more: boolean, people: opt(array(checkUser)) });

const frames: Readonly<Record<ServerFrame["op"], Check>> = {
  resumed: object({
    me: checkSelf, login: idText, session: text, node: text, pos: number, entries: array(checkEntry), more: boolean,
    friends: array(checkFriend), people: array(checkUser), presence: array(checkPresence), limits: checkLimits, now: number,
  }),
  ack: object({ channel: idText, client_msg_id: text, seq: number, n: number, thread_n: opt(number), at: number, dup: opt(boolean) }),
  nack: object({ client_msg_id: opt(text), ref: opt(text), code: text, message: text, retry: boolean, after_ms: opt(number) }),
  msg: object({ message: checkMessage }),
  change: object({ message: checkMessage }),
  inbox: object({ pos: number, entries: array(checkEntry) }),
  read: object({ channel: idText, user: idText, seq: number, thread: opt(number) }),
  typing: object({ channel: idText, user: idText, thread: opt(number) }),
  presence: object({ states: array(checkPresence) }),
  user: object({ user: checkUser }),
  friend: object({ friend: checkFriend, user: checkUser }),
  channel: object({ channel: checkChannel }),
  pong: object({ now: number }),
};

/** The frame, or null for an op this client does not know. Throws BadShape if it is not what its op promises. */
export function parseFrame(data: string): ServerFrame | null {
  const x: unknown = JSON.parse(data);
  const op = object({ op: text })(x, "frame") as { op: string };
  const check = Object.hasOwn(frames, op.op) ? frames[op.op as ServerFrame["op"]] : undefined;
  return check ? (check(x, op.op) as ServerFrame) : null;
}

const typed = <T>(check: Check) => (x: unknown): T => check(x, "answer") as T;

/** Answers of the HTTP part. */
export const read = {
  user: typed<User>(checkUser),
  self: typed<Self>(checkSelf),
  message: typed<Message>(checkMessage),
  page: typed<Page>(checkPage),
  inboxPage: typed<InboxPage>(checkInboxPage),
  entry: typed<InboxEntry>(checkEntry),
  channel: typed<Channel>(checkChannel),
  members: typed<{ members: readonly Member[]; users: readonly User[] }>(object({ members: array(checkMember), users: array(checkUser) })),
  users: typed<{ users: readonly User[] }>(object({ users: array(checkUser) })),
  friends: typed<{ friends: readonly Friend[]; users: readonly User[] }>(object({ friends: array(checkFriend), users: array(checkUser) })),
  friend: typed<{ friend: Friend }>(object({ friend: checkFriend })),
  states: typed<{ states: readonly PresenceState[] }>(object({ states: array(checkPresence) })),
  logins: typed<{ logins: readonly Login[] }>(object({ logins: array(checkLogin) })),
  invite: typed<Invite>(checkInvite),
  invites: typed<{ invites: readonly Invite[] }>(object({ invites: array(checkInvite) })),
  preview: typed<InvitePreview>(object({ channel: idText, name: text, member_count: number })),
  entered: typed<{ me: Self; login: LoginID | Login }>(object({ me: checkSelf })),
  discover: typed<{ node: string; ws: string }>(object({ node: text, ws: text })),
  push: typed<PushInfo>(object({ vapid_key: text, settings: checkPushSettings, devices: array(checkPushDevice) })),
  pushSettings: typed<PushSettings>(checkPushSettings),
  pushDevice: typed<PushDevice>(checkPushDevice),
  bot: typed<{ user: User; token: string }>(object({ user: checkUser, token: text })),
  bots: typed<{ bots: readonly User[] }>(object({ bots: array(checkUser) })),
  token: typed<{ token: string }>(object({ token: text })),
  secret: typed<{ secret: string }>(object({ secret: text })),
  hook: typed<Hook>(checkHook),
  hooks: typed<{ hooks: readonly Hook[] }>(object({ hooks: array(checkHook) })),
  avatar: typed<{ avatar_version: number }>(object({ avatar_version: number })),
  code: typed<{ code: string; expires_at: Millis }>(object({ code: text, expires_at: number })),
  config: typed<ServerConfig>(
    object({ signup: oneOf("open", "invite"), founded: opt(boolean), name: text, version: text }),
  ),
};
