// The open conversation: a window of contiguous messages, and what of one's own still waits.
import { computed, signal } from "@preact/signals";
import { rowsOf, threadRowsOf, type Row, type Window } from "../model/timeline";
import type { ChannelID, OutboxRow, Problem, Seq } from "../model/types";

export type LoadState = "idle" | "loading" | "failed";

/** Which part of the window is being fetched, for skeletons and retry lines. */
export interface Loading {
  readonly open: LoadState;
  readonly older: LoadState;
  readonly newer: LoadState;
  readonly problem?: Problem;
}
export const IDLE: Loading = { open: "idle", older: "idle", newer: "idle" };

/** A jump the view should scroll to, then flash; `at` makes each one new. */
export interface Jump {
  readonly seq: Seq;
  /** Among the replies of the open thread. */
  readonly thread?: Seq;
  readonly at: number;
}

const openID = signal<ChannelID | null>(null);
const current = signal<Window | null>(null);
const loadState = signal<Loading>(IDLE);
const lineAfter = signal<Seq>(0);
const outboxMap = signal<ReadonlyMap<string, OutboxRow>>(new Map());
const threadRoot = signal<Seq | null>(null);
const threadWindow = signal<Window | null>(null);
const threadLoadState = signal<Loading>(IDLE);
const jump = signal<Jump | null>(null);

export const openChannel = computed(() => openID.value);
/** The window of the open channel; null while nothing is known yet (show a skeleton after 150 ms). */
export const timeline = computed(() => current.value);
export const loading = computed(() => loadState.value);
/** Rows of the open channel, oldest first: stored messages, then own ones that wait. Thread replies are not among them. */
export const rows = computed<readonly Row[]>(() => rowsOf(current.value, outboxMap.value, openID.value));
/** The "new" line stands after this seq: where reading had stopped when the channel was opened. 0: none. */
export const newLineAfter = computed(() => lineAfter.value);
export const jumpTarget = computed(() => jump.value);

export const openThreadRoot = computed(() => threadRoot.value);
export const threadTimeline = computed(() => threadWindow.value);
export const threadLoading = computed(() => threadLoadState.value);
/** Root first, then replies, then own replies that wait. */
export const threadRows = computed<readonly Row[]>(() =>
  threadRowsOf(current.value, threadWindow.value, outboxMap.value, openID.value, threadRoot.value),
);

/** Everything of this device not yet stored, by client_msg_id. */
export const outbox = computed(() => outboxMap.value);
/** How many wait (the banner says it); refused ones are not among them. */
export const waitingCount = computed(() => {
  let n = 0;
  for (const r of outboxMap.value.values()) if (r.state === "pending" || r.state === "sending") n++;
  return n;
});

export const writeTimeline = {
  openID, current, loadState, lineAfter, outboxMap, threadRoot, threadWindow, threadLoadState, jump,
};
