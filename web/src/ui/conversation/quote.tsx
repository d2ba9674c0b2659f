import { t } from "../../i18n/index";
import { findMessage } from "../../model/timeline";
import type { ChannelID, Seq } from "../../model/types";
import { threadTimeline, timeline } from "../../state/timeline";
import { jumpTo } from "../../sync/commands";
import { nameOf, personOf } from "../shell/names";
import { plain } from "../shell/preview";

/** One line of the message that is answered; a press goes there. */
export function Quote({ channel, seq }: { channel: ChannelID; seq: Seq }) {
  const here = timeline.value?.channel === channel ? findMessage(timeline.value, seq) : undefined;
  const message = here ?? findMessage(threadTimeline.value, seq);
  const color = message === undefined ? 11 : (personOf(message.sender)?.avatar_color ?? 11);
  return (
    <button type="button" class={`quote quote-${color % 12}`} onClick={() => jumpTo(seq)}>
      {message === undefined ? (
        <span class="quote-text cut">{t("quoteGone")}</span>
      ) : (
        <>
          <span class={`quote-name cut name-${color % 12}`}>{nameOf(message.sender)}</span>
          <span class="quote-text cut">{message.deleted === true ? t("messageDeleted") : plain(message.body.slice(0, 300))}</span>
        </>
      )}
    </button>
  );
}
