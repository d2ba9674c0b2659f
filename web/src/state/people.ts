// People: profiles, friendships, who is there, who is typing.
import { computed, signal } from "@preact/signals";
import type { ChannelID, Friend, PresenceState, User, UserID } from "../model/types";

/** Someone is typing until `until` (device ms). */
export interface Typing {
  readonly channel: ChannelID;
  readonly thread: number;
  readonly user: UserID;
  readonly until: number;
}

const userMap = signal<ReadonlyMap<UserID, User>>(new Map());
const friendMap = signal<ReadonlyMap<UserID, Friend>>(new Map());
const presenceMap = signal<ReadonlyMap<UserID, PresenceState>>(new Map());
const typingList = signal<readonly Typing[]>([]);

export const people = computed(() => userMap.value);
export const friends = computed(() => friendMap.value);
export const presence = computed(() => presenceMap.value);
/** Everyone typing anywhere; entries leave by themselves after 5 s. */
export const typing = computed(() => typingList.value);

export const writePeople = { userMap, friendMap, presenceMap, typingList };
