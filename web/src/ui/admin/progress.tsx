import { useMemo, useState } from "preact/hooks";
import { a, because, step } from "../../i18n/admin";
import { ago } from "../../i18n/time";
import type { Move, Order, ReshardStatus, Ring } from "../../model/admin";
import { ask } from "../kit/ask";
import { Button } from "../kit/button";
import { Field } from "../kit/field";
import { bytes, count, duration, millis, whole } from "./format";
import { seatColours } from "./geometry";
import { pausedWords, planWords } from "./overview";
import { Fact, ServerSays, ShardName, Table } from "./parts";
import { Pauses } from "./pauses";
import { give } from "./give";
import { RingPicture, shapeOf, tellPartition } from "./ring-picture";

/** A reshard while it goes on. */
export function Progress({ status, ring, ordered }: { status: ReshardStatus; ring: Ring; ordered: () => void }) {
  const plan = status.plan;
  const [picked, pick] = useState<number | null>(null);
  const shape = useMemo(() => shapeOf(ring), [ring]);
  if (plan === undefined) return null;
  const all = status.done + status.left;
  const part = all > 0 ? status.done / all : 0;
  const label = `${planWords(plan)}. ${a("progressOf", status.done, all)}`;
  return (
    <div class="overview">
      <div class="overview-ring">
        <RingPicture shape={shape} label={label} tell={(p) => tellPartition(ring, p)} picked={picked} onPick={pick}>
          <strong class="num">{Math.floor(part * 100)}%</strong>
          <span class="num">{a("progressOf", status.done, all)}</span>
        </RingPicture>
        <p class="ring-told num">{picked === null ? label : tellPartition(ring, picked)}</p>
      </div>
      <div class="overview-side">
        <div class="plan-head">
          <h3>{planWords(plan)}</h3>
          {plan.paused && (
            <div class="notice" role="status">
              {pausedWords(plan)}
              {plan.why !== undefined && plan.why !== "" && plan.reason?.code !== "aborting" && <ServerSays text={plan.why} />}
            </div>
          )}
          {!plan.paused && !plan.detached && <p class="notice">{a("waitsForCommand")}</p>}
          <p class="meta">
            <code>{plan.id}</code> · {a("since", ago(plan.begun_at))}
          </p>
        </div>
        <div class="bar-line" role="progressbar" aria-label={a("progress")} aria-valuemin={0} aria-valuemax={all} aria-valuenow={status.done}>
          <svg viewBox="0 0 100 2" preserveAspectRatio="none" aria-hidden="true">
            <rect class="lane-back" width="100" height="2" />
            <rect class="bar-fill" width={part * 100} height="2" />
          </svg>
        </div>
        <dl class="facts">
          <Fact label={a("timeLeft")}>{status.left_ms > 0 && !plan.paused ? duration(status.left_ms) : a("unknown")}</Fact>
          <Fact label={a("speed")}>{plan.paused ? a("unknown") : `${bytes(status.bytes_s)}/s`}</Fact>
          <Fact label={a("rowsPerSecond")}>{plan.paused ? a("unknown") : count(status.rows_s)}</Fact>
          <Fact label={a("copied")}>{count(status.rows)}</Fact>
          <Fact label={a("dirty")}>{count(status.dirty)}</Fact>
        </dl>
        <Orders status={status} ordered={ordered} />
        <Pauses status={status} />
        <Moves moves={status.moves} ring={ring} />
      </div>
    </div>
  );
}

function Orders({ status, ordered }: { status: ReshardStatus; ordered: () => void }) {
  const plan = status.plan;
  const [busy, setBusy] = useState("");
  const [mbps, setMbps] = useState(String(plan?.mbps ?? 0));
  const [slowdown, setSlowdown] = useState(String(plan?.slowdown ?? 2));
  const [open, setOpen] = useState(false);
  if (plan === undefined) return null;
  const order = async (o: Order, done: string): Promise<void> => {
    setBusy(o.action);
    if (await give(o, done)) ordered();
    setBusy("");
  };
  const sure = async (action: "abort" | "reverse"): Promise<void> => {
    const asked = action === "abort" ? ({ title: a("abortTitle"), text: a("abortText"), yes: a("abort"), danger: true } as const) : ({ title: a("reverseTitle"), text: a("reverseText"), yes: a("goBack") } as const);
    if (await ask(asked)) await order({ action, version: status.version }, a("ordered"));
  };
  const stopped = plan.paused || !plan.detached;
  return (
    <>
      <div class="form-actions start">
        {stopped ? (
          <Button tone="accent" busy={busy === "resume"} onClick={() => void order({ action: "resume", version: status.version }, a("ordered"))}>
            {a("resume")}
          </Button>
        ) : (
          <Button busy={busy === "pause"} onClick={() => void order({ action: "pause", version: status.version }, a("ordered"))}>
            {a("pause")}
          </Button>
        )}
        <Button tone="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
          {a("throttle")}
        </Button>
        {status.can_reverse && plan.kind !== "reverse" && (
          <Button tone="quiet" busy={busy === "reverse"} onClick={() => void sure("reverse")}>
            {a("goBack")}
          </Button>
        )}
        <Button tone="quiet" busy={busy === "abort"} onClick={() => void sure("abort")}>
          {a("abort")}
        </Button>
      </div>
      {open && (
        <form
          class="bounds"
          onSubmit={(e) => {
            e.preventDefault();
            void order({ action: "set", version: status.version, mbps: Number(mbps) || 0, slowdown: Math.max(1, Number(slowdown) || 2) }, a("ordered"));
          }}
        >
          <Field label={a("mbps")} hint={a("mbpsHint")} inputMode="decimal" value={mbps} onValue={setMbps} />
          <Field label={a("slowdown")} inputMode="decimal" value={slowdown} onValue={setSlowdown} />
          <Button type="submit" busy={busy === "set"}>
            {a("apply")}
          </Button>
        </form>
      )}
    </>
  );
}

/** A move's step, and why its last attempt ended. */
function stepOf(m: Move) {
  const tried = `${step(m.state)}${m.attempt > 1 ? ` · ${a("attempt", m.attempt)}` : ""}`;
  if (m.error === undefined || m.error === "") return tried;
  return (
    <span class="two-lines" title={m.error}>
      <span>{tried}</span>
      <span class="meta">{because(m.reason)}</span>
    </span>
  );
}

function Moves({ moves, ring }: { moves: readonly Move[]; ring: Ring }) {
  const colours = seatColours(ring.seats.map((s) => s.id));
  return (
    <section class="admin-part">
      <h3>{a("under")}</h3>
      {moves.length === 0 ? (
        <p class="admin-none">{a("noMoves")}</p>
      ) : (
        <Table
          label={a("under")}
          rows={moves}
          id={(m) => String(m.partition)}
          columns={[
            { key: "partition", head: a("partition"), right: true, by: (m) => m.partition, cell: (m) => m.partition },
            { key: "from", head: a("from"), by: (m) => m.from, cell: (m) => <ShardName id={m.from} colours={colours} /> },
            { key: "to", head: a("to"), by: (m) => m.to, cell: (m) => <ShardName id={m.to} colours={colours} /> },
            { key: "state", head: a("step"), by: (m) => m.state, cell: stepOf },
            { key: "rows", head: a("rows"), right: true, by: (m) => m.rows, cell: (m) => `${count(m.rows)} / ${count(Math.max(m.rows, m.total_rows))}` },
            { key: "dirty", head: a("dirty"), right: true, by: (m) => m.dirty, cell: (m) => whole(m.dirty) },
            { key: "pause", head: a("pauseLength"), right: true, by: (m) => m.pause_us, cell: (m) => (m.pause_us > 0 ? millis(m.pause_us) : a("unknown")) },
          ]}
        />
      )}
    </section>
  );
}
