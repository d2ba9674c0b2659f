import { CircleAlert, Clock, RotateCw, Trash2 } from "lucide-preact";
import { t } from "../../i18n/index";
import type { OutboxRow } from "../../model/types";
import { discard, retry } from "../../sync/commands";
import { Icon } from "../kit/icon";
import { words } from "../kit/problem";
import { Body } from "./bubble";
import { Quote } from "./quote";

interface WaitingRowProps {
  readonly rowKey: string;
  readonly out: OutboxRow;
  readonly first: boolean;
  readonly last: boolean;
}

/** A message of one's own that the server has not stored yet: it waits, or it was refused and says why. */
export function WaitingRow({ rowKey, out, first, last }: WaitingRowProps) {
  const failed = out.state === "failed";
  return (
    <article class={`row own waiting${first ? " first" : ""}${last ? " last" : ""}`} data-key={rowKey} tabIndex={-1} aria-label={t("you")}>
      <div class="row-stack">
        <div class="row-line">
          <div class={failed ? "bubble failed" : "bubble"}>
            {out.reply_to !== undefined && <Quote channel={out.channel} seq={out.reply_to} />}
            <Body body={out.body} mentions={out.mentions} all={out.mention_all} />
          </div>
          {!failed && (
            <span class="beside">
              <span class="state" role="img" aria-label={out.state === "sent" ? t("stateSent") : t("stateWaiting")} title={t("stateWaiting")}>
                <Icon of={Clock} size={13} />
              </span>
            </span>
          )}
        </div>
        {failed && <Failed out={out} />}
      </div>
    </article>
  );
}

function Failed({ out }: { out: OutboxRow }) {
  return (
    <div class="failed-line" role="alert">
      <Icon of={CircleAlert} size={16} />
      <span>
        {t("stateFailed")}
        {out.problem !== undefined && <> · {words(out.problem)}</>}
      </span>
      <button type="button" class="text-button" onClick={() => retry(out.client_msg_id)}>
        <Icon of={RotateCw} size={14} />
        {t("retry")}
      </button>
      <button type="button" class="text-button" onClick={() => discard(out.client_msg_id)}>
        <Icon of={Trash2} size={14} />
        {t("discard")}
      </button>
    </div>
  );
}
