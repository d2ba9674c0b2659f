// Being there: which channel this browser shows, whether somebody is at it, and telling that one types. The tab that leads
// speaks for all tabs.
import type { ChannelID, Seq } from "../model/types";
import type { BusMessage } from "./bus";
import type { Core } from "./core";

/** A tab that has not spoken for this long is taken for closed. */
const TAB_MS = 25_000;
const HERE_MS = 10_000;
const TYPING_MS = 3_100;

interface Tab {
  readonly active: boolean;
  readonly channel: ChannelID | null;
  readonly at: number;
}

export class Presence {
  private readonly core: Core;
  private readonly tab: string;
  private readonly tabs = new Map<string, Tab>();
  private channel: ChannelID | null = null;
  private told: ChannelID | "0" = "0";
  private lastTyping = { key: "", at: 0 };
  private typingAgain: (() => void) | null = null;
  private cancel: () => void = () => {};
  private onActive: () => void = () => {};

  constructor(core: Core, tab: string) {
    this.core = core;
    this.tab = tab;
    this.tick();
  }

  /** `f` is told when somebody may have come or gone. */
  whenActiveChanges(f: () => void): void {
    this.onActive = f;
  }

  /** Whether somebody is at any of the tabs. */
  active(): boolean {
    if (this.core.page.active()) return true;
    const since = this.core.clock.now() - TAB_MS;
    for (const t of this.tabs.values()) if (t.active && t.at > since) return true;
    return false;
  }

  /** Whether somebody has the channel before their eyes. */
  seen(channel: ChannelID): boolean {
    if (this.channel === channel && this.core.page.visible()) return true;
    const since = this.core.clock.now() - TAB_MS;
    for (const t of this.tabs.values()) if (t.active && t.channel === channel && t.at > since) return true;
    return false;
  }

  show(channel: ChannelID | null): void {
    this.channel = channel;
    this.here();
  }

  /** This tab became visible or hidden, or was touched again. */
  here(): void {
    this.core.bus.send({ t: "here", tab: this.tab, active: this.core.page.active(), channel: this.channel });
    this.tellOpen(this.channel);
    this.onActive();
  }

  gone(): void {
    this.core.bus.send({ t: "gone", tab: this.tab });
  }

  heard(m: BusMessage): void {
    if (m.t === "here") {
      this.tabs.set(m.tab, { active: m.active, channel: m.channel, at: this.core.clock.now() });
      if (m.active) this.tellOpen(m.channel);
      this.onActive();
    } else if (m.t === "gone") {
      this.tabs.delete(m.tab);
      this.onActive();
    }
  }

  /** A new session knows of no open channel. */
  resume(): void {
    this.told = "0";
    this.tellOpen(this.channel ?? [...this.tabs.values()].find((t) => t.channel)?.channel ?? null);
  }

  /** Told at most once in 3 s, as the server passes on no more; typing that goes on is told again after that. */
  typing(channel: ChannelID, thread: Seq): void {
    const key = `${channel}/${thread}`;
    const wait = this.lastTyping.key === key ? this.lastTyping.at + TYPING_MS - this.core.clock.now() : 0;
    if (wait <= 0) this.tellTyping(key, channel, thread);
    else this.typingAgain ??= this.core.clock.after(wait, () => this.tellTyping(key, channel, thread));
  }

  /** What was typed has been sent. */
  sent(): void {
    this.typingAgain?.();
    this.typingAgain = null;
  }

  private tellTyping(key: string, channel: ChannelID, thread: Seq): void {
    this.sent();
    this.lastTyping = { key, at: this.core.clock.now() };
    this.core.toSocket({ op: "typing", channel, ...(thread ? { thread } : {}) });
  }

  stop(): void {
    this.sent();
    this.cancel();
  }

  private tellOpen(channel: ChannelID | null): void {
    const wanted = channel ?? "0";
    if (!this.core.sender || wanted === this.told) return;
    if (this.core.sender({ op: "open", channel: wanted })) this.told = wanted;
  }

  private tick(): void {
    this.cancel = this.core.clock.after(HERE_MS, () => {
      this.here();
      this.tick();
    });
  }
}
