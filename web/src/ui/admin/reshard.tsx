import { useState } from "preact/hooks";
import { a } from "../../i18n/admin";
import type { ReshardStatus, Ring } from "../../model/admin";
import { ask } from "../kit/ask";
import { Button } from "../kit/button";
import { give } from "./give";
import { Asked } from "./parts";
import { PlanForm } from "./plan-form";
import { Progress } from "./progress";
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
            {status.can_reverse && <Reverse status={status} ordered={seen.again} />}
          </div>
        )
      }
    </Asked>
  );
}

function Reverse({ status, ordered }: { status: ReshardStatus; ordered: () => void }) {
  const [busy, setBusy] = useState(false);
  const go = async (): Promise<void> => {
    if (!(await ask({ title: a("reverseTitle"), text: a("reverseText"), yes: a("reverse") }))) return;
    setBusy(true);
    if (await give({ action: "reverse", version: status.version }, a("started"))) ordered();
    setBusy(false);
  };
  return (
    <section class="admin-part">
      <Button tone="quiet" busy={busy} onClick={() => void go()}>
        {a("reverse")}
      </Button>
    </section>
  );
}
