// What calls for attention while the app is open: which message may sound, and which notifications are to go.
import type { ServerFrame } from "../model/frame";
import type { Effect } from "../model/patch";
import { quietAt, type Place } from "../model/push";
import {
  KIND_DIRECT, LEVEL_ALL, LEVEL_NONE, SYSTEM, type ChannelID, type InboxEntry, type Message, type PushSettings, type Seq,
} from "../model/types";
import { unreadOf } from "../model/unread";
import { noteRead, toldMeta } from "../db/told";
import type { PushDoor } from "../net/push";
import { badge, writeAlerts } from "../state/alerts";
import { entries, writeChannels } from "../state/channels";
import { writePeople } from "../state/people";
import type { Core } from "./core";
import type { Presence } from "./presence";

const GATHER_MS = 250;
const BODY_CHARS = 500;
/** So that a burst is one sound. */
const RING_MS = 1_500;

export class Alerts {
  private readonly core: Core;
  private readonly presence: Presence;
  private readonly door: PushDoor | null;
  private readonly read = new Map<ChannelID, Seq>();
  private timer: (() => void) | null = null;
  private telling: Promise<void> = Promise.resolve();

  /** `door`: null where there are no notifications. */
  constructor(core: Core, presence: Presence, door: PushDoor | null) {
    this.core = core;
    this.presence = presence;
    this.door = door;
  }

  /** Live frames, committed by the tab that leads. */
  heard(frames: readonly ServerFrame[]): void {
    for (const f of frames) {
      if (f.op !== "msg" || !this.rings(f.message)) continue;
      this.ring(f.message.channel);
      const { message } = f;
      this.telling = this.telling.then(() => this.tell(message)).catch(() => {}); // the badges say it too
    }
  }

  /** Resolves when everything heard so far has been told. */
  async idle(): Promise<void> {
    await this.telling;
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

  /** The server pushes nothing to who is connected. If the app is open but out of sight, the worker shows the message. */
  private async tell(m: Message): Promise<void> {
    if (!this.door || this.door.permission() !== "granted" || this.core.page.visible() || (await toldMeta("device")) === "") return;
    const settings = JSON.parse((await toldMeta("settings")) || "null") as PushSettings | null;
    if (settings && quietAt(settings, this.core.clock.now())) return;
    const entry = entries.value.get(m.channel);
    const sender = writePeople.userMap.value.get(m.sender)?.display_name ?? "";
    await this.door.tell({
      kind: "message", channel: m.channel, seq: m.seq, ...(m.thread ? { thread: m.thread } : {}), title: titleOf(entry, sender), sender,
      ...(settings?.hide_body ? {} : { body: m.body.slice(0, BODY_CHARS) }), count: Math.max(1, entry ? unreadOf(entry) : 1),
      badge: badge.value.channels, at: m.at,
    });
  }

  private ring(channel: ChannelID): void {
    const at = this.core.clock.now();
    if (at - (writeAlerts.lastRing.value?.at ?? 0) >= RING_MS) writeAlerts.lastRing.value = { channel, at };
  }
}

/** A direct talk is named by who it is with. */
function titleOf(e: InboxEntry | undefined, sender: string): string {
  return e?.kind === KIND_DIRECT ? sender : (e?.name ?? "");
}

function unreadThread(channel: ChannelID, root: Seq): boolean {
  return entries.value.get(channel)?.threads?.some((t) => t.root === root && t.unread > 0) ?? false;
}
