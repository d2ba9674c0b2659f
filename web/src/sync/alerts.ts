// What calls for attention while the app is open: which message may sound, and which notifications are to go.
import type { ServerFrame } from "../model/frame";
import type { Effect } from "../model/patch";
import type { Place } from "../model/push";
import { LEVEL_ALL, LEVEL_NONE, SYSTEM, type ChannelID, type Message, type Seq } from "../model/types";
import { noteRead } from "../db/told";
import type { PushDoor } from "../net/push";
import { writeAlerts } from "../state/alerts";
import { entries, writeChannels } from "../state/channels";
import type { Core } from "./core";
import type { Presence } from "./presence";

const GATHER_MS = 250;
/** So that a burst is one sound. */
const RING_MS = 1_500;

export class Alerts {
  private readonly core: Core;
  private readonly presence: Presence;
  private readonly door: PushDoor | null;
  private readonly read = new Map<ChannelID, Seq>();
  private timer: (() => void) | null = null;

  /** `door`: null where there are no notifications. */
  constructor(core: Core, presence: Presence, door: PushDoor | null) {
    this.core = core;
    this.presence = presence;
    this.door = door;
  }

  /** Live frames, committed by the tab that leads. */
  heard(frames: readonly ServerFrame[]): void {
    for (const f of frames) if (f.op === "msg" && this.rings(f.message)) this.ring(f.message.channel);
  }

  /** What has been read, here or elsewhere, needs no notification any more. */
  noticed(e: Effect): void {
    if (!this.door || this.door.permission() !== "granted") return;
    for (const x of e.entries) this.note(x.channel, x.read_seq);
    for (const r of e.reads) if (!r.thread) this.note(r.channel, r.seq);
    if (this.read.size > 0) this.timer ??= this.core.clock.after(GATHER_MS, () => void this.clear());
  }

  stop(): void {
    this.timer?.();
  }

  private note(channel: ChannelID, seq: Seq): void {
    if (seq > (this.read.get(channel) ?? 0)) this.read.set(channel, seq);
  }

  private async clear(): Promise<void> {
    this.timer = null;
    const read = new Map(this.read);
    this.read.clear();
    try {
      for (const [channel, seq] of read) await noteRead(channel, seq, this.core.clock.now());
      await this.door?.close((data) => {
        const place = data as Partial<Place> | null;
        if (place?.channel === undefined || place.seq === undefined) return false;
        return place.thread ? !unreadThread(place.channel, place.thread) : place.seq <= (read.get(place.channel) ?? 0);
      });
    } catch {
      // A notification that stays is no harm.
    }
  }

  private rings(m: Message): boolean {
    const entry = writeChannels.entryMap.value.get(m.channel);
    if (m.sender === this.core.self || m.kind === SYSTEM || !entry || entry.level === LEVEL_NONE) return false;
    const mentioned = m.mention_all === true || (m.mentions?.includes(this.core.self) ?? false);
    const wanted = entry.level === LEVEL_ALL && (!m.thread || entry.threads?.some((t) => t.root === m.thread) === true);
    return (mentioned || wanted) && !this.presence.seen(m.channel);
  }

  private ring(channel: ChannelID): void {
    const at = this.core.clock.now();
    if (at - (writeAlerts.lastRing.value?.at ?? 0) >= RING_MS) writeAlerts.lastRing.value = { channel, at };
  }
}

function unreadThread(channel: ChannelID, root: Seq): boolean {
  return entries.value.get(channel)?.threads?.some((t) => t.root === root && t.unread > 0) ?? false;
}
