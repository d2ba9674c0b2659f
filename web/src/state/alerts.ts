// What calls for attention: the numbers of all badges, and what may sound.
import { computed, signal } from "@preact/signals";
import { LEVEL_NONE, type ChannelID } from "../model/types";
import { mentionsOf, threadsOf, unreadOf } from "../model/unread";
import { entries } from "./channels";

export interface Badge {
  /** Unread messages of all channels that are not muted, threads included; of muted ones the mentions. */
  readonly unread: number;
  readonly mentions: number;
  /** Channels that have any of them: what pushes carry as `badge`. */
  readonly channels: number;
}

/** Title, icon and app badge all come from here. */
export const badge = computed<Badge>(() => {
  let unread = 0;
  let mentions = 0;
  let channels = 0;
  for (const e of entries.value.values()) {
    const at = mentionsOf(e);
    const here = e.level === LEVEL_NONE ? at : unreadOf(e) + threadsOf(e);
    unread += here;
    mentions += at;
    if (here > 0) channels++;
  }
  return { unread, mentions, channels };
});

/** A message has come that may sound: its channel is not on the screen, and its level lets it through. */
export interface Ring {
  readonly channel: ChannelID;
  readonly at: number;
}

const lastRing = signal<Ring | null>(null);
const lastTest = signal(0);

export const ring = computed(() => lastRing.value);
/** When (device ms) the last test push arrived here; 0: none yet. */
export const testArrived = computed(() => lastTest.value);

export const writeAlerts = { lastRing, lastTest };
