import { useMemo, useState } from "preact/hooks";
import { a, because } from "../../i18n/admin";
import type { Plan, Ring, Seat } from "../../model/admin";
import { go } from "../shell/route";
import { Button } from "../kit/button";
import { bytes, count, ratio, whole } from "./format";
import { PARTITIONS, seatColours } from "./geometry";
import { Asked, Fact, ShardName, Table } from "./parts";
import { RingPicture, shapeOf, shareOf, tellPartition } from "./ring-picture";
import { usePoll } from "./use-poll";

/** The ring as it is now. */
export function Overview() {
  const ring = usePoll((admin, signal) => admin.ring(signal), 1_500);
  return <Asked of={ring}>{(data) => <RingNow ring={data} />}</Asked>;
}

function RingNow({ ring }: { ring: Ring }) {
  const [picked, pick] = useState<number | null>(null);
  const shape = useMemo(() => shapeOf(ring), [ring]);
  const label = a("ringSummary", ring.seats.length, PARTITIONS) + (ring.moving.length > 0 ? a("ringMoving", ring.moving.length) : "");
  return (
    <div class="overview">
      <div class="overview-ring">
        <RingPicture shape={shape} label={label} tell={(p) => tellPartition(ring, p)} picked={picked} onPick={pick}>
          <Middle ring={ring} />
        </RingPicture>
        <p class="ring-told num">{picked === null ? label : tellPartition(ring, picked)}</p>
      </div>
      <div class="overview-side">
        {ring.plan !== undefined && <Going plan={ring.plan} />}
        <Verdict owner={ring.owner} />
        <Legend ring={ring} />
        <dl class="facts">
          <Fact label={a("version")}>{whole(ring.version)}</Fact>
          <Fact label={a("spread")}>{ratio(ring.spread)}</Fact>
          <Fact label={a("rows")}>{count(sum(ring.seats, (s) => s.rows))}</Fact>
          <Fact label={a("size")}>{bytes(sum(ring.seats, (s) => s.bytes))}</Fact>
          <Fact label={a("digest")}>
            <code>{ring.digest.slice(0, 12)}</code>
          </Fact>
        </dl>
      </div>
    </div>
  );
}

const sum = (seats: readonly Seat[], of: (s: Seat) => number): number => seats.reduce((all, s) => all + of(s), 0);

function Middle({ ring }: { ring: Ring }) {
  const left = ring.moving.length;
  return (
    <>
      <strong class="num">{left > 0 ? whole(left) : ring.seats.length}</strong>
      <span>{left > 0 ? a("stillToMove") : a("shards")}</span>
    </>
  );
}

/** What is under way, with the way to it. */
function Going({ plan }: { plan: Plan }) {
  return (
    <div class="going">
      <span class="grow">
        <strong>{planWords(plan)}</strong>
        {plan.paused && <span class="meta"> · {pausedWords(plan)}</span>}
      </span>
      <Button small onClick={() => go({ at: "admin", tab: "reshard" })}>
        {a("progress")}
      </Button>
    </div>
  );
}

/** That a plan is paused, and why if not by a person. */
export function pausedWords(plan: Plan): string {
  return plan.reason === undefined || plan.why === undefined || plan.why === "" ? a("paused") : a("pausedWhy", because(plan.reason));
}

export function planWords(plan: Plan): string {
  if (plan.kind === "add") return a("planAdd", plan.shard);
  return plan.kind === "remove" ? a("planRemove", plan.shard) : a("planReverse");
}

function Verdict({ owner }: { owner: readonly number[] }) {
  const none = owner.filter((o) => o === -1).length;
  const several = owner.filter((o) => o === -2).length;
  if (none === 0 && several === 0) return <p class="verdict good">{a("allWell")}</p>;
  return (
    <div role="alert">
      {none > 0 && <p class="verdict bad">{a("someUnowned", none)}</p>}
      {several > 0 && <p class="verdict bad">{a("someDoubled", several)}</p>}
    </div>
  );
}

function Legend({ ring }: { ring: Ring }) {
  const colours = seatColours(ring.seats.map((s) => s.id));
  return (
    <Table
      label={a("shards")}
      rows={ring.seats}
      id={(s) => s.id}
      columns={[
        { key: "id", head: a("shard"), by: (s) => s.id, cell: (s) => <ShardName id={s.id} colours={colours} sub={s.leaving === true ? a("leaving") : s.up ? undefined : a("down")} /> },
        { key: "partitions", head: a("partitions"), by: (s) => s.partitions, right: true, cell: (s) => whole(s.partitions) },
        { key: "share", head: a("share"), right: true, cell: (s) => shareOf(s.partitions) },
        { key: "rows", head: a("rows"), by: (s) => s.rows, right: true, cell: (s) => count(s.rows) },
        { key: "bytes", head: a("size"), by: (s) => s.bytes, right: true, cell: (s) => bytes(s.bytes) },
      ]}
    />
  );
}
