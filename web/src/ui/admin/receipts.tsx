import { Download } from "lucide-preact";
import { useEffect, useState } from "preact/hooks";
import { a } from "../../i18n/admin";
import { fullTime, ago } from "../../i18n/time";
import { receiptFile, type ReceiptLine, type ReceiptSum } from "../../model/admin";
import { problemOf } from "../../model/problem";
import { admin } from "../../sync/commands";
import { Button } from "../kit/button";
import { Empty } from "../kit/empty";
import { Icon } from "../kit/icon";
import { words } from "../kit/problem";
import { say } from "../kit/toast";
import { bytes, count, duration, millis, whole } from "./format";
import { CheckLine, useCheck, VerifyButton } from "./check";
import { Asked, Fact, Table } from "./parts";
import { PauseDots } from "./pauses";
import { usePoll } from "./use-poll";

const BUDGET_US = 150_000;

/** What proves each reshard. */
export function Receipts() {
  const list = usePoll((admin, signal) => admin.receipts(signal), 5_000);
  return (
    <Asked of={list}>
      {(receipts) =>
        receipts.length === 0 ? (
          <Empty title={a("receiptsNone")} text={a("receiptsNoneText")} />
        ) : (
          <ul class="lanes">
            {receipts.map((r) => (
              <Receipt key={r.reshard} receipt={r} again={list.again} />
            ))}
          </ul>
        )
      }
    </Asked>
  );
}

export function Verdict({ receipt: r }: { receipt: ReceiptSum }) {
  return <span class={r.gaps === 0 ? "health good" : "health bad"}>{r.gaps === 0 ? a("verdictGood") : a("verdictGaps", r.gaps)}</span>;
}

function Receipt({ receipt: r, again }: { receipt: ReceiptSum; again: () => void }) {
  const [open, setOpen] = useState(false);
  const check = useCheck(r);
  return (
    <li class="lane">
      <header class="lane-head">
        <span class="two-lines">
          <strong>{a("fromTo", r.from.join(" "), r.to.join(" "))}</strong>
          <span class="meta">
            <code>{r.reshard}</code> · <time dateTime={new Date(r.ended_at).toISOString()} title={fullTime(r.ended_at)}>{ago(r.ended_at)}</time>
          </span>
        </span>
        <span class="grow" />
        <Verdict receipt={r} />
      </header>
      <dl class="facts">
        <Fact label={a("partitions")}>{whole(r.partitions)}</Fact>
        <Fact label={a("channels")}>{whole(r.channels)}</Fact>
        <Fact label={a("rows")}>{whole(r.rows)}</Fact>
        <Fact label={a("size")}>{bytes(r.bytes)}</Fact>
        <Fact label={a("followed")}>{count(r.followed)}</Fact>
        <Fact label={a("took")}>{duration(r.ended_at - r.begun_at)}</Fact>
        <Fact label={`${a("pauseLength")} ${a("p50")}`}>{millis(r.pause_p50_us)}</Fact>
        <Fact label={`${a("pauseLength")} ${a("p99")}`}>{millis(r.pause_p99_us)}</Fact>
        <Fact label={`${a("pauseLength")} ${a("longest")}`}>{millis(r.pause_max_us)}</Fact>
      </dl>
      <CheckLine check={check} />
      <div class="form-actions start">
        <VerifyButton reshard={r.reshard} check={check} again={again} />
        <Button small tone="quiet" aria-expanded={open} onClick={() => setOpen(!open)}>
          {a("details")}
        </Button>
        <a class="button quiet small" href={receiptFile(r.reshard)} download={`gori-receipt-${r.reshard}.json`}>
          <Icon of={Download} size={18} />
          <span>{a("download")}</span>
        </a>
      </div>
      {open && <Details reshard={r.reshard} />}
    </li>
  );
}

function Details({ reshard }: { reshard: string }) {
  const [lines, setLines] = useState<readonly ReceiptLine[] | null>(null);
  useEffect(() => {
    admin().then((x) => x.receipt(reshard)).then(setLines, (err: unknown) => say(words(problemOf(err)), true));
  }, [reshard]);
  if (lines === null) return null;
  const pauses = [...lines].sort((x, y) => x.at - y.at).map((l) => ({ partition: l.partition, us: l.pause_us, at: l.at }));
  return (
    <>
      <PauseDots pauses={pauses} budget={BUDGET_US} />
      <div class="tall">
        <Table
          label={a("detailsOf", reshard)}
          rows={lines}
          id={(l) => String(l.partition)}
          first="partition"
          columns={[
            { key: "partition", head: a("partition"), right: true, by: (l) => l.partition, cell: (l) => l.partition },
            { key: "way", head: a("to"), by: (l) => l.to, cell: (l) => a("fromTo", l.from, l.to) },
            { key: "rows", head: a("rows"), right: true, by: (l) => l.rows, cell: (l) => whole(l.rows) },
            { key: "channels", head: a("channels"), right: true, wide: true, by: (l) => l.channels, cell: (l) => whole(l.channels) },
            { key: "messages", head: a("messages"), right: true, wide: true, by: (l) => l.messages, cell: (l) => whole(l.messages) },
            { key: "gaps", head: a("gaps"), right: true, by: (l) => l.gaps, cell: (l) => whole(l.gaps) },
            { key: "pause", head: a("pauseLength"), right: true, by: (l) => l.pause_us, cell: (l) => millis(l.pause_us) },
          ]}
        />
      </div>
    </>
  );
}
