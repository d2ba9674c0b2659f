// Read marks: moved only by someone who looks, shown at once, kept until the server has confirmed them.
import { loadReads } from "../db/load";
import type { Effect } from "../model/patch";
import { findMessage } from "../model/timeline";
import type { ChannelID, Seq } from "../model/types";
import { readKey, type LocalRead } from "../model/unread";
import { writeChannels } from "../state/channels";
import { writeTimeline } from "../state/timeline";
import type { Core } from "./core";

const GATHER_MS = 120;

export class Reads {
  private readonly core: Core;
  private readonly waiting = new Map<string, LocalRead>();
  private timer: (() => void) | null = null;

  constructor(core: Core) {
    this.core = core;
  }

  mark(channel: ChannelID, seq: Seq, thread: Seq): void {
    if (!this.core.page.visible() || seq <= 0) return;
    const entry = writeChannels.entryMap.value.get(channel);
    const key = readKey(channel, thread);
    const known = this.waiting.get(key) ?? writeChannels.localReads.value.get(key);
    if (!entry || (known && known.seq >= seq)) return;
    if (thread ? !entry.threads?.some((t) => t.root === thread) : entry.read_seq >= seq && entry.read_n >= entry.last_n) return;
    const n = seq >= entry.last_seq ? entry.last_n : (findMessage(writeTimeline.current.value, seq)?.n ?? 0);
    this.waiting.set(key, { channel, thread, seq, n });
    this.timer ??= this.core.clock.after(GATHER_MS, () => this.flush());
  }

  flush(): void {
    this.timer?.();
    this.timer = null;
    if (this.waiting.size === 0) return;
    const reads = [...this.waiting.values()];
    this.waiting.clear();
    void this.core.commit({ reads }).catch(() => {});
  }

  /** The tab that leads passes new marks on. */
  noticed(e: Effect): void {
    if (this.core.sender) for (const r of e.reads) this.send(r);
  }

  /** After a reconnect: whatever the server has not confirmed. */
  async resend(): Promise<void> {
    for (const r of await loadReads(this.core.keeper)) this.send(r);
  }

  stop(): void {
    this.timer?.();
  }

  private send(r: LocalRead): void {
    this.core.sender?.({ op: "read", channel: r.channel, seq: r.seq, ...(r.thread ? { thread: r.thread } : {}) });
  }
}
