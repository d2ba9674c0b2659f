// What a push says once the browser has decrypted it, and where it leads.
import { idText, number, object, opt, text, type Check } from "./check";
import type { ChannelID, Millis, PushSettings, Seq } from "./types";

export interface MessagePush {
  readonly kind: "message";
  readonly channel: ChannelID;
  readonly seq: Seq;
  readonly thread?: Seq;
  /** The sender, or the group. */
  readonly title?: string;
  readonly sender?: string;
  /** Left out when the user hides it. */
  readonly body?: string;
  /** Unread in the channel. */
  readonly count: number;
  /** Channels with unread messages. */
  readonly badge: number;
  readonly at: Millis;
}

/** The channel was read up to seq on another device. */
export interface ClearPush {
  readonly kind: "clear";
  readonly channel: ChannelID;
  readonly seq: Seq;
  readonly badge: number;
}

export interface TestPush {
  readonly kind: "test";
}

export type Push = MessagePush | ClearPush | TestPush;

const checks: Readonly<Record<Push["kind"], Check>> = {
  message: object({
    channel: idText, seq: number, thread: opt(number), title: opt(text), sender: opt(text), body: opt(text), count: number, badge: number, at: number,
  }),
  clear: object({ channel: idText, seq: number, badge: number }),
  test: object({}),
};

/** The push, or null for one that this version does not understand. */
export function parsePush(data: string): Push | null {
  try {
    const { v, kind } = object({ v: number, kind: text })(JSON.parse(data), "push") as { v: number; kind: string };
    if (v !== 1 || !Object.hasOwn(checks, kind)) return null;
    return checks[kind as Push["kind"]](JSON.parse(data), kind) as Push;
  } catch {
    return null;
  }
}

/** A message's place in the app, as an address. */
export interface Place {
  readonly channel: ChannelID;
  readonly seq: Seq;
  readonly thread?: Seq;
}

export function pathTo({ channel, seq, thread }: Place): string {
  return thread ? `/c/${channel}/thread/${thread}/m/${seq}` : `/c/${channel}/m/${seq}`;
}

/** The tag of a channel's notification: there is one at a time. */
export const tagOf = (channel: ChannelID): string => `c/${channel}`;

/** What the worker tells the pages. */
export type FromWorker =
  | ({ readonly t: "open" } & Place)
  /** Whether the page has the message's conversation before somebody's eyes; it answers. */
  | ({ readonly t: "shows" } & Place)
  | { readonly t: "tested" };

/** What a page tells the worker: a message has come to the open app. It is shown as a push would be, unless a page is
 *  before somebody's eyes. */
export interface FromPage {
  readonly t: "tell";
  readonly push: MessagePush & { readonly v: 1 };
}

/** Whether the user wants no notifications at this time; the wall clock of the zone decides, as on the server. */
export function quietAt(s: PushSettings, at: Millis): boolean {
  if (s.quiet_from < 0 || s.quiet_to < 0) return false;
  const now = minutesOf(new Intl.DateTimeFormat("en-GB", { timeZone: s.zone || "UTC", hour: "2-digit", minute: "2-digit" }).format(at));
  return s.quiet_from < s.quiet_to ? now >= s.quiet_from && now < s.quiet_to : now >= s.quiet_from || now < s.quiet_to;
}

/** Minutes of the day as the clock field of a form writes them, and back; -1 for anything else. */
export const clockOf = (minutes: number): string =>
  `${String(Math.floor(minutes / 60)).padStart(2, "0")}:${String(minutes % 60).padStart(2, "0")}`;

export function minutesOf(clock: string): number {
  const m = /^([01][0-9]|2[0-3]):([0-5][0-9])/.exec(clock);
  return m ? Number(m[1]) * 60 + Number(m[2]) : -1;
}
