// The ring as geometry: each partition is a thin wedge in the segment of the shard that the plan gives it.

export const PARTITIONS = 1021;
const FULL = Math.PI * 2;

export interface Slot {
  readonly partition: number;
  /** Angles in radians, clockwise from the top. */
  readonly from: number;
  readonly to: number;
}

export interface Segment {
  readonly seat: number;
  readonly from: number;
  readonly to: number;
  readonly slots: readonly Slot[];
}

/**
 * Lays the partitions out in one segment a seat, sized by how many the plan gives it. In a segment those that are there
 * already come first, so it fills as a reshard goes on. `planned` and `owner` hold an index of a seat by partition.
 */
export function layRing(planned: readonly number[], owner: readonly number[], seats: number, gap = 0.045): readonly Segment[] {
  const mine: number[][] = Array.from({ length: seats }, () => []);
  planned.forEach((seat, p) => mine[seat]?.push(p));
  const used = mine.filter((list) => list.length > 0).length;
  const room = FULL - (used > 1 ? used * gap : 0);
  const total = mine.reduce((sum, list) => sum + list.length, 0);
  const step = total > 0 ? room / total : 0;
  const segments: Segment[] = [];
  let at = used > 1 ? gap / 2 : 0;
  mine.forEach((list, seat) => {
    if (list.length === 0) return;
    const order = [...list.filter((p) => owner[p] === seat), ...list.filter((p) => owner[p] !== seat).sort((a, b) => (owner[a] ?? 0) - (owner[b] ?? 0) || a - b)];
    const slots = order.map((partition, i) => ({ partition, from: at + i * step, to: at + (i + 1) * step }));
    segments.push({ seat, from: at, to: at + order.length * step, slots });
    at += order.length * step + (used > 1 ? gap : 0);
  });
  return segments;
}

const point = (angle: number, r: number): string => `${(Math.sin(angle) * r).toFixed(2)} ${(-Math.cos(angle) * r).toFixed(2)}`;

/** A wedge between two angles and two radii. */
export function wedge(from: number, to: number, inner: number, outer: number): string {
  // An arc cannot end where it begins.
  const end = Math.min(to, from + FULL - 1e-4);
  const large = end - from > Math.PI ? 1 : 0;
  return `M${point(from, outer)}A${outer} ${outer} 0 ${large} 1 ${point(end, outer)}L${point(end, inner)}A${inner} ${inner} 0 ${large} 0 ${point(from, inner)}Z`;
}

/** Wedges of neighbours as one path: those with the same radius are joined. */
export function wedges(slots: readonly Slot[], inner: number, outer: (partition: number) => number): string {
  let path = "";
  let begun: { from: number; to: number; r: number } | null = null;
  const flush = (): void => {
    if (begun !== null) path += wedge(begun.from, begun.to, inner, begun.r);
  };
  for (const s of slots) {
    const r = outer(s.partition);
    if (begun !== null && begun.r === r && Math.abs(begun.to - s.from) < 1e-6) {
      begun.to = s.to;
      continue;
    }
    flush();
    begun = { from: s.from, to: s.to, r };
  }
  flush();
  return path;
}

/** The slot at a place of the picture, seen from its middle; undefined beside the ring and in gaps. */
export function slotAt(segments: readonly Segment[], x: number, y: number, inner: number, outer: number): Slot | undefined {
  const r = Math.hypot(x, y);
  if (r < inner || r > outer) return undefined;
  const angle = (Math.atan2(x, -y) + FULL) % FULL;
  const segment = segments.find((s) => angle >= s.from && angle < s.to);
  if (segment === undefined || segment.slots.length === 0) return undefined;
  const step = (segment.to - segment.from) / segment.slots.length;
  return segment.slots[Math.min(segment.slots.length - 1, Math.floor((angle - segment.from) / step))];
}

/** How far out a partition reaches: by the logarithm of its rows, in eight steps so that neighbours join. */
export function heights(rows: readonly number[], low: number, high: number): (partition: number) => number {
  const most = Math.log1p(Math.max(1, ...rows));
  return (p) => low + (high - low) * (Math.round((Math.log1p(Math.max(0, rows[p] ?? 0)) / most) * 8) / 8);
}

/** A name as there is room for it beside the ring. */
export const shortName = (id: string): string => (id.length > 5 ? `${id.slice(0, 4)}…` : id);

/** Which of eight colours each shard has: the same whoever else comes or goes, as far as there are enough; never that of the one before. */
export function seatColours(ids: readonly string[]): ReadonlyMap<string, number> {
  const taken = new Set<number>();
  const found = new Map<string, number>();
  let before = -1;
  for (const id of [...ids].sort()) {
    if (taken.size === 8) {
      taken.clear();
      taken.add(before);
    }
    let c = (id.length === 1 ? id.charCodeAt(0) - 97 : [...id].reduce((sum, ch) => sum * 31 + ch.charCodeAt(0), 7)) & 7;
    for (let i = 0; i < 8 && taken.has(c) && taken.size < 8; i++) c = (c + 1) & 7;
    taken.add(c);
    before = c;
    found.set(id, c);
  }
  return found;
}

/** A line of values as an SVG path in a box; the latest at the right end. */
export function sparkline(values: readonly number[], width: number, height: number, slots: number): string {
  if (values.length < 2) return "";
  const most = Math.max(1e-9, ...values);
  const step = width / Math.max(1, slots - 1);
  const first = width - (values.length - 1) * step;
  return values.map((v, i) => `${i === 0 ? "M" : "L"}${(first + i * step).toFixed(1)} ${(height - (Math.max(0, v) / most) * height).toFixed(1)}`).join("");
}

/** The value below which a part (0 to 1) of them lies. */
export function quantile(values: readonly number[], part: number): number {
  if (values.length === 0) return 0;
  const sorted = [...values].sort((x, y) => x - y);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0;
}
