import { a } from "../../i18n/admin";
import type { Pause, ReshardStatus } from "../../model/admin";
import { millis } from "./format";
import { quantile } from "./geometry";

const WIDTH = 400;
const HEIGHT = 96;

/** How long each move held writes up: a dot a partition, in the order of time, under the line of the budget. */
export function Pauses({ status }: { status: Pick<ReshardStatus, "pauses" | "budget_us"> }) {
  return <PauseDots pauses={status.pauses} budget={status.budget_us} />;
}

export function PauseDots({ pauses, budget }: { pauses: readonly Pause[]; budget: number }) {
  const us = pauses.map((p) => p.us);
  const [p50, p99, longest] = [quantile(us, 0.5), quantile(us, 0.99), Math.max(0, ...us)];
  const top = Math.max(budget * 1.12, longest * 1.05);
  const y = (v: number): number => HEIGHT - (v / top) * HEIGHT;
  const step = WIDTH / Math.max(24, pauses.length);
  return (
    <section class="admin-part">
      <h3>{a("pauses")}</h3>
      <p class="meta">{a("pausesText", millis(budget))}</p>
      <svg class="pauses" viewBox={`-2 -4 ${WIDTH + 4} ${HEIGHT + 8}`} role="img" aria-label={a("pausesLabel", us.length, millis(p50), millis(p99), millis(longest))}>
        <line class="axis" x1="0" x2={WIDTH} y1={HEIGHT} y2={HEIGHT} />
        <line class="budget" x1="0" x2={WIDTH} y1={y(budget)} y2={y(budget)} />
        {pauses.map((p, i) => (
          <circle key={`${p.partition}/${p.at}`} class={p.us > budget ? "over" : ""} cx={(i + 0.5) * step} cy={y(p.us)} r={Math.min(3, Math.max(1.2, step / 2.4))} />
        ))}
        <text class="budget-name" x={WIDTH} y={y(budget) + 12} text-anchor="end">
          {a("budget")} {millis(budget)}
        </text>
      </svg>
      <p class="num meta">{us.length === 0 ? a("pausesNone") : `${a("p50")} ${millis(p50)} · ${a("p99")} ${millis(p99)} · ${a("longest")} ${millis(longest)}`}</p>
    </section>
  );
}
