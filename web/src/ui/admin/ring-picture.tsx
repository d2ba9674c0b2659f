import { useMemo, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { a, step } from "../../i18n/admin";
import type { Ring } from "../../model/admin";
import { count, share } from "./format";
import { heights, layRing, PARTITIONS, seatColours, shortName, slotAt, wedge, wedges, type Segment, type Slot } from "./geometry";

const INNER = 118;
const LOW = 136;
const HIGH = 166;
const EDGE = 172; // where a pointer still hits
const NAME = 186;

export interface RingShape {
  readonly seats: readonly string[];
  readonly planned: readonly number[];
  readonly owner: readonly number[];
  readonly rows: readonly number[];
  /** Partitions that move just now; those that wait for it are not among them. */
  readonly busy: ReadonlySet<number>;
}

/** What the picture draws of the ring as it is. */
export function shapeOf(ring: Ring): RingShape {
  const seats = ring.seats.map((s) => s.id);
  const planned = [...ring.owner];
  const busy = new Set<number>();
  for (const m of ring.moving) {
    planned[m.partition] = seats.indexOf(m.to);
    if (m.state !== "planned") busy.add(m.partition);
  }
  awayWith(ring, planned);
  return { seats, planned, owner: ring.owner, rows: ring.rows, busy };
}

/** Lets what nobody serves stand at the shards that do not answer, so that their segments are missed and not forgotten. */
function awayWith(ring: Ring, planned: number[]): void {
  const down = ring.seats.flatMap((s, i) => (s.up ? [] : [{ i, room: s.planned - planned.filter((o) => o === i).length }]));
  if (down.length === 0) return;
  planned.forEach((o, p) => {
    if (o !== -1) return;
    const at = down.find((d) => d.room > 0) ?? down[0];
    if (at === undefined) return;
    at.room--;
    planned[p] = at.i;
  });
}

/**
 * The ring: a segment a shard, a wedge a partition, the higher the more rows. A partition that is still elsewhere has the
 * colour of where it is and is hatched, so the segment of a shard that comes fills as the partitions arrive.
 */
export function RingPicture({ shape, label, tell, children, onPick, picked }: {
  shape: RingShape;
  label: string;
  tell: (partition: number) => string;
  children?: ComponentChildren;
  picked: number | null;
  onPick: (partition: number | null) => void;
}) {
  const colours = useMemo(() => seatColours(shape.seats), [shape.seats.join()]);
  const segments = useMemo(() => layRing(shape.planned, shape.owner, shape.seats.length), [shape]);
  const paths = useMemo(() => draw(segments, shape), [segments, shape]);
  const [pinned, pin] = useState(false);
  const slot = picked === null ? undefined : find(segments, picked);
  const at = (e: PointerEvent): number | null => {
    const box = (e.currentTarget as SVGSVGElement).getBoundingClientRect();
    const scale = 400 / box.width;
    return slotAt(segments, (e.clientX - box.left) * scale - 200, (e.clientY - box.top) * scale - 200, INNER, EDGE)?.partition ?? null;
  };
  const stride = (by: number): void => {
    const order = segments.flatMap((s) => s.slots.map((x) => x.partition));
    const here = picked === null ? -1 : order.indexOf(picked);
    onPick(order[(here + by + order.length) % order.length] ?? null);
    pin(true);
  };
  return (
    <div
      class="ring"
      role="slider"
      tabIndex={0}
      aria-label={label}
      aria-description={a("ringKeys")}
      aria-valuemin={0}
      aria-valuemax={PARTITIONS - 1}
      aria-valuenow={picked ?? 0}
      aria-valuetext={picked === null ? label : tell(picked)}
      onKeyDown={(e) => {
        const by = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: 25, PageDown: -25 }[e.key];
        if (by === undefined) return;
        e.preventDefault();
        stride(by);
      }}
    >
      <svg
        viewBox="-200 -200 400 400"
        aria-hidden="true"
        focusable="false"
        onPointerMove={(e) => (e.pointerType === "mouse" && !pinned ? onPick(at(e)) : undefined)}
        onPointerLeave={(e) => (e.pointerType === "mouse" && !pinned ? onPick(null) : undefined)}
        onPointerDown={(e) => {
          const p = at(e);
          pin(p !== null);
          onPick(p);
        }}
      >
        <defs>
          <pattern id="hatch" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
            <rect class="hatch-line" width="2.4" height="5" />
          </pattern>
        </defs>
        {paths.map((p) => (
          <path key={p.key} class={p.seat < 0 ? "wedge lost" : `wedge seat-${colours.get(shape.seats[p.seat] ?? "") ?? 7}`} d={p.d} />
        ))}
        {paths.filter((p) => p.away).map((p) => (
          <path key={`h${p.key}`} class={p.busy ? "hatch busy" : "hatch"} d={p.d} />
        ))}
        {segments.map((s) => (
          <Name key={s.seat} segment={s} id={shape.seats[s.seat] ?? ""} />
        ))}
        {slot !== undefined && <path class="wedge-picked" d={wedge(slot.from - 0.004, slot.to + 0.004, INNER - 5, HIGH + 6)} />}
      </svg>
      <div class="ring-middle">{children}</div>
    </div>
  );
}

function Name({ segment, id }: { segment: Segment; id: string }) {
  const mid = (segment.from + segment.to) / 2;
  return (
    <text class="ring-name" x={Math.sin(mid) * NAME} y={-Math.cos(mid) * NAME} text-anchor="middle" dominant-baseline="central">
      {shortName(id)}
    </text>
  );
}

function find(segments: readonly Segment[], partition: number): Slot | undefined {
  for (const s of segments) {
    const slot = s.slots.find((x) => x.partition === partition);
    if (slot !== undefined) return slot;
  }
  return undefined;
}

interface Drawn {
  readonly key: string;
  readonly seat: number;
  readonly away: boolean;
  readonly busy: boolean;
  readonly d: string;
}

/** One path for all wedges that look alike: some dozen instead of a thousand. */
function draw(segments: readonly Segment[], shape: RingShape): readonly Drawn[] {
  const outer = heights(shape.rows, LOW, HIGH);
  const found: Drawn[] = [];
  for (const s of segments) {
    const groups = new Map<string, { seat: number; away: boolean; busy: boolean; slots: Slot[] }>();
    for (const slot of s.slots) {
      const seat = shape.owner[slot.partition] ?? -1;
      const away = seat !== s.seat;
      const busy = shape.busy.has(slot.partition);
      const key = `${seat}/${away}/${busy}`;
      const group = groups.get(key) ?? { seat, away, busy, slots: [] };
      group.slots.push(slot);
      groups.set(key, group);
    }
    for (const [key, g] of groups) found.push({ key: `${s.seat}/${key}`, seat: g.seat, away: g.away, busy: g.busy, d: wedges(g.slots, INNER, outer) });
  }
  return found;
}

/** What is to be said of one partition. */
export function tellPartition(ring: Ring, p: number): string {
  const m = ring.moving.find((x) => x.partition === p);
  if (m !== undefined) return a("partitionMoves", p, m.from, m.to, step(m.state));
  const seat = ring.owner[p] ?? -1;
  if (seat === -2) return a("partitionSeveral", p);
  const id = ring.seats[seat]?.id;
  return id === undefined ? a("partitionNone", p) : a("partitionIs", p, id, count(ring.rows[p] ?? 0));
}

export const shareOf = (partitions: number): string => share(partitions / PARTITIONS);
