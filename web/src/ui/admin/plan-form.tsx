import { useEffect, useState } from "preact/hooks";
import { a } from "../../i18n/admin";
import type { Change, Preview, ReshardStatus, Ring } from "../../model/admin";
import { problemOf } from "../../model/problem";
import { admin } from "../../sync/commands";
import { ask } from "../kit/ask";
import { Button } from "../kit/button";
import { Field, Segmented } from "../kit/field";
import { bytes, count, ratio, whole } from "./format";
import { layRing, seatColours, shortName, wedges } from "./geometry";
import { ShardName, Table } from "./parts";
import { give, told } from "./give";

/** A name that no shard has: the next letter. */
export function nextName(taken: readonly string[]): string {
  for (const c of "abcdefghijklmnopqrstuvwxyz") if (!taken.includes(c)) return c;
  let i = 1;
  while (taken.includes(`s${i}`)) i++;
  return `s${i}`;
}

/** Chooses a change of the ring, shows what it would move, and begins it. */
export function PlanForm({ ring, status, ordered }: { ring: Ring; status: ReshardStatus; ordered: () => void }) {
  const ids = ring.seats.map((s) => s.id);
  const [kind, setKind] = useState<Change["change"]>("add");
  const [name, setName] = useState(() => nextName(ids));
  const [leaver, setLeaver] = useState(ids[ids.length - 1] ?? "");
  const [addr, setAddr] = useState("");
  const [wrong, setWrong] = useState<{ readonly name?: string; readonly addr?: string }>({});
  const [preview, setPreview] = useState<Preview | null>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => setPreview(null), [kind, name, leaver, addr, ring.version]);
  const shard = kind === "add" ? name.trim() : leaver;
  const change: Change = { change: kind, shard, ...(kind === "add" && addr.trim() !== "" ? { addr: addr.trim() } : {}) };
  const look = async (): Promise<void> => {
    if (kind === "add" && !/^[a-z][a-z0-9-]{0,31}$/.test(shard)) return setWrong({ name: a("nameWrong") });
    if (kind === "add" && ids.includes(shard)) return setWrong({ name: a("nameTaken") });
    setWrong({});
    setBusy(true);
    try {
      setPreview(await (await admin()).preview(change));
    } catch (err) {
      const problem = problemOf(err);
      setWrong(kind === "add" && addr !== "" ? { addr: told(problem) } : { name: told(problem) });
    }
    setBusy(false);
  };
  const start = async (p: Preview): Promise<void> => {
    if (kind === "add" && addr.trim() === "" && !p.makes) return setWrong({ addr: a("addressNeeded") });
    const title = kind === "add" ? a("startAdd", shard) : a("startRemove", shard);
    if (!(await ask({ title, text: a("startText", p.partitions), yes: a("start") }))) return;
    setBusy(true);
    const order = kind === "add" ? ({ action: "add", ...named(change), version: p.version } as const) : ({ action: "remove", shard, version: p.version } as const);
    if (await give(order, a("started"))) ordered();
    setBusy(false);
  };
  return (
    <section class="admin-part plan">
      <div class="admin-part">
        <h3>{a("change")}</h3>
        <p class="meta">{a("changeText")}</p>
      </div>
      <form
        class="form plan-form"
        noValidate
        onSubmit={(e) => {
          e.preventDefault();
          void look();
        }}
      >
        <Segmented
          label={a("kind")}
          value={kind}
          choices={[
            { value: "add", label: a("add") },
            { value: "remove", label: a("remove") },
          ]}
          onChange={setKind}
        />
        {kind === "add" ? (
          <>
            <Field label={a("name")} value={name} onValue={setName} hint={a("nameHint")} problem={wrong.name} maxLength={32} autoComplete="off" spellcheck={false} />
            <Field
              label={a("address")} value={addr} onValue={setAddr} placeholder={a("addressHint")} hint={status.can_make ? a("addressMade") : a("addressNeeded")}
              problem={wrong.addr} maxLength={500} autoComplete="off" spellcheck={false}
            />
          </>
        ) : (
          <Segmented label={a("which")} value={leaver} choices={ids.map((id) => ({ value: id, label: id }))} onChange={setLeaver} />
        )}
        {wrong.name !== undefined && kind === "remove" && (
          <p class="notice bad" role="alert">
            {wrong.name}
          </p>
        )}
        <div class="form-actions start">
          <Button type="submit" busy={busy && preview === null}>
            {a("preview")}
          </Button>
        </div>
      </form>
      {preview !== null && (
        <div class="preview" role="status">
          <Pictures preview={preview} ring={ring} />
          <p>
            <strong>{a("previewOf", preview.partitions, count(preview.rows), bytes(preview.bytes))}</strong>
          </p>
          <p class="meta">{a("previewSpread", ratio(preview.spread))}</p>
          <Sums preview={preview} />
          <div class="form-actions start">
            <Button tone="accent" busy={busy} onClick={() => void start(preview)}>
              {a("start")}
            </Button>
          </div>
        </div>
      )}
    </section>
  );
}

const named = (c: Change): { shard: string; addr?: string } => (c.addr === undefined ? { shard: c.shard } : { shard: c.shard, addr: c.addr });

/** The ring before and after, side by side. */
function Pictures({ preview, ring }: { preview: Preview; ring: Ring }) {
  const before = ring.seats.map((s) => s.id);
  const after = preview.after.map((s) => s.shard);
  const colours = seatColours([...new Set([...before, ...after])]);
  return (
    <div class="pictures">
      <Small title={a("before")} ids={before} owner={ring.owner} colours={colours} />
      <span class="pictures-arrow" aria-hidden="true">
        →
      </span>
      <Small title={a("after")} ids={after} owner={preview.owner} from={ring.owner.map((o) => after.indexOf(before[o] ?? ""))} colours={colours} />
    </div>
  );
}

function Small({ title, ids, owner, from, colours }: {
  title: string; ids: readonly string[]; owner: readonly number[]; from?: readonly number[]; colours: ReadonlyMap<string, number>;
}) {
  const segments = layRing(owner, from ?? owner, ids.length, 0.07);
  return (
    <figure class="small-ring">
      <svg viewBox="-114 -106 228 212" role="img" aria-label={`${title}: ${ids.map((id, i) => `${id} ${owner.filter((o) => o === i).length}`).join(", ")}`}>
        {segments.map((s) => {
          const mid = (s.from + s.to) / 2;
          const arrived = from === undefined ? [] : s.slots.filter((x) => from[x.partition] !== s.seat);
          return (
            <g key={s.seat}>
              <path class={`wedge seat-${colours.get(ids[s.seat] ?? "") ?? 7}`} d={wedges(s.slots, 58, () => 78)} />
              {arrived.length > 0 && <path class="arrived" d={wedges(arrived, 80, () => 83)} />}
              <text class="ring-name" x={Math.sin(mid) * 100} y={-Math.cos(mid) * 96} text-anchor="middle" dominant-baseline="central">
                {shortName(ids[s.seat] ?? "")}
              </text>
            </g>
          );
        })}
      </svg>
      <figcaption>{title}</figcaption>
    </figure>
  );
}

interface Row {
  readonly shard: string;
  readonly before: number;
  readonly after: number;
  readonly rows: number;
  readonly bytes: number;
}

function Sums({ preview }: { preview: Preview }) {
  const ids = [...new Set([...preview.before, ...preview.after].map((s) => s.shard))].sort();
  const colours = seatColours(ids);
  const rows: Row[] = ids.map((shard) => {
    const b = preview.before.find((s) => s.shard === shard);
    const x = preview.after.find((s) => s.shard === shard);
    return { shard, before: b?.partitions ?? 0, after: x?.partitions ?? 0, rows: x?.rows ?? 0, bytes: x?.bytes ?? 0 };
  });
  return (
    <Table
      label={a("preview")}
      rows={rows}
      id={(r) => r.shard}
      columns={[
        { key: "shard", head: a("shard"), by: (r) => r.shard, cell: (r) => <ShardName id={r.shard} colours={colours} /> },
        { key: "before", head: a("before"), right: true, by: (r) => r.before, cell: (r) => whole(r.before) },
        { key: "after", head: a("after"), right: true, by: (r) => r.after, cell: (r) => whole(r.after) },
        { key: "change", head: "±", right: true, by: (r) => r.after - r.before, cell: (r) => signed(r.after - r.before) },
        { key: "rows", head: a("rows"), right: true, by: (r) => r.rows, cell: (r) => count(r.rows) },
        { key: "bytes", head: a("size"), right: true, by: (r) => r.bytes, cell: (r) => bytes(r.bytes) },
      ]}
    />
  );
}

const signed = (n: number): string => (n > 0 ? `+${whole(n)}` : n < 0 ? `−${whole(-n)}` : "0");
