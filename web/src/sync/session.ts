// One account on this device, from log-in to log-out: its db, its tabs, its socket.
import { loadOutbox, loadPos, loadSnapshot, outOfDate, trimAll, wipeButUnsent } from "../db/load";
import type { Keeper } from "../db/kv";
import type { Resumed, ServerFrame } from "../model/frame";
import { problemOf } from "../model/problem";
import type { Effect } from "../model/patch";
import type { UserID } from "../model/types";
import type { Api } from "../net/api";
import type { Clock } from "../net/clock";
import { Socket, type Dial, type Status } from "../net/socket";
import { limits, writeMe } from "../state/me";
import { writeLink, type Link } from "../state/link";
import { writePeople } from "../state/people";
import type { PushDoor } from "../net/push";
import { Alerts } from "./alerts";
import { Intake, resumedPatch, forgotten } from "./apply";
import type { Bus, BusMessage, OpenBus } from "./bus";
import { Channels } from "./channels";
import { Core, type Page } from "./core";
import { Gaps } from "./gaps";
import { History } from "./history";
import type { Elect, Election } from "./leader";
import { Outbox } from "./outbox";
import { People } from "./people";
import { Presence } from "./presence";
import { Reads } from "./reads";
import { showSnapshot } from "./show";
import { Threads } from "./threads";

/** Messages kept of all channels together, and of each one that gives way. */
const KEEP_ALL = 60_000;
const KEEP_OLD = 100;

export interface SessionParts {
  readonly self: UserID;
  readonly keeper: Keeper;
  readonly api: Api;
  readonly clock: Clock;
  readonly page: Page;
  readonly dial: Dial;
  readonly openBus: OpenBus;
  readonly elect: Elect;
  /** Notifications of this browser; null where there are none. */
  readonly push: PushDoor | null;
  /** The login is gone; `told` says that another tab found out. */
  readonly ended: (why: "logout" | "revoked" | "disabled", told: boolean) => void;
  /** What this page shows is void: load it anew. */
  readonly reload: () => void;
}

export class Session {
  readonly core: Core;
  readonly history: History;
  readonly threads: Threads;
  readonly people: People;
  readonly reads: Reads;
  readonly presence: Presence;
  readonly channels: Channels;
  private readonly alerts: Alerts;
  private readonly gaps: Gaps;
  private readonly outbox: Outbox;
  private readonly intake: Intake;
  private readonly socket: Socket;
  private readonly p: SessionParts;
  private readonly bus: Bus;
  private election: Election | null = null;
  private wasLive = false;

  constructor(p: SessionParts) {
    this.p = p;
    this.bus = p.openBus(p.self);
    this.core = new Core({ self: p.self, keeper: p.keeper, api: p.api, clock: p.clock, page: p.page, bus: this.bus });
    this.people = new People(this.core);
    this.gaps = new Gaps(this.core);
    this.history = new History(this.core, this.gaps, this.people);
    this.threads = new Threads(this.core, this.history, this.people);
    this.reads = new Reads(this.core);
    this.presence = new Presence(this.core, `${p.clock.now()}-${p.clock.random()}`);
    this.channels = new Channels(this.core, this.people);
    this.alerts = new Alerts(this.core, this.presence, p.push);
    this.intake = new Intake(this.core, (frames) => this.after(frames));
    this.outbox = new Outbox({
      clock: p.clock,
      send: (f) => this.core.sender?.(f) ?? false,
      save: (row) => this.core.commit({ outboxPut: [row] }).catch(() => {}),
      show: (row) => this.core.flash({ outboxPut: [row] }),
      stuck: () => this.socket.restart(),
    });
    this.socket = new Socket({
      clock: p.clock, dial: p.dial, discover: () => p.api.discover(), online: () => p.page.online(),
      events: {
        status: (s) => this.status(s),
        pos: () => loadPos(this.core.keeper),
        frame: (f) => this.frame(f),
        ended: (why) => p.ended(why, false),
        active: () => this.presence.active(),
      },
    });
    this.presence.whenActiveChanges(() => this.socket.activeChanged());
    this.core.onEffect((e, own) => this.noticed(e, own));
    this.bus.listen((m) => void this.heard(m));
  }

  /** Paints what the db knows, then joins the other tabs; the one that leads connects. */
  async start(): Promise<void> {
    showSnapshot(await loadSnapshot(this.core.keeper));
    if (!this.core.keeper.lasting) {
      this.lead(); // other tabs do not see this one's data
      return;
    }
    this.bus.send({ t: "hello" });
    this.election = this.p.elect(this.p.self, () => this.lead());
  }

  /** Ends everything of the account in this tab. */
  /** With `forget` nothing of the account stays on the device but the person's own unsent words. */
  async stop(bye: boolean, forget = false): Promise<void> {
    this.presence.gone();
    this.socket.stop(bye);
    this.outbox.stop();
    this.gaps.stop();
    this.people.stop();
    this.reads.stop();
    this.presence.stop();
    this.alerts.stop();
    this.history.close();
    const closed = this.core.close(forget);
    this.election?.stop();
    writeLink.lead.value = false;
    await closed;
  }

  /** Another tab, or the person, wants a connection now. */
  nudge(): void {
    if (this.core.sender) this.socket.nudge();
    else this.bus.send({ t: "nudge" });
  }

  wentOffline(): void {
    if (this.core.sender) this.socket.lost();
  }

  tellOthers(why: "logout" | "revoked" | "disabled"): void {
    this.bus.send({ t: "left", why });
  }

  private lead(): void {
    if (this.core.closed) return;
    this.core.sender = (f) => this.socket.send(f);
    writeLink.lead.value = true;
    this.socket.start();
    void this.takeOver();
  }

  private async takeOver(): Promise<void> {
    this.outbox.load(await loadOutbox(this.core.keeper));
    await trimAll(this.core.keeper, KEEP_ALL, KEEP_OLD).catch(() => {});
  }

  private status(s: Status): void {
    const link: Link = {
      state: s.phase, since: this.p.clock.now(),
      ...(s.retryAt !== undefined ? { retryAt: s.retryAt } : {}), ...(s.reason !== undefined ? { reason: s.reason } : {}),
    };
    if (s.phase !== "live" && s.phase !== "catching-up") this.outbox.pause();
    if (s.phase === "live") writeLink.notLive.value = 0;
    else if (writeLink.notLive.value === 0) writeLink.notLive.value = this.p.clock.now();
    writeLink.current.value = link;
    this.tellLink();
    if (s.phase === "live" && !this.wasLive) void this.onLive();
    this.wasLive = s.phase === "live";
  }

  private tellLink(): void {
    const presence = [...writePeople.presenceMap.value.values()];
    this.bus.send({ t: "link", link: writeLink.current.value, notLive: writeLink.notLive.value, presence });
  }

  private frame(f: ServerFrame): void {
    if (f.op === "resumed") void this.catchUp(f);
    else if (f.op === "nack") this.outbox.nack(f);
    else if (f.op === "pong") writeMe.skew.value = f.now - this.p.clock.now();
    else this.intake.take(f);
  }

  /** Takes in the answer to resume and the pages of the inbox that did not fit into it. */
  private async catchUp(f: Resumed): Promise<void> {
    writeMe.skew.value = f.now - this.p.clock.now();
    if (f.more) this.intake.holdPos();
    try {
      if (await outOfDate(this.core.keeper, f.generation ?? 0)) return await this.startAnew();
      await this.core.commit(resumedPatch(f));
      let after = f.entries[f.entries.length - 1]?.pos ?? f.pos;
      for (let more = f.more; more; ) {
        const page = await this.core.api.inbox(after);
        const forget = forgotten(page.entries);
        await this.core.commit({ entries: page.entries, people: page.people ?? [], ...(page.more ? {} : { pos: page.pos }), ...(forget.length > 0 ? { forget } : {}) });
        more = page.more && page.entries.length > 0;
        after = page.entries[page.entries.length - 1]?.pos ?? after;
      }
      await this.intake.releasePos();
      this.socket.caughtUp(limits.value.heartbeat_s);
    } catch (err) {
      if (this.core.closed) return;
      console.error("catching up failed", problemOf(err));
      this.socket.restart();
    }
  }

  /** The server was restored from a backup, and numbers messages anew from an earlier state on. Everything kept here goes but
   *  the person's own unsent words; frames that come meanwhile are of the connection that ends here. */
  private async startAnew(): Promise<void> {
    this.socket.stop(false);
    this.gaps.stop();
    await this.intake.settled();
    await wipeButUnsent(this.core.keeper);
    this.bus.send({ t: "restored" });
    this.p.reload();
  }

  private async onLive(): Promise<void> {
    this.presence.resume();
    this.outbox.resume();
    await this.reads.resend().catch(() => {});
    await this.refresh();
  }

  /** After a time away: what the open views show is brought up to date. */
  private async refresh(): Promise<void> {
    await this.history.refresh();
    await this.threads.refresh();
    this.channels.refreshOpen();
  }

  /** Frames are committed. */
  private after(frames: readonly ServerFrame[]): void {
    for (const f of frames) if (f.op === "channel") this.channels.changed(f.channel);
    this.alerts.heard(frames);
  }

  private noticed(e: Effect, _own: boolean): void {
    if (this.core.sender) {
      this.outbox.noticed(e);
      this.gaps.noticed(e);
      this.reads.noticed(e);
      this.alerts.noticed(e);
      this.people.need(e.entries.flatMap((x) => [x.peer, x.last_sender].filter((u): u is UserID => u !== undefined)));
    }
    this.history.noticed(e);
  }

  private async heard(m: BusMessage): Promise<void> {
    if (this.core.closed) return;
    switch (m.t) {
      case "effect": await this.core.heard(m.effect); break;
      case "socket": this.core.sender?.(m.frame); break;
      case "here": case "gone": this.presence.heard(m); break;
      case "nudge": if (this.core.sender) this.socket.nudge(); break;
      case "hello": if (this.core.sender) this.tellLink(); break;
      case "left": this.p.ended(m.why, true); break;
      case "restored": this.p.reload(); break;
      case "link": this.followLink(m); break;
    }
  }

  /** What the leading tab says of the connection. */
  private followLink(m: Extract<BusMessage, { t: "link" }>): void {
    if (this.core.sender) return;
    const came = m.link.state === "live" && writeLink.current.value.state !== "live";
    writeLink.current.value = m.link;
    writeLink.notLive.value = m.notLive;
    writePeople.presenceMap.value = new Map(m.presence.map((p) => [p.user, p]));
    if (came) void this.refresh();
  }
}
