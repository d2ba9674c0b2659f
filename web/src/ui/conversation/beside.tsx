import { Check } from "lucide-preact";
import { t } from "../../i18n/index";
import { clock, fullTime } from "../../i18n/time";
import type { Message } from "../../model/types";
import { Icon } from "../kit/icon";
import { isMe } from "../shell/names";

/** Beside the bubble: how many have not read it yet, and when it was said. */
export function Beside({ message, last, unread }: { message: Message; last: boolean; unread: number }) {
  const at = message.orig_at !== undefined && message.orig_at > 0 ? message.orig_at : message.at;
  const mine = isMe(message.sender);
  return (
    <span class={last ? "beside" : "beside only-hover"}>
      {unread > 0 && (
        <span class="unread-by num" role="img" aria-label={t("notReadBy", unread)} title={t("notReadBy", unread)}>
          {unread}
        </span>
      )}
      <span class="beside-time">
        {mine && unread > 0 && last && (
          <span class="state" role="img" aria-label={t("stateSent")} title={t("stateSent")}>
            <Icon of={Check} size={13} />
          </span>
        )}
        <time dateTime={new Date(at).toISOString()} title={fullTime(at)}>
          {clock(at)}
        </time>
      </span>
    </span>
  );
}
