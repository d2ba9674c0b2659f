import type { Item } from "../../model/layout";
import type { Millis } from "../../model/types";

export interface Day {
  readonly key: string;
  readonly at: Millis;
  readonly items: readonly Item[];
}

/** Cuts the items at their day lines, so that each day's name can stick while its messages pass. */
export function daysOf(items: readonly Item[]): readonly Day[] {
  const days: { key: string; at: Millis; items: Item[] }[] = [];
  const seen = new Map<string, number>();
  for (const item of items) {
    if (item.kind === "day") {
      // The key names the day, not its first message, so that older messages of a day join it.
      const name = item.key.split("/").slice(0, 2).join("/");
      const times = seen.get(name) ?? 0;
      seen.set(name, times + 1);
      days.push({ key: times === 0 ? name : `${name}/${times}`, at: item.at, items: [] });
    } else {
      const day = days[days.length - 1];
      if (day === undefined) days.push({ key: "day", at: 0, items: [item] });
      else day.items.push(item);
    }
  }
  return days;
}
