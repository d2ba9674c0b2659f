// How rows stand on the page: day lines, the "new" line, and groups of one person's messages within five minutes.
import type { Row } from "./timeline";
import type { Millis, Seq, UserID } from "./types";

export type Item =
  | { readonly kind: "day"; readonly key: string; readonly at: Millis }
  | { readonly kind: "new"; readonly key: string }
  | {
      readonly kind: "row";
      readonly key: string;
      readonly row: Row;
      /** First and last of a group: name and picture once, time at the end. */
      readonly first: boolean;
      readonly last: boolean;
    };

export const GROUP_MS = 5 * 60_000;

export interface LayoutOptions {
  readonly me: UserID | null;
  readonly newAfter: Seq;
  /** The local day a time belongs to; default: the device's time zone. */
  readonly dayOf?: (at: Millis) => string;
}

export const rowTime = (r: Row): Millis => (r.kind === "message" ? r.message.orig_at || r.message.at : r.out.made_at);

export function localDay(at: Millis): string {
  const d = new Date(at);
  return `${d.getFullYear()}-${d.getMonth() + 1}-${d.getDate()}`;
}

export function layout(rows: readonly Row[], o: LayoutOptions): readonly Item[] {
  const dayOf = o.dayOf ?? localDay;
  const items: Item[] = [];
  let day = "";
  let prev: Row | null = null;
  let newShown = o.newAfter <= 0;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i] as Row;
    const at = rowTime(row);
    const today = dayOf(at);
    let cut = false;
    // A message whose original time goes backwards (an import) gets its day line too: lines follow the order of seqs.
    if (today !== day) {
      items.push({ kind: "day", key: `day/${today}/${row.key}`, at });
      day = today;
      cut = true;
    }
    if (!newShown && row.kind === "message" && row.message.seq > o.newAfter) {
      newShown = true;
      if (row.message.sender !== o.me) {
        items.push({ kind: "new", key: "new" });
        cut = true;
      }
    }
    const first = cut || !prev || !together(prev, row, o.me);
    items.push({ kind: "row", key: row.key, row, first, last: true });
    if (!first) openGroup(items);
    prev = row;
  }
  return items;
}

/** The row before the newest one is no longer the last of its group. */
function openGroup(items: Item[]): void {
  const i = items.length - 2;
  const item = items[i];
  if (item && item.kind === "row") items[i] = { ...item, last: false };
}

function together(a: Row, b: Row, me: UserID | null): boolean {
  if (a.kind === "message" && a.message.kind === 1) return false;
  if (b.kind === "message" && b.message.kind === 1) return false;
  const sa = a.kind === "message" ? a.message.sender : me;
  const sb = b.kind === "message" ? b.message.sender : me;
  return sa === sb && Math.abs(rowTime(b) - rowTime(a)) <= GROUP_MS;
}
