import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { a } from "../../i18n/admin";
import { ago } from "../../i18n/time";
import type { ReshardStatus, Ring } from "../../model/admin";
import { ask } from "../kit/ask";
import { Button } from "../kit/button";
import { give } from "./give";
import { Asked } from "./parts";
import { PlanForm } from "./plan-form";
import { Progress } from "./progress";
import { Verdict } from "./receipts";
import { go } from "../shell/route";
import { usePoll } from "./use-poll";

interface Seen {
  readonly status: ReshardStatus;
  readonly ring: Ring;
}

/** The reshard under way; at rest, what one would move. */
export function Reshard() {
  const seen = usePoll<Seen>(async (admin, signal) => {
    const [status, ring] = await Promise.all([admin.status(signal), admin.ring(signal)]);
    return { status, ring };
  }, 1_000);
  return (
    <Asked of={seen}>
      {({ status, ring }) =>
        status.plan !== undefined ? (
          <Progress status={status} ring={ring} ordered={seen.again} />
        ) : (
          <div class="admin-parts">
            <PlanForm ring={ring} status={status} ordered={seen.again} />
            <Last key={status.version}>{status.can_reverse && <Reverse status={status} ordered={seen.again} />}</Last>
          </div>
        )
      }
    </Asked>
  );
}

/** What was done last: a small one is over before anybody has seen it go. */
function Last({ children }: { children: ComponentChildren }) {
  const list = usePoll((admin, signal) => admin.receipts(signal), 5_000);
  const r = list.data?.[0];
  if (r === undefined) return <>{children}</>;
  return (
    <section class="admin-part">
      <h3>{a("lastReshard")}</h3>
      <p>
        {a("fromTo", r.from.join(" "), r.to.join(" "))} <span class="meta">· {a("countPartitions", r.partitions)} · {ago(r.ended_at)}</span>
      </p>
      <Verdict receipt={r} />
      <div class="form-actions start">
        <Button small tone="quiet" onClick={() => go({ at: "admin", tab: "receipts" })}>
          {a("receipts")}
        </Button>
        {children}
      </div>
    </section>
  );
}

function Reverse({ status, ordered }: { status: ReshardStatus; ordered: () => void }) {
  const [busy, setBusy] = useState(false);
  const order = async (): Promise<void> => {
    if (!(await ask({ title: a("reverseTitle"), text: a("reverseText"), yes: a("reverse") }))) return;
    setBusy(true);
    if (await give({ action: "reverse", version: status.version }, a("started"))) ordered();
    setBusy(false);
  };
  return (
    <Button small tone="quiet" busy={busy} onClick={() => void order()}>
      {a("reverse")}
    </Button>
  );
}
