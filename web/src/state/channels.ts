// The channels of the user, their unread numbers and what is known about each.
import { computed, signal } from "@preact/signals";
import { overlayRead, sortEntries, type LocalRead } from "../model/unread";
import { type Channel, type ChannelID, type InboxEntry, type Member } from "../model/types";

const entryMap = signal<ReadonlyMap<ChannelID, InboxEntry>>(new Map());
const localReads = signal<ReadonlyMap<string, LocalRead>>(new Map());
const details = signal<ReadonlyMap<ChannelID, Channel>>(new Map());
const memberMap = signal<ReadonlyMap<ChannelID, readonly Member[]>>(new Map());
const draftMap = signal<ReadonlyMap<string, string>>(new Map());

/** Every entry the user is a member of, with this device's own read marks already counted in. */
export const entries = computed<ReadonlyMap<ChannelID, InboxEntry>>(() => {
  const out = new Map<ChannelID, InboxEntry>();
  for (const [id, e] of entryMap.value) if (e.member) out.set(id, overlayRead(e, localReads.value));
  return out;
});
/** Sorted for the list: pinned first, then the latest on top. */
export const channelList = computed(() => sortEntries([...entries.value.values()]));
/** Channel objects (kind, name, limits, own role), by id; loaded when a channel is opened. */
export const channels = computed(() => details.value);
/** Members with their read marks, by channel; loaded when a channel is opened. */
export const members = computed(() => memberMap.value);
/** Unsent text by `draftKey(channel, thread)`. */
export const drafts = computed(() => draftMap.value);
export const draftKey = (channel: ChannelID, thread = 0): string => `${channel}/${thread}`;

export const writeChannels = { entryMap, localReads, details, memberMap, draftMap };
