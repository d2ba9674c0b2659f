import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { a } from "../../i18n/admin";
import { t } from "../../i18n/index";
import { Button } from "../kit/button";
import { Empty, Later } from "../kit/empty";
import { Mark } from "../kit/mark";
import { words } from "../kit/problem";
import type { Polled } from "./use-poll";

/** A shard's name with its colour: never the colour alone. */
export function ShardName({ id, colours, sub }: { id: string; colours: ReadonlyMap<string, number>; sub?: string | undefined }) {
  return (
    <span class="shard-name">
      <span class={`swatch seat-${colours.get(id) ?? 7}`} aria-hidden="true" />
      <strong>{id}</strong>
      {sub !== undefined && <span class="meta">{sub}</span>}
    </span>
  );
}

/** What is asked for again and again: waiting, refused, or there, maybe a moment old. */
export function Asked<T>({ of, children }: { of: Polled<T>; children: (data: T) => ComponentChildren }) {
  if (of.data === null && of.problem !== null) {
    return (
      <Empty title={words(of.problem)}>
        <Button onClick={of.again}>{t("retry")}</Button>
      </Empty>
    );
  }
  if (of.data === null) {
    return (
      <Later>
        <div class="admin-wait" role="status" aria-label={t("loading")}>
          <Mark size={40} turning />
        </div>
      </Later>
    );
  }
  return (
    <>
      {of.problem !== null && (
        <p class="notice" role="status">
          {a("stale")}
        </p>
      )}
      {children(of.data)}
    </>
  );
}

/** What the server says word for word, in English: for whoever looks into it. */
export function ServerSays({ text }: { text: string }) {
  return (
    <details class="raw">
      <summary>{a("serverSays")}</summary>
      <code lang="en">{text}</code>
    </details>
  );
}

export function Fact({ label, children }: { label: string; children: ComponentChildren }) {
  return (
    <div class="fact">
      <dt>{label}</dt>
      <dd class="num">{children}</dd>
    </div>
  );
}

export interface Column<R> {
  readonly key: string;
  readonly head: string;
  /** Shown in the cell. */
  readonly cell: (row: R) => ComponentChildren;
  /** What it sorts by; without it the column does not sort. */
  readonly by?: (row: R) => number | string;
  readonly right?: boolean;
  /** Left out where there is little room. */
  readonly wide?: boolean;
}

/** A table that sorts; it scrolls by itself where the screen is narrow. */
export function Table<R>({ label, columns, rows, id, first }: {
  label: string;
  columns: readonly Column<R>[];
  rows: readonly R[];
  id: (row: R) => string;
  /** The column it is sorted by at first, with a minus for the largest on top. */
  first?: string;
}) {
  const [sort, setSort] = useState(first ?? "");
  const down = sort.startsWith("-");
  const by = columns.find((c) => c.key === sort.replace(/^-/, ""))?.by;
  const sorted = by === undefined ? rows : [...rows].sort((x, y) => compare(by(x), by(y)) * (down ? -1 : 1));
  return (
    <div class="table-scroll" role="region" aria-label={label} tabIndex={0}>
      <table class="table">
        <caption class="sr">{label}</caption>
        <thead>
          <tr>
            {columns.map((c) => (
              <th key={c.key} scope="col" class={classOf(c)} aria-sort={sort === c.key ? "ascending" : sort === `-${c.key}` ? "descending" : "none"}>
                {c.by === undefined ? (
                  c.head
                ) : (
                  <button type="button" onClick={() => setSort(sort === `-${c.key}` ? c.key : `-${c.key}`)}>
                    {c.head}
                    <span aria-hidden="true">{sort === c.key ? " ↑" : sort === `-${c.key}` ? " ↓" : ""}</span>
                  </button>
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {sorted.map((row) => (
            <tr key={id(row)}>
              {columns.map((c) => (
                <td key={c.key} class={classOf(c)}>
                  {c.cell(row)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

const classOf = <R,>(c: Column<R>): string => `${c.right === true ? "right num" : ""}${c.wide === true ? " only-wide" : ""}`;

function compare(x: number | string, y: number | string): number {
  return typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y));
}
