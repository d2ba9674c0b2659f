// Fetches what the cursors say is missing: messages after a cursor, changes after a change number. Bounded: two channels
// at a time, pages of 200, and a channel that is far behind gets its newest page; the hole is filled by who scrolls there.
import { loadCursor } from "../db/load";
import { gapsOf, type Gap } from "../model/cursor";
import { problemOf } from "../model/problem";
import type { Effect } from "../model/patch";
import type { ChannelID } from "../model/types";
import { Backoff } from "../net/backoff";
import { writeChannels } from "../state/channels";
import type { Core } from "./core";
import { fetchPage, PAGE } from "./pages";

const AT_ONCE = 2;
const GAP_PAGE = 200;
const ROUNDS = 12;
/** Channels never opened on this device of which a first page is fetched ahead. */
export const PREFETCH = 25;

export class Gaps {
  private readonly core: Core;
  private readonly queue: ChannelID[] = [];
  private readonly busy = new Map<ChannelID, Promise<boolean>>();
  private readonly again = new Set<ChannelID>();
  /** Could not be fetched; tried anew when the pause is over. */
  private readonly later = new Set<ChannelID>();
  private readonly backoff: Backoff;
  private cancelRetry: () => void = () => {};
  private running = 0;
  private prefetched = 0;

  constructor(core: Core) {
    this.core = core;
    this.backoff = new Backoff({ random: () => core.clock.random() });
  }

  /** The tab that leads fills whatever an effect has found missing. */
  noticed(e: Effect): void {
    if (this.core.sender === null) return;
    for (const g of e.gaps) if (this.wants(g)) this.enqueue(g.channel);
    this.pump();
  }

  /** Fills one channel now; false if it could not be. */
  fill(channel: ChannelID): Promise<boolean> {
    const running = this.busy.get(channel);
    if (running) {
      this.again.add(channel);
      return running;
    }
    const run = this.work(channel).then((ok) => {
      this.busy.delete(channel);
      // Whoever asked meanwhile was told to rely on this run.
      if (!ok) this.retryLater(channel);
      else if (this.again.delete(channel)) this.enqueue(channel);
      return ok;
    });
    this.busy.set(channel, run);
    return run;
  }

  stop(): void {
    this.queue.length = 0;
    this.later.clear();
    this.cancelRetry();
  }

  private wants(g: Gap): boolean {
    if (g.kind !== "newest") return true;
    if (this.prefetched >= PREFETCH && !writeChannels.memberMap.value.has(g.channel)) return false;
    this.prefetched++;
    return true;
  }

  private enqueue(id: ChannelID): void {
    if (this.busy.has(id)) this.again.add(id);
    else if (!this.queue.includes(id)) this.queue.push(id);
  }

  private pump(): void {
    while (this.running < AT_ONCE) {
      const id = this.queue.shift();
      if (!id || this.core.closed) return;
      this.running++;
      void this.fill(id).then((ok) => {
        this.running--;
        if (ok) this.backoff.reset();
        this.pump();
      });
    }
  }

  private retryLater(id: ChannelID): void {
    if (this.core.closed) return;
    this.again.delete(id);
    this.later.add(id);
    this.cancelRetry();
    this.cancelRetry = this.core.clock.after(1000 + this.backoff.next(), () => {
      for (const w of this.later) this.enqueue(w);
      this.later.clear();
      this.pump();
    });
  }

  /** True when nothing is missing any more, or nothing can be done about it. */
  private async work(channel: ChannelID): Promise<boolean> {
    try {
      for (let round = 0; round < ROUNDS; round++) {
        this.again.delete(channel);
        const gap = await this.firstGap(channel);
        if (!gap) {
          await this.settle(channel);
          if (!this.again.has(channel)) return true;
          continue;
        }
        const progress = await this.fetch(gap);
        if (!progress) return true;
      }
      return true;
    } catch (err) {
      const p = problemOf(err);
      // Not a member any more, or the like: the inbox will say so.
      return !p.retry;
    }
  }

  private async firstGap(channel: ChannelID): Promise<Gap | undefined> {
    const cursor = await loadCursor(this.core.keeper, channel);
    const entry = writeChannels.entryMap.value.get(channel);
    if (entry && !entry.member) return undefined;
    if (!cursor) return entry && entry.last_seq > 0 ? { kind: "newest", channel } : undefined;
    return gapsOf(cursor, entry)[0];
  }

  /** One page of what is missing; false if the server had nothing new to give. */
  private async fetch(gap: Gap): Promise<boolean> {
    const { core } = this;
    switch (gap.kind) {
      case "newest": {
        const { page } = await fetchPage(core, gap.channel, { limit: PAGE });
        return page.messages.length > 0;
      }
      case "hole": {
        const { page } = await fetchPage(core, gap.channel, { after: gap.after, limit: Math.min(GAP_PAGE, Math.max(PAGE, gap.to - gap.after)) });
        return page.messages.length > 0;
      }
      case "changes": {
        const page = await core.api.changes(gap.channel, gap.after, gap.upTo, GAP_PAGE);
        const last = page.messages[page.messages.length - 1];
        const to = page.more_after ? (last?.change ?? gap.after) : Math.max(page.last_change, last?.change ?? 0);
        await core.commit({ changes: [{ channel: gap.channel, messages: page.messages, after: gap.after, to, lastSeq: page.last_seq }] });
        return to > gap.after;
      }
    }
  }

  /** Own messages that were stored out of sight are in what was fetched now, or far up in the history. */
  private async settle(channel: ChannelID): Promise<void> {
    await this.core.commit({ settleSent: [channel] });
  }
}
