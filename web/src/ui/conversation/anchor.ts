/** Below this distance from the end the reader counts as being at it, in CSS pixels. */
export const nearEnd = 64;

/** Where the reader's eyes are: the end, or a row and how far its top is from the top of the view. */
export type Place = { readonly at: "end" } | { readonly at: "row"; readonly key: string; readonly top: number };

export interface RowBox {
  readonly key: string;
  readonly top: number;
  readonly bottom: number;
}

/**
 * The place of a view of the given height scrolled to `scrolled`, over rows in
 * document coordinates. The end counts only where nothing newer is left out.
 */
export function placeOf(rows: readonly RowBox[], scrolled: number, height: number, full: number, newest = true): Place {
  if (newest && full - scrolled - height <= nearEnd) return { at: "end" };
  const row = firstBelow(rows, scrolled);
  return row === undefined ? { at: "end" } : { at: "row", key: row.key, top: row.top - scrolled };
}

/** The scroll position at which the place looks as it did, undefined if its row is gone. */
export function scrollFor(place: Place, rows: readonly RowBox[], height: number, full: number): number | undefined {
  if (place.at === "end") return Math.max(0, full - height);
  const row = rows.find((one) => one.key === place.key);
  return row === undefined ? undefined : row.top - place.top;
}

/** The first row whose lower edge is below y. */
export function firstBelow(rows: readonly RowBox[], y: number): RowBox | undefined {
  let low = 0;
  let high = rows.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((rows[middle]?.bottom ?? 0) > y) high = middle;
    else low = middle + 1;
  }
  return rows[low];
}
