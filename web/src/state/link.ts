// The connection, as the banner tells it.
import { computed, signal } from "@preact/signals";

/** connecting: no socket yet; catching-up: socket there, missing things are fetched; live; waiting: lost, next try at
 *  `retryAt`; stopped: stays away until asked (see `reason`). */
export type LinkState = "connecting" | "catching-up" | "live" | "waiting" | "stopped";
export type LinkReason = "offline" | "lost" | "slow" | "drain" | "silent" | "replaced" | "overload" | "garbage" | "unsupported";

export interface Link {
  readonly state: LinkState;
  /** Device time of the last change of state, ms. */
  readonly since: number;
  /** waiting: device time of the next attempt, ms. */
  readonly retryAt?: number;
  readonly reason?: LinkReason;
}

const current = signal<Link>({ state: "connecting", since: 0 });
const lead = signal(false);
const kept = signal(true);

export const link = computed(() => current.value);
/** Since when (device ms) messages have not been flowing; 0 while live. The banner appears 3 s after it. */
const notLive = signal(0);
export const notLiveSince = computed(() => notLive.value);
/** Whether this tab holds the socket for all tabs. */
export const leading = computed(() => lead.value);
/** Whether this browser keeps data between visits (false: private mode, no IndexedDB). */
export const keeping = computed(() => kept.value);

export const writeLink = { current, lead, kept, notLive };
