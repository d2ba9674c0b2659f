import { t, type Catalogue } from "../../i18n/index";
import type { Problem } from "../../model/types";

type Plain = { [K in keyof Catalogue]: Catalogue[K] extends string ? K : never }[keyof Catalogue];

const texts: Readonly<Record<string, Plain>> = {
  offline: "errNetwork",
  timeout: "errNetwork",
  aborted: "errNetwork",
  unauthenticated: "loggedOutElsewhere",
  bad_credentials: "errCredentials",
  name_taken: "errNameTaken",
  empty: "errEmpty",
  too_long: "errTooLong",
  forbidden: "errForbidden",
  blocked: "errBlocked",
  invite_needed: "errInviteNeeded",
  invite_invalid: "errInviteInvalid",
  not_found: "errNotFound",
  not_member: "notMember",
  channel_full: "errChannelFull",
  too_late: "errTooLate",
  deleted: "messageDeleted",
  last_owner: "errLastOwner",
  rate_limited: "errRateLimited",
  conflict: "errConflict",
  bad_text: "errText",
  overloaded: "errBusy",
  draining: "errBusy",
  push_failed: "pushFailed",
  moving: "pausedTitle",
  shard_unavailable: "pausedTitle",
};

/** What a refusal means, in the reader's language. */
export function words(problem: Problem): string {
  return t(texts[problem.code] ?? "errGeneric");
}

/** Whether the conversation's data is out of reach for a moment, and sends wait. */
export function isPaused(problem: Problem | undefined): boolean {
  return problem !== undefined && (problem.code === "shard_unavailable" || problem.code === "moving");
}
