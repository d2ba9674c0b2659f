// Each call of the HTTP part as a function.
import { read } from "../model/frame";
import type {
  ChannelID, ClientMsgID, HookID, InviteID, Level, LoginID, Millis, PushDeviceID, PushSettings, Role, Seq, UserID,
} from "../model/types";
import { nothing, type Http } from "./http";

export interface PageQuery {
  readonly after?: Seq;
  readonly before?: Seq;
  readonly around?: Seq;
  readonly date?: Millis;
  readonly thread?: Seq;
  readonly limit?: number;
}

const enc = encodeURIComponent;

export function makeApi(http: Http) {
  const ch = (id: ChannelID) => `/channels/${id}`;
  return {
    config: () => http("/config", read.config),
    discover: () => http("/discover", read.discover, { timeoutMs: 15_000 }),
    login: (body: { login_name: string; password: string; device_name: string }) => http("/login", read.entered, { method: "POST", body }),
    signup: (body: { login_name: string; password: string; display_name: string; lang?: string; invite?: string; device_name: string }) =>
      http("/signup", read.entered, { method: "POST", body }),
    logout: () => http("/logout", nothing, { method: "POST", body: {} }),
    password: (body: { old: string; new: string }) => http("/password", nothing, { method: "POST", body }),
    me: () => http("/me", read.self),
    editMe: (body: object) => http("/me", read.self, { method: "PATCH", body }),
    setAvatar: (blob: Blob) => http("/me/avatar", read.avatar, { method: "PUT", blob, timeoutMs: 60_000 }),
    dropAvatar: () => http("/me/avatar", () => undefined, { method: "DELETE" }),
    logins: () => http("/logins", read.logins),
    revokeLogin: (id: LoginID) => http(`/logins/${id}`, nothing, { method: "DELETE" }),
    revokeOthers: () => http("/logins/revoke_others", nothing, { method: "POST", body: {} }),

    findUsers: (find: string) => http("/users", read.users, { query: { find } }),
    usersByID: (ids: readonly UserID[]) => http("/users", read.users, { query: { ids: ids.join(",") } }),
    friends: () => http("/friends", read.friends),
    befriend: (user: UserID) => http(`/friends/${user}`, read.friend, { method: "PUT", body: {} }),
    unfriend: (user: UserID) => http(`/friends/${user}`, nothing, { method: "DELETE" }),
    block: (user: UserID) => http(`/blocks/${user}`, nothing, { method: "PUT", body: {} }),
    unblock: (user: UserID) => http(`/blocks/${user}`, nothing, { method: "DELETE" }),
    presence: (users: readonly UserID[]) => http("/presence", read.states, { method: "POST", body: { users } }),
    signupInvite: () => http("/admin/signup_invites", read.code, { method: "POST", body: {} }),

    inbox: (after: number) => http("/inbox", read.inboxPage, { query: { after, limit: 500 } }),
    direct: (user: UserID) => http("/direct", read.channel, { method: "POST", body: { user } }),
    createGroup: (body: { key: ClientMsgID; name: string; members: readonly UserID[] }) => http("/channels", read.channel, { method: "POST", body }),
    channel: (id: ChannelID) => http(ch(id), read.channel),
    editChannel: (id: ChannelID, body: { name?: string; limit?: number }) => http(ch(id), read.channel, { method: "PATCH", body }),
    members: (id: ChannelID) => http(`${ch(id)}/members`, read.members),
    addMembers: (id: ChannelID, users: readonly UserID[]) => http(`${ch(id)}/members`, read.channel, { method: "POST", body: { users } }),
    setRole: (id: ChannelID, user: UserID, role: Role) => http(`${ch(id)}/members/${user}`, read.channel, { method: "PATCH", body: { role } }),
    removeMember: (id: ChannelID, user: UserID) => http(`${ch(id)}/members/${user}`, nothing, { method: "DELETE" }),
    setPreference: (id: ChannelID, body: { level?: Level; pinned?: boolean }) => http(`${ch(id)}/preference`, read.entry, { method: "PATCH", body }),
    invites: (id: ChannelID) => http(`${ch(id)}/invites`, read.invites),
    createInvite: (id: ChannelID, body: { max_uses?: number; expires_at?: Millis }) => http(`${ch(id)}/invites`, read.invite, { method: "POST", body }),
    revokeInvite: (id: ChannelID, invite: InviteID) => http(`${ch(id)}/invites/${invite}`, nothing, { method: "DELETE" }),
    previewInvite: (code: string) => http(`/invites/${enc(code)}`, read.preview),
    joinInvite: (code: string) => http(`/invites/${enc(code)}`, read.channel, { method: "POST", body: {} }),

    push: () => http("/push", read.push),
    setPush: (settings: PushSettings) => http("/push/settings", read.pushSettings, { method: "PUT", body: settings }),
    addPushDevice: (body: { kind: "webpush"; endpoint: string; p256dh: string; auth: string; name: string }) =>
      http("/push/devices", read.pushDevice, { method: "POST", body }),
    dropPushDevice: (id: PushDeviceID) => http(`/push/devices/${id}`, nothing, { method: "DELETE" }),
    testPushDevice: (id: PushDeviceID) => http(`/push/devices/${id}/test`, nothing, { method: "POST", body: {} }),

    bots: () => http("/bots", read.bots),
    createBot: (body: { login_name: string; display_name: string }) => http("/bots", read.bot, { method: "POST", body }),
    renameBot: (id: UserID, display_name: string) => http(`/bots/${id}`, read.user, { method: "PATCH", body: { display_name } }),
    deleteBot: (id: UserID) => http(`/bots/${id}`, nothing, { method: "DELETE" }),
    renewBotToken: (id: UserID) => http(`/bots/${id}/token`, read.token, { method: "POST", body: {} }),
    setBotWebhook: (id: UserID, url: string) => http(`/bots/${id}/webhook`, read.secret, { method: "PUT", body: { url } }),
    dropBotWebhook: (id: UserID) => http(`/bots/${id}/webhook`, nothing, { method: "DELETE" }),
    hooks: (id: ChannelID) => http(`${ch(id)}/hooks`, read.hooks),
    createHook: (id: ChannelID, name: string) => http(`${ch(id)}/hooks`, read.hook, { method: "POST", body: { name } }),
    deleteHook: (id: ChannelID, hook: HookID) => http(`${ch(id)}/hooks/${hook}`, nothing, { method: "DELETE" }),

    messages: (id: ChannelID, query: PageQuery, signal?: AbortSignal) =>
      http(`${ch(id)}/messages`, read.page, { query: { ...query }, ...(signal ? { signal } : {}) }),
    changes: (id: ChannelID, after: number, upTo: Seq, limit: number) =>
      http(`${ch(id)}/changes`, read.page, { query: { after, up_to: upTo, limit } }),
    edit: (id: ChannelID, seq: Seq, body: { body: string; mentions?: readonly UserID[] }) =>
      http(`${ch(id)}/messages/${seq}`, read.message, { method: "PATCH", body }),
    delete: (id: ChannelID, seq: Seq) => http(`${ch(id)}/messages/${seq}`, read.message, { method: "DELETE" }),
    react: (id: ChannelID, seq: Seq, emoji: string) => http(`${ch(id)}/messages/${seq}/reactions/${enc(emoji)}`, read.message, { method: "PUT", body: {} }),
    unreact: (id: ChannelID, seq: Seq, emoji: string) => http(`${ch(id)}/messages/${seq}/reactions/${enc(emoji)}`, read.message, { method: "DELETE" }),
  };
}

export type Api = ReturnType<typeof makeApi>;
