import { SmilePlus } from "lucide-preact";
import { useState } from "preact/hooks";
import { t } from "../../i18n/index";
import type { Message } from "../../model/types";
import { react } from "../../sync/commands";
import { EmojiPopover } from "../emoji/picker";
import { Icon } from "../kit/icon";
import { attempt } from "../kit/toast";
import { isMe, nameOf } from "../shell/names";

/** How many names a chip's tip lists. */
const named = 10;

/** The reactions under a bubble; a press adds one's own or takes it back. */
export function Reactions({ message }: { message: Message }) {
  const [picker, setPicker] = useState<Element | null>(null);
  const put = (emoji: string): void => void attempt(react(message.channel, message.seq, emoji));
  return (
    <div class="reactions">
      {(message.reactions ?? []).map(({ emoji, users }) => {
        const mine = users.some(isMe);
        const tip = t("reactedBy", users.slice(0, named).map((id) => (isMe(id) ? t("you") : nameOf(id))), users.length, emoji);
        return (
          <button key={emoji} type="button" class="chip" aria-pressed={mine} title={tip} aria-label={`${mine ? t("unreactWith", emoji) : t("reactWith", emoji)}. ${tip}`} onClick={() => put(emoji)}>
            <span class="chip-emoji">{emoji}</span>
            <span class="num">{users.length}</span>
          </button>
        );
      })}
      <button type="button" class="chip add" aria-label={t("react")} title={t("react")} onClick={(e) => setPicker(e.currentTarget)}>
        <Icon of={SmilePlus} size={15} />
      </button>
      {picker !== null && <EmojiPopover anchor={picker} onClose={() => setPicker(null)} onPick={put} />}
    </div>
  );
}
