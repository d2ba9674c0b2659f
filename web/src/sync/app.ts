// The whole of sync: who is logged in on this device, and the commands that views call.
import { deleteKeeper, openKeeper } from "../db/open";
import { Refused } from "../model/problem";
import type { ChannelID, OutboxRow, Self, UserID } from "../model/types";
import { asUserID } from "../model/types";
import { uuidv7 } from "../model/uuid";
import { makeApi, type Api } from "../net/api";
import type { Clock } from "../net/clock";
import { makeHttp, type Http } from "../net/http";
import type { PushDoor } from "../net/push";
import type { Dial } from "../net/socket";
import { draftKey } from "../state/channels";
import { writeAlerts } from "../state/alerts";
import { writeMe, type AuthEnd } from "../state/me";
import { writeTimeline } from "../state/timeline";
import type { OpenBus } from "./bus";
import type { Commands, Draft } from "./commands";
import type { Page } from "./core";
import type { Elect } from "./leader";
import { enqueue } from "./outbox";
import { PushDevice } from "./push";
import { Session } from "./session";
import { clearTimeline, showNobody } from "./show";

/** Remembers which account's data this browser shows at the next start. */
export interface Memory {
  get(): string | null;
  set(account: string | null): void;
}

export interface AppParts {
  readonly clock: Clock;
  readonly page: Page;
  readonly fetcher: typeof fetch;
  readonly dial: Dial;
  readonly openBus: OpenBus;
  readonly elect: Elect;
  readonly memory: Memory;
  readonly deviceName: string;
  readonly push: PushDoor;
  /** The page must load anew: a newer version of it has changed the database. */
  readonly reload: () => void;
}

/** How long logging out waits for the browser to give up its push address. */
const FORGET_MS = 3_000;

export class App {
  private readonly p: AppParts;
  private readonly http: Http;
  private readonly api: Api;
  private readonly push: PushDevice;
  private session: Session | null = null;
  private lastOrder = 0;
  private leaving = false;

  constructor(p: AppParts) {
    this.p = p;
    this.http = makeHttp(p.fetcher, () => void this.ended("revoked", false));
    this.api = makeApi(this.http);
    this.push = new PushDevice(this.api, p.push, p.deviceName);
    p.push.heard((m) => {
      if (m.t === "tested") writeAlerts.lastTest.value = p.clock.now();
    });
  }

  /** Shows what this device knows; returns when the first paint may happen. */
  async start(): Promise<void> {
    void this.loadConfig();
    const account = this.p.memory.get();
    if (account && /^[0-9]+$/.test(account)) await this.enter(asUserID(account), null);
    else writeMe.auth.value = "out";
  }

  /** Another tab has logged in. */
  async accountChanged(account: string | null): Promise<void> {
    if (account && !this.session && /^[0-9]+$/.test(account)) await this.enter(asUserID(account), null);
  }

  visibilityChanged(): void {
    if (!this.session) return;
    this.session.presence.here();
    if (this.p.page.visible()) this.session.nudge();
    else this.session.reads.flush();
  }

  online(): void {
    this.session?.nudge();
  }

  offline(): void {
    this.session?.wentOffline();
  }

  closing(): void {
    this.session?.reads.flush();
    this.session?.presence.gone();
  }

  commands(): Commands {
    const s = () => this.need();
    const core = () => this.need().core;
    return {
      login: async (form) => this.entered(await this.api.login({ ...form, device_name: this.p.deviceName })),
      signup: async (form) => this.entered(await this.api.signup({ ...form, device_name: this.p.deviceName })),
      logout: () => this.logout(),
      changePassword: (form) => this.api.password(form),
      editProfile: async (edit) => void (await core().commit({ me: await this.api.editMe(edit) })),
      setAvatar: (image) => this.setAvatar(image),
      listLogins: async () => (await this.api.logins()).logins,
      revokeLogin: (id) => this.api.revokeLogin(id),
      revokeOtherLogins: () => this.api.revokeOthers(),

      openChannel: (id) => this.openChannel(id),
      closeChannel: () => {
        this.session?.history.close();
        this.session?.threads.close();
        clearTimeline();
        this.session?.presence.show(null);
      },
      loadOlder: () => void s().history.older(),
      loadNewer: () => void s().history.newer(),
      jumpToEnd: () => void s().history.toEnd(),
      jumpTo: (seq, thread) => void (thread ? s().threads.toSeq(seq) : s().history.toSeq(seq)),
      jumpToDate: (at) => void s().history.toDate(at),
      openThread: (root) => void s().threads.open(root),
      closeThread: () => s().threads.close(),
      loadOlderReplies: () => void s().threads.older(),
      sendMessage: (channel, draft) => this.sendMessage(channel, draft),
      retry: (id) => this.retry((r) => r.client_msg_id === id),
      retryAll: () => {
        this.retry(() => true);
        this.session?.nudge();
      },
      discard: (id) => void core().commit({ outboxDrop: [id] }),
      editMessage: (channel, seq, edit) => s().channels.altered(this.api.edit(channel, seq, { ...edit, body: edit.body.normalize("NFC") })),
      deleteMessage: (channel, seq) => s().channels.altered(this.api.delete(channel, seq)),
      react: (channel, seq, emoji) => s().channels.react(channel, seq, emoji),
      markRead: (channel, seq, thread) => this.session?.reads.mark(channel, seq, thread ?? 0),
      sendTyping: (channel, thread) => this.session?.presence.typing(channel, thread ?? 0),
      saveDraft: (channel, text, thread) => void core().commit({ drafts: [{ key: draftKey(channel, thread), text }] }),

      startDirect: (user) => s().channels.direct(user),
      createGroup: (form) => s().channels.group(form),
      rename: (channel, name) => s().channels.edit(channel, { name }),
      setLimit: (channel, limit) => s().channels.edit(channel, { limit }),
      addMembers: (channel, users) => s().channels.add(channel, users),
      removeMember: (channel, user) => s().channels.remove(channel, user),
      leave: (channel) => s().channels.remove(channel, core().self),
      setRole: (channel, user, role) => s().channels.role(channel, user, role),
      setPreference: (channel, preference) => s().channels.preference(channel, preference),
      refreshMembers: (channel) => void s().channels.refresh(channel),
      listInvites: async (channel) => (await this.api.invites(channel)).invites,
      createInvite: (channel, form) => this.api.createInvite(channel, form ?? {}),
      revokeInvite: (channel, id) => this.api.revokeInvite(channel, id),
      previewInvite: (code) => this.api.previewInvite(code),
      joinInvite: (code) => s().channels.join(code),

      searchPeople: async (prefix) => {
        const { users } = await this.api.findUsers(prefix);
        await core().commit({ people: users });
        return users;
      },
      needPeople: (users) => this.session?.people.need(users),
      askPresence: async (users) => (await this.api.presence(users)).states,
      befriend: (user) => s().channels.befriend(user),
      unfriend: (user) => s().channels.unfriend(user),
      block: (user) => s().channels.block(user),
      unblock: (user) => s().channels.unblock(user),
      createSignupInvite: () => this.api.signupInvite(),
      reconnect: () => this.session?.nudge(),
      ...this.pushCommands(),
      ...this.programCommands(),
    };
  }

  private pushCommands() {
    return {
      pushView: () => this.push.view(),
      enablePush: () => this.push.enable(),
      disablePush: () => this.push.disable(),
      savePush: (settings) => this.push.save(settings),
      removePushDevice: (id) => this.push.remove(id),
      testPushDevice: (id) => this.api.testPushDevice(id),
      speakPush: (lang) => this.push.speak(lang),
    } satisfies Partial<Commands>;
  }

  private programCommands() {
    return {
      listBots: async () => (await this.api.bots()).bots,
      createBot: (form) => this.api.createBot(form),
      renameBot: (id, name) => this.api.renameBot(id, name),
      deleteBot: (id) => this.api.deleteBot(id),
      renewBotToken: async (id) => (await this.api.renewBotToken(id)).token,
      setBotWebhook: async (id, url) => (await this.api.setBotWebhook(id, url)).secret,
      dropBotWebhook: (id) => this.api.dropBotWebhook(id),
      listHooks: async (channel) => (await this.api.hooks(channel)).hooks,
      createHook: (channel, name) => this.api.createHook(channel, name),
      deleteHook: (channel, id) => this.api.deleteHook(channel, id),

      admin: async () => (await import("./admin")).makeAdmin(this.http),
    } satisfies Partial<Commands>;
  }

  private need(): Session {
    if (!this.session) throw new Refused({ code: "unauthenticated", message: "nobody is logged in", retry: false });
    return this.session;
  }

  private async loadConfig(): Promise<void> {
    for (let wait = 1_000; ; wait = Math.min(wait * 2, 30_000)) {
      try {
        writeMe.server.value = await this.api.config();
        return;
      } catch {
        await new Promise<void>((resolve) => void this.p.clock.after(wait, resolve));
      }
    }
  }

  private async entered(a: { me: Self }): Promise<void> {
    const server = writeMe.server.value;
    if (server?.founded === false) writeMe.server.value = { ...server, founded: true };
    this.p.memory.set(a.me.id);
    await this.enter(a.me.id, a.me);
  }

  private async enter(self: UserID, fresh: Self | null): Promise<void> {
    const { clock, page, dial, openBus, elect } = this.p;
    const keeper = await openKeeper(self, () => this.p.reload());
    if (this.session) return keeper.close(); // another tab's news came twice
    const session = new Session({
      self, keeper, api: this.api, clock, page, dial, openBus, elect, push: this.p.push, ended: (why, told) => void this.ended(why, told),
      reload: () => this.p.reload(),
    });
    this.session = session;
    if (fresh) await session.core.commit({ me: fresh });
    await session.start();
    writeMe.ended.value = null;
    writeMe.auth.value = "in";
    void this.push.refresh().catch(() => {}); // tried again at the next start
  }

  private async logout(): Promise<void> {
    if (!this.session || this.leaving) return;
    this.leaving = true; // the server closes the socket as revoked before it answers
    try {
      await this.api.logout().catch((err: unknown) => {
        // A login that is gone already is as good as ended; offline it would go on living, so that is told.
        if (err instanceof Refused && err.problem.retry) throw err;
      });
      this.leaving = false;
      await this.ended("logout", false);
    } finally {
      this.leaving = false;
    }
  }

  /** The login is gone. What the device kept of the account goes too; words not sent stay for the next login unless the
   *  person logged out. */
  private async ended(why: "logout" | AuthEnd, told: boolean): Promise<void> {
    const session = this.session;
    if (!session || (this.leaving && !told)) return;
    this.session = null;
    if (!told) session.tellOthers(why === "outdated" ? "revoked" : why);
    this.p.memory.set(null);
    await session.stop(false, why !== "logout");
    if (!told) await Promise.race([this.push.forget(), new Promise<void>((done) => void this.p.clock.after(FORGET_MS, done))]);
    if (why === "logout" && !told) await deleteKeeper(session.core.self);
    showNobody();
    writeMe.ended.value = why === "logout" ? null : why;
    writeMe.auth.value = "out";
  }

  private async setAvatar(image: Blob | null): Promise<void> {
    if (image) await this.api.setAvatar(image);
    else await this.api.dropAvatar();
    await this.need().core.commit({ me: await this.api.me() });
  }

  private openChannel(id: ChannelID): void {
    const s = this.need();
    s.threads.close();
    s.presence.show(id);
    void s.history.open(id);
    void s.channels.refresh(id);
  }

  private sendMessage(channel: ChannelID, draft: Draft): void {
    const s = this.need();
    // Later than anything made here before, also when the device's clock has been set back.
    this.lastOrder = Math.max(this.p.clock.now(), this.lastOrder + 1, greatestOrder() + 1);
    s.presence.sent();
    void enqueue(s.core, channel, draft, this.lastOrder);
    if (!draft.thread && writeTimeline.current.value?.moreAfter && writeTimeline.openID.value === channel) void s.history.toEnd();
  }

  /** Refused rows go to the end of their channel's queue. */
  private retry(which: (r: OutboxRow) => boolean): void {
    const s = this.need();
    const rows = [...writeTimeline.outboxMap.value.values()].filter((r) => r.state === "failed" && which(r)).sort((a, b) => a.order - b.order);
    const again: OutboxRow[] = [];
    const drop: OutboxRow["client_msg_id"][] = [];
    for (const { problem, ...r } of rows) {
      this.lastOrder = Math.max(this.p.clock.now(), this.lastOrder + 1, greatestOrder() + 1);
      const reused = problem?.code === "client_msg_id_reused";
      if (reused) drop.push(r.client_msg_id);
      const id = reused ? uuidv7(this.p.clock.now(), (b) => this.p.page.fillRandom(b)) : r.client_msg_id;
      again.push({ ...r, client_msg_id: id, order: this.lastOrder, state: "pending" });
    }
    if (again.length > 0) void s.core.commit({ outboxPut: again, outboxDrop: drop });
  }
}

function greatestOrder(): number {
  let max = 0;
  for (const r of writeTimeline.outboxMap.value.values()) max = Math.max(max, r.order);
  return max;
}
