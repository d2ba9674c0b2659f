import { MessagesSquare } from "lucide-preact";
import { t } from "../../i18n/index";
import { ago } from "../../i18n/time";
import type { Message, Replies } from "../../model/types";
import { entries } from "../../state/channels";
import { Icon } from "../kit/icon";
import { tick } from "../shell/clock";
import { showSide } from "../shell/route";

/** Under a message with a thread: how many replies, how recent, and whether some are new. */
export function ThreadLink({ message, replies }: { message: Message; replies: Replies }) {
  const unread = entries.value.get(message.channel)?.threads?.find((thread) => thread.root === message.seq);
  return (
    <button type="button" class="thread-link" onClick={() => showSide({ kind: "thread", root: message.seq })}>
      <Icon of={MessagesSquare} size={16} />
      <strong class="num">{t("repliesCount", replies.n)}</strong>
      <span class="meta">{t("lastReply", ago(replies.last_at, tick.value))}</span>
      {unread !== undefined && unread.unread > 0 && <span class="dot" role="img" aria-label={t("threadUnread")} />}
    </button>
  );
}
