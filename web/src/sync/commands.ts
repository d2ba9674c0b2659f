// What a person can do, named as they would say it. Views call these; main installs what does the work. Commands that
// return nothing return at once and show their outcome in the state; the others are rejected with Refused.
import type {
  ChannelID, ClientMsgID, Friend, Hook, HookID, Invite, InviteID, InvitePreview, Level, Login, LoginID, Millis, PresenceState, PresenceTo, PushDeviceID,
  PushSettings, Role, Seq, User, UserID,
} from "../model/types";
import type { AdminCommands } from "./admin";
import type { PushHere, PushView } from "./push";

export type { AdminCommands } from "./admin";
export type { PushHere, PushView } from "./push";

export interface Draft {
  readonly body: string;
  readonly reply_to?: Seq;
  readonly thread?: Seq;
  readonly mentions?: readonly UserID[];
  readonly mention_all?: boolean;
}

export interface SignupForm {
  readonly login_name: string;
  readonly password: string;
  readonly display_name: string;
  readonly lang?: string;
  readonly invite?: string;
}

export interface ProfileEdit {
  readonly display_name?: string;
  readonly status_line?: string;
  readonly avatar_color?: number;
  readonly lang?: string;
  readonly presence_to?: PresenceTo;
}

export interface Commands {
  // Account
  login(form: { login_name: string; password: string }): Promise<void>;
  signup(form: SignupForm): Promise<void>;
  /** Ends the login here and removes what this browser keeps of the account. */
  logout(): Promise<void>;
  changePassword(form: { old: string; new: string }): Promise<void>;
  editProfile(edit: ProfileEdit): Promise<void>;
  setAvatar(image: Blob | null): Promise<void>;
  listLogins(): Promise<readonly Login[]>;
  revokeLogin(id: LoginID): Promise<void>;
  revokeOtherLogins(): Promise<void>;

  // Conversation
  openChannel(id: ChannelID): void;
  closeChannel(): void;
  loadOlder(): void;
  loadNewer(): void;
  /** Opens the newest messages. */
  jumpToEnd(): void;
  /** Shows the message and points it out; `thread`: among the replies of the open thread. */
  jumpTo(seq: Seq, thread?: Seq): void;
  jumpToDate(at: Millis): void;
  openThread(root: Seq): void;
  closeThread(): void;
  loadOlderReplies(): void;
  sendMessage(channel: ChannelID, draft: Draft): void;
  retry(id: ClientMsgID): void;
  discard(id: ClientMsgID): void;
  retryAll(): void;
  editMessage(channel: ChannelID, seq: Seq, edit: { body: string; mentions?: readonly UserID[] }): Promise<void>;
  deleteMessage(channel: ChannelID, seq: Seq): Promise<void>;
  /** Puts the emoji on the message, or takes one's own away. */
  react(channel: ChannelID, seq: Seq, emoji: string): Promise<void>;
  /** The reader has seen everything up to seq. Ignored while the page is hidden. */
  markRead(channel: ChannelID, seq: Seq, thread?: Seq): void;
  sendTyping(channel: ChannelID, thread?: Seq): void;
  saveDraft(channel: ChannelID, text: string, thread?: Seq): void;

  // Channels
  startDirect(user: UserID): Promise<ChannelID>;
  createGroup(form: { name: string; members: readonly UserID[] }): Promise<ChannelID>;
  rename(channel: ChannelID, name: string): Promise<void>;
  setLimit(channel: ChannelID, limit: number): Promise<void>;
  addMembers(channel: ChannelID, users: readonly UserID[]): Promise<void>;
  removeMember(channel: ChannelID, user: UserID): Promise<void>;
  leave(channel: ChannelID): Promise<void>;
  setRole(channel: ChannelID, user: UserID, role: Role): Promise<void>;
  setPreference(channel: ChannelID, preference: { level?: Level; pinned?: boolean }): Promise<void>;
  refreshMembers(channel: ChannelID): void;
  listInvites(channel: ChannelID): Promise<readonly Invite[]>;
  /** The answer is the only one that holds the code. */
  createInvite(channel: ChannelID, form?: { max_uses?: number; expires_at?: Millis }): Promise<Invite>;
  revokeInvite(channel: ChannelID, id: InviteID): Promise<void>;
  previewInvite(code: string): Promise<InvitePreview>;
  joinInvite(code: string): Promise<ChannelID>;

  // People
  searchPeople(prefix: string): Promise<readonly User[]>;
  /** Makes sure the profiles are in state/people soon. */
  needPeople(users: readonly UserID[]): void;
  /** How people are at this moment of whom we are not told: neither friends nor in the open channel. It is not kept. */
  askPresence(users: readonly UserID[]): Promise<readonly PresenceState[]>;
  /** Asks to be friends, or accepts. */
  befriend(user: UserID): Promise<Friend>;
  unfriend(user: UserID): Promise<void>;
  block(user: UserID): Promise<void>;
  unblock(user: UserID): Promise<void>;
  createSignupInvite(): Promise<{ code: string; expires_at: Millis }>;

  // Notifications
  pushView(): Promise<PushView>;
  /** Asks for the permission: only to be called in the event of a click. */
  enablePush(): Promise<PushHere>;
  disablePush(): Promise<void>;
  savePush(settings: PushSettings): Promise<PushSettings>;
  removePushDevice(id: PushDeviceID): Promise<void>;
  testPushDevice(id: PushDeviceID): Promise<void>;
  /** The language that notifications of this browser speak. */
  speakPush(lang: string): void;

  // Programs
  listBots(): Promise<readonly User[]>;
  /** The answer is the only one that holds the token. */
  createBot(form: { login_name: string; display_name: string }): Promise<{ user: User; token: string }>;
  renameBot(id: UserID, name: string): Promise<User>;
  deleteBot(id: UserID): Promise<void>;
  renewBotToken(id: UserID): Promise<string>;
  /** Resolves to the secret that signs its calls. */
  setBotWebhook(id: UserID, url: string): Promise<string>;
  dropBotWebhook(id: UserID): Promise<void>;
  listHooks(channel: ChannelID): Promise<readonly Hook[]>;
  /** The answer is the only one that holds the URL. */
  createHook(channel: ChannelID, name: string): Promise<Hook>;
  deleteHook(channel: ChannelID, id: HookID): Promise<void>;

  /** What admins can do; its code is loaded when it is asked for. */
  admin(): Promise<AdminCommands>;

  // Connection
  /** Tries to connect now instead of waiting. */
  reconnect(): void;
}

let installed: Commands | null = null;

/** Called once by main (or by the fixture). */
export function installCommands(c: Commands): void {
  installed = c;
}

function c(): Commands {
  if (!installed) throw new Error("commands are not installed yet");
  return installed;
}

export const login: Commands["login"] = (form) => c().login(form);
export const signup: Commands["signup"] = (form) => c().signup(form);
export const logout: Commands["logout"] = () => c().logout();
export const changePassword: Commands["changePassword"] = (form) => c().changePassword(form);
export const editProfile: Commands["editProfile"] = (edit) => c().editProfile(edit);
export const setAvatar: Commands["setAvatar"] = (image) => c().setAvatar(image);
export const listLogins: Commands["listLogins"] = () => c().listLogins();
export const revokeLogin: Commands["revokeLogin"] = (id) => c().revokeLogin(id);
export const revokeOtherLogins: Commands["revokeOtherLogins"] = () => c().revokeOtherLogins();

export const openChannel: Commands["openChannel"] = (id) => c().openChannel(id);
export const closeChannel: Commands["closeChannel"] = () => c().closeChannel();
export const loadOlder: Commands["loadOlder"] = () => c().loadOlder();
export const loadNewer: Commands["loadNewer"] = () => c().loadNewer();
export const jumpToEnd: Commands["jumpToEnd"] = () => c().jumpToEnd();
export const jumpTo: Commands["jumpTo"] = (seq, thread) => c().jumpTo(seq, thread);
export const jumpToDate: Commands["jumpToDate"] = (at) => c().jumpToDate(at);
export const openThread: Commands["openThread"] = (root) => c().openThread(root);
export const closeThread: Commands["closeThread"] = () => c().closeThread();
export const loadOlderReplies: Commands["loadOlderReplies"] = () => c().loadOlderReplies();
export const sendMessage: Commands["sendMessage"] = (channel, draft) => c().sendMessage(channel, draft);
export const retry: Commands["retry"] = (id) => c().retry(id);
export const discard: Commands["discard"] = (id) => c().discard(id);
export const retryAll: Commands["retryAll"] = () => c().retryAll();
export const editMessage: Commands["editMessage"] = (channel, seq, edit) => c().editMessage(channel, seq, edit);
export const deleteMessage: Commands["deleteMessage"] = (channel, seq) => c().deleteMessage(channel, seq);
export const react: Commands["react"] = (channel, seq, emoji) => c().react(channel, seq, emoji);
export const markRead: Commands["markRead"] = (channel, seq, thread) => c().markRead(channel, seq, thread);
export const sendTyping: Commands["sendTyping"] = (channel, thread) => c().sendTyping(channel, thread);
export const saveDraft: Commands["saveDraft"] = (channel, text, thread) => c().saveDraft(channel, text, thread);

export const startDirect: Commands["startDirect"] = (user) => c().startDirect(user);
export const createGroup: Commands["createGroup"] = (form) => c().createGroup(form);
export const rename: Commands["rename"] = (channel, name) => c().rename(channel, name);
export const setLimit: Commands["setLimit"] = (channel, limit) => c().setLimit(channel, limit);
export const addMembers: Commands["addMembers"] = (channel, users) => c().addMembers(channel, users);
export const removeMember: Commands["removeMember"] = (channel, user) => c().removeMember(channel, user);
export const leave: Commands["leave"] = (channel) => c().leave(channel);
export const setRole: Commands["setRole"] = (channel, user, role) => c().setRole(channel, user, role);
export const setPreference: Commands["setPreference"] = (channel, preference) => c().setPreference(channel, preference);
export const refreshMembers: Commands["refreshMembers"] = (channel) => c().refreshMembers(channel);
export const listInvites: Commands["listInvites"] = (channel) => c().listInvites(channel);
export const createInvite: Commands["createInvite"] = (channel, form) => c().createInvite(channel, form);
export const revokeInvite: Commands["revokeInvite"] = (channel, id) => c().revokeInvite(channel, id);
export const previewInvite: Commands["previewInvite"] = (code) => c().previewInvite(code);
export const joinInvite: Commands["joinInvite"] = (code) => c().joinInvite(code);

export const searchPeople: Commands["searchPeople"] = (prefix) => c().searchPeople(prefix);
export const needPeople: Commands["needPeople"] = (users) => c().needPeople(users);
export const askPresence: Commands["askPresence"] = (users) => c().askPresence(users);
export const befriend: Commands["befriend"] = (user) => c().befriend(user);
export const unfriend: Commands["unfriend"] = (user) => c().unfriend(user);
export const block: Commands["block"] = (user) => c().block(user);
export const unblock: Commands["unblock"] = (user) => c().unblock(user);
export const createSignupInvite: Commands["createSignupInvite"] = () => c().createSignupInvite();

export const pushView: Commands["pushView"] = () => c().pushView();
export const enablePush: Commands["enablePush"] = () => c().enablePush();
export const disablePush: Commands["disablePush"] = () => c().disablePush();
export const savePush: Commands["savePush"] = (settings) => c().savePush(settings);
export const removePushDevice: Commands["removePushDevice"] = (id) => c().removePushDevice(id);
export const testPushDevice: Commands["testPushDevice"] = (id) => c().testPushDevice(id);
export const speakPush: Commands["speakPush"] = (lang) => c().speakPush(lang);

export const listBots: Commands["listBots"] = () => c().listBots();
export const createBot: Commands["createBot"] = (form) => c().createBot(form);
export const renameBot: Commands["renameBot"] = (id, name) => c().renameBot(id, name);
export const deleteBot: Commands["deleteBot"] = (id) => c().deleteBot(id);
export const renewBotToken: Commands["renewBotToken"] = (id) => c().renewBotToken(id);
export const setBotWebhook: Commands["setBotWebhook"] = (id, url) => c().setBotWebhook(id, url);
export const dropBotWebhook: Commands["dropBotWebhook"] = (id) => c().dropBotWebhook(id);
export const listHooks: Commands["listHooks"] = (channel) => c().listHooks(channel);
export const createHook: Commands["createHook"] = (channel, name) => c().createHook(channel, name);
export const deleteHook: Commands["deleteHook"] = (channel, id) => c().deleteHook(channel, id);

export const admin: Commands["admin"] = () => c().admin();

export const reconnect: Commands["reconnect"] = () => c().reconnect();
