import { useEffect, useState } from "preact/hooks";
import { a, because, checkState, faultWords, known } from "../../i18n/admin";
import { ago } from "../../i18n/time";
import type { ReceiptCheck, ReceiptSum } from "../../model/admin";
import { problemOf } from "../../model/problem";
import { admin } from "../../sync/commands";
import { Button } from "../kit/button";
import { say } from "../kit/toast";
import { told } from "./give";
import { ServerSays } from "./parts";

const SHOWN = 20; // differences told one by one

/** Has a receipt computed again. It goes on when the page is left. */
export function VerifyButton({ reshard, check, again }: { reshard: string; check: ReceiptCheck | undefined; again: () => void }) {
  const [busy, setBusy] = useState(false);
  const running = check?.state === "running";
  const begin = async (): Promise<void> => {
    setBusy(true);
    try {
      await (await admin()).verify(reshard);
      again();
    } catch (err) {
      say(told(problemOf(err)), true);
    }
    setBusy(false);
  };
  return (
    <Button small busy={busy || running} title={a("verifyText")} onClick={() => void begin()}>
      {check === undefined || running ? a("verify") : a("verifyAgain")}
    </Button>
  );
}

/** What came of computing a receipt again, or how far that is. */
export function CheckLine({ check }: { check: ReceiptCheck | undefined }) {
  if (check === undefined) return null;
  return (
    <div class="check" role="status">
      {check.state === "running" ? <Running check={check} /> : <Result check={check} />}
    </div>
  );
}

/** Asks for what the list leaves out: each second while it runs, and once for the differences. */
export function useCheck(of: ReceiptSum): ReceiptCheck | undefined {
  const [more, setMore] = useState<ReceiptCheck | undefined>(undefined);
  const { check } = of;
  const running = check?.state === "running";
  const bad = (check?.found ?? 0) > 0;
  useEffect(() => {
    if (!running && !bad) return undefined;
    const end = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const look = async (): Promise<void> => {
      try {
        const seen = await (await admin()).check(of.reshard, end.signal);
        if (end.signal.aborted) return;
        setMore(seen);
        if (seen.state !== "running") return;
      } catch {
        if (end.signal.aborted) return; // the list tells of what does not answer
      }
      timer = setTimeout(() => void look(), 1_000);
    };
    void look();
    return () => {
      end.abort();
      clearTimeout(timer);
    };
  }, [of.reshard, running, bad, check?.begun_at]);
  // What the list says may be older, or of a later check.
  return more !== undefined && check !== undefined && more.begun_at >= check.begun_at ? more : check;
}

function Running({ check }: { check: ReceiptCheck }) {
  const all = Math.max(1, check.partitions);
  return (
    <>
      <p class="num">
        {checkState(check.state)} <span class="meta">{a("checkProgress", check.checked, check.partitions)}</span>
      </p>
      <div class="bar-line" role="progressbar" aria-label={a("verify")} aria-valuemin={0} aria-valuemax={all} aria-valuenow={check.checked}>
        <svg viewBox="0 0 100 2" preserveAspectRatio="none" aria-hidden="true">
          <rect class="lane-back" width="100" height="2" />
          <rect class="bar-fill" width={(check.checked / all) * 100} height="2" />
        </svg>
      </div>
    </>
  );
}

function Result({ check }: { check: ReceiptCheck }) {
  const faults = check.faults ?? [];
  const more = check.found - Math.min(faults.length, SHOWN);
  return (
    <>
      <p class={verdictClass(check)}>
        {verdict(check)} <span class="meta">· {ago(check.ended_at ?? check.begun_at)}</span>
      </p>
      {check.reason?.text !== undefined && !known(check.reason) && <ServerSays text={check.reason.text} />}
      {faults.length > 0 && (
        <ul class="faults" aria-label={a("faults")}>
          {faults.slice(0, SHOWN).map((f) => (
            <li key={f.text} title={f.text}>
              {faultWords(f)}
            </li>
          ))}
          {more > 0 && <li class="meta">{a("checkMore", more)}</li>}
        </ul>
      )}
    </>
  );
}

function verdictClass(check: ReceiptCheck): string {
  if (check.found > 0) return "verdict bad";
  return check.state === "done" && check.down === undefined ? "verdict good" : "verdict";
}

export function verdict(check: ReceiptCheck): string {
  if (check.state === "interrupted") return a("checkCut");
  if (check.state === "failed") return `${checkState(check.state)}: ${because(check.reason)}`;
  if (check.found > 0) return a("checkBad", check.found);
  if (check.down !== undefined) return a("checkDown", check.down.join(", "));
  return a("checkGood", check.messages, check.channels);
}
