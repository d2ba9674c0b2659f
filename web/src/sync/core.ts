// What all parts of one account's sync share: commit, then show, then tell the other tabs.
import { commit } from "../db/commit";
import { loadCursors, loadSnapshot, wipeButUnsent } from "../db/load";
import { openMemory } from "../db/memory";
import type { Keeper } from "../db/kv";
import type { ClientFrame } from "../model/frame";
import type { Effect, Patch } from "../model/patch";
import type { UserID } from "../model/types";
import type { Api } from "../net/api";
import type { Clock } from "../net/clock";
import { writeLink } from "../state/link";
import type { Bus } from "./bus";
import { showEffect } from "./show";

/** What a page knows of itself, injected. */
export interface Page {
  visible(): boolean;
  online(): boolean;
  /** Whether the person has touched something lately. */
  active(): boolean;
  fillRandom(bytes: Uint8Array): void;
}

export interface CoreParts {
  readonly self: UserID;
  readonly keeper: Keeper;
  readonly api: Api;
  readonly clock: Clock;
  readonly page: Page;
  readonly bus: Bus;
}

const NOTHING: Effect = {
  entries: [], messages: [], cursors: [], gaps: [], channels: [], marks: [], outboxPut: [], outboxDrop: [], reads: [], readsDrop: [],
};

export class Core {
  readonly self: UserID;
  readonly api: Api;
  readonly clock: Clock;
  readonly page: Page;
  readonly bus: Bus;
  keeper: Keeper;
  closed = false;
  /** Set by the tab that leads; sends a frame if the socket takes it. */
  sender: ((f: ClientFrame) => boolean) | null = null;
  private readonly listeners: ((e: Effect, own: boolean) => void)[] = [];

  constructor(p: CoreParts) {
    this.self = p.self;
    this.keeper = p.keeper;
    this.api = p.api;
    this.clock = p.clock;
    this.page = p.page;
    this.bus = p.bus;
    writeLink.kept.value = p.keeper.lasting;
  }

  /** One transaction, then the screen, then the other tabs. */
  async commit(p: Patch): Promise<Effect> {
    if (this.closed) return NOTHING;
    let effect: Effect;
    try {
      effect = await commit(this.keeper, this.self, p);
    } catch (err) {
      if (this.closed) throw err;
      console.error("the browser cannot keep this; going on in memory", err);
      await this.toMemory();
      effect = await commit(this.keeper, this.self, p);
    }
    if (this.closed) return effect;
    this.show(effect, true);
    this.bus.send({ t: "effect", effect });
    return effect;
  }

  /** Shows something that is not kept, in every tab. */
  flash(part: Partial<Effect>): void {
    if (this.closed) return;
    const effect: Effect = { ...NOTHING, ...part };
    showEffect(effect, this.clock);
    this.bus.send({ t: "effect", effect });
  }

  /** Takes in what another tab has committed. */
  async heard(effect: Effect): Promise<void> {
    if (!this.keeper.lasting && effect.outboxPut.length > 0) await commit(this.keeper, this.self, { outboxPut: effect.outboxPut });
    this.show(effect, false);
  }

  onEffect(f: (e: Effect, own: boolean) => void): void {
    this.listeners.push(f);
  }

  /** Sends a frame through whichever tab holds the socket; lost if there is none. */
  toSocket(frame: ClientFrame): void {
    if (this.sender) this.sender(frame);
    else this.bus.send({ t: "socket", frame });
  }

  /** Ends keeping. With `forget` everything but the person's own unsent words goes, with what was just being written:
   *  transactions come one after the other, and none begins after this one. */
  async close(forget: boolean): Promise<void> {
    this.closed = true;
    this.sender = null;
    this.bus.close();
    if (forget) await wipeButUnsent(this.keeper).catch(() => {});
    this.keeper.close();
  }

  private show(e: Effect, own: boolean): void {
    showEffect(e, this.clock);
    for (const f of this.listeners) f(e, own);
  }

  /** The disk is full or the browser took the database away: what was kept is copied if it can still be read. */
  private async toMemory(): Promise<void> {
    const memory = openMemory();
    try {
      const s = await loadSnapshot(this.keeper);
      const cursors = await loadCursors(this.keeper);
      await memory.run("readwrite", async (tx) => {
        for (const e of s.entries) tx.put("entries", e);
        for (const r of s.outbox) tx.put("outbox", r);
        for (const m of s.members) tx.put("members", m);
        for (const d of s.details) tx.put("details", d);
        // Ranges name messages that memory does not have; only what was heard of is carried over.
        for (const c of cursors) tx.put("cursors", { ...c, ranges: [], change: 0 });
        tx.put("meta", { key: "pos", value: s.pos });
      });
    } catch {
      // nothing to carry over
    }
    this.keeper = memory;
    writeLink.kept.value = false;
  }
}
