import { useState } from "preact/hooks";
import { a } from "../../i18n/admin";
import { ago } from "../../i18n/time";
import type { Ring, Seat, ShardVitals } from "../../model/admin";
import { Button } from "../kit/button";
import { bytes, count, millis, whole } from "./format";
import { seatColours, sparkline } from "./geometry";
import { Asked, Fact, ShardName, Table } from "./parts";
import { usePoll } from "./use-poll";

const KEPT = 60;

interface Seen {
  readonly shards: readonly ShardVitals[];
  readonly ring: Ring;
  readonly past: ReadonlyMap<string, readonly number[]>;
}

/** Each shard as a lane: its size, what it does, and how it is. */
export function Shards() {
  const [past] = useState(() => new Map<string, number[]>());
  const seen = usePoll<Seen>(async (admin, signal) => {
    const [shards, ring] = await Promise.all([admin.shards(signal), admin.ring(signal)]);
    for (const s of shards) past.set(s.id, [...(past.get(s.id) ?? []), s.rows_s].slice(-KEPT));
    return { shards, ring, past: new Map(past) };
  }, 2_000);
  return <Asked of={seen}>{(data) => <Lanes {...data} />}</Asked>;
}

function Lanes({ shards, ring, past }: Seen) {
  const colours = seatColours(ring.seats.map((s) => s.id));
  const most = Math.max(1, ...shards.map((s) => s.bytes));
  return (
    <ul class="lanes">
      {shards.map((s) => (
        <Lane key={s.id} shard={s} seat={ring.seats.find((x) => x.id === s.id)} colours={colours} most={most} past={past.get(s.id) ?? []} />
      ))}
    </ul>
  );
}

function Lane({ shard: s, seat, colours, most, past }: {
  shard: ShardVitals; seat: Seat | undefined; colours: ReadonlyMap<string, number>; most: number; past: readonly number[];
}) {
  const [open, setOpen] = useState(false);
  const lane = (
    <>
      <dl class="facts">
        <Fact label={a("partitions")}>{whole(s.partitions)}</Fact>
        <Fact label={a("rows")}>{count(s.rows)}</Fact>
        <Fact label={a("messages")}>{count(s.messages)}</Fact>
        <Fact label={a("writes")}>{count(s.writes_s)}</Fact>
        <Fact label={a("wal")}>{bytes(s.wal_bytes_s)}</Fact>
        <Fact label={a("ping")}>{millis(s.ping_us)}</Fact>
        <Fact label={a("connections")}>
          {whole(s.conns)} / {whole(s.max_conns)}
        </Fact>
        <Fact label={a("pending")}>{whole(s.pending)}</Fact>
        <Fact label={a("dirty")}>{whole(s.dirty)}</Fact>
      </dl>
      <p class="meta">
        PostgreSQL {s.version} · {a("since", ago(s.started_at))} · {standbyOf(s, seat)}
        {seat !== undefined && seat.left > 0 && ` · ${a("toClean", seat.left)}`}
      </p>
    </>
  );
  return (
    <li class="lane">
      <header class="lane-head">
        <ShardName id={s.id} colours={colours} sub={seat?.leaving === true ? a("leaving") : undefined} />
        <span class={s.up ? "health good" : "health bad"}>{s.up ? a("up") : a("down")}</span>
        <span class="grow" />
        {s.up && <Rate id={s.id} past={past} now={s.rows_s} />}
      </header>
      <div class="lane-size">
        <svg viewBox="0 0 100 3" preserveAspectRatio="none" aria-hidden="true">
          <rect class="lane-back" width="100" height="3" />
          <rect class={`lane-fill seat-${colours.get(s.id) ?? 7}`} width={Math.max(0.6, (s.bytes / most) * 100)} height="3" />
        </svg>
        <strong class="num">{bytes(s.bytes)}</strong>
      </div>
      {s.up && lane}
      {s.up && (
        <Button small tone="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
          {a("tables")}
        </Button>
      )}
      {open && s.up && (
        <Table
          label={a("tablesOf", s.id)}
          rows={s.tables}
          id={(x) => x.name}
          first="-bytes"
          columns={[
            { key: "name", head: a("name"), by: (x) => x.name, cell: (x) => <code>{x.name}</code> },
            { key: "rows", head: a("rows"), by: (x) => x.rows, right: true, cell: (x) => whole(x.rows) },
            { key: "bytes", head: a("size"), by: (x) => x.bytes, right: true, cell: (x) => bytes(x.bytes) },
          ]}
        />
      )}
    </li>
  );
}

function Rate({ id, past, now }: { id: string; past: readonly number[]; now: number }) {
  return (
    <span class="rate">
      <svg viewBox="0 -2 120 28" aria-hidden="true">
        <path d={sparkline(past, 120, 24, KEPT)} />
      </svg>
      <span class="num">
        <strong>{count(now)}</strong> <span class="meta">{a("rowsEach")}</span>
        <span class="sr"> {id}</span>
      </span>
    </span>
  );
}

function standbyOf(s: ShardVitals, seat: Seat | undefined): string {
  const named = seat?.standby !== undefined && seat.standby !== "";
  if (!named && (s.standby === undefined || s.standby === "")) return `${a("standby")}: ${a("standbyNone")}`;
  const words = [`${a("standby")}: ${named ? seat.standby : a("standbyThere")}`];
  if (named) words.push(seat?.sync === true ? a("standbySync") : a("standbyMayLose"));
  if ((s.standby_lag ?? 0) > 0) words.push(a("behind", bytes(s.standby_lag ?? 0)));
  if (seat !== undefined) words.push(a("term", seat.term));
  return words.join(", ");
}
