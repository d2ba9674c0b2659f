// The words of the admin pages: a catalogue of their own, loaded with them.
import type { Fault } from "../model/admin";
import type { Reason } from "../model/types";
import { adminEn, type AdminCatalogue, type FaultArgs } from "./admin-en";
import { adminKo } from "./admin-ko";
import { lang, type Lang } from "./index";

const catalogues: Record<Lang, AdminCatalogue> = { en: adminEn, ko: adminKo };

type Key = keyof AdminCatalogue;
type Args<K extends Key> = AdminCatalogue[K] extends (...args: infer A) => string ? A : [];

/** The words for key in the present language; components that call it follow a change. */
export function a<K extends Key>(key: K, ...args: Args<K>): string {
  const entry = catalogues[lang.value][key] as string | ((...given: unknown[]) => string);
  return typeof entry === "string" ? entry : entry(...args);
}

type Kind = "state" | "owner" | "audit" | "check";

/** The word for a code that the server sends; one that is not known as it came. */
function code(kind: Kind, value: string): string {
  const key = `${kind}_${value}`;
  return Object.hasOwn(adminEn, key) ? a(key as "state_planned") : value;
}

/** The word for a step of a move. */
export const step = (state: string): string => code("state", state);

/** The word for what a shard says of a partition. */
export const ownerState = (state: string): string => code("owner", state);

/** The word for what the audit log tells of. */
export const auditAction = (action: string): string => code("audit", action);

/** How far a receipt's check is. */
export const checkState = (state: string): string => code("check", state);

/** Whether there are words for a reason. */
export function known(reason: Reason | undefined): boolean {
  return reason !== undefined && reason.code !== "other" && Object.hasOwn(adminEn, `reason_${reason.code}`);
}

/** Why, in the reader's language; words for what is unknown where there are none. */
export function because(reason: Reason | undefined): string {
  return a(reason !== undefined && known(reason) ? (`reason_${reason.code}` as "reason_other") : "reason_other", reason?.args ?? {});
}

/** What is not as a receipt says. */
export function faultWords(f: Fault): string {
  const key = `fault_${f.code}`;
  if (!Object.hasOwn(adminEn, key)) return f.text;
  const args: FaultArgs = {
    channel: f.channel ?? "", shards: (f.shards ?? []).join(", "), table: f.table ?? "", rows: String(f.rows ?? 0), wanted: String(f.wanted ?? 0),
  };
  return a(key as "fault_channel_differs", f.partition, args);
}
