import { t } from "../../i18n/index";
import type { ChannelID, Seq } from "../../model/types";
import { typing } from "../../state/people";
import { isMe, nameOf } from "../shell/names";

/** Three quiet dots beside the names of those who write. The line is always there, so nothing moves. */
export function TypingLine({ channel, thread }: { channel: ChannelID; thread: Seq }) {
  const who = typing.value.filter((one) => one.channel === channel && one.thread === thread && !isMe(one.user)).map((one) => nameOf(one.user));
  const [a = "", b = ""] = who;
  return (
    <div class="typing" aria-live="off">
      {who.length > 0 && (
        <>
          <span class="dots" aria-hidden="true">
            <i />
            <i />
            <i />
          </span>
          <span class="cut">{who.length === 1 ? t("typingOne", a) : who.length === 2 ? t("typingTwo", a, b) : t("typingMany", who.length)}</span>
        </>
      )}
    </div>
  );
}
