import { Reply, X } from "lucide-preact";
import { t } from "../../i18n/index";
import { useScene } from "../conversation/scene";
import { IconButton } from "../kit/button";
import { Icon } from "../kit/icon";
import { nameOf } from "../shell/names";
import { plain } from "../shell/preview";

/** The message that is being answered, above the composer. */
export function ReplyPreview() {
  const scene = useScene();
  const message = scene.reply.value;
  if (message === null) return null;
  return (
    <div class="reply-preview">
      <Icon of={Reply} size={18} />
      <span class="reply-lines">
        <strong class="cut">{t("replyTo", nameOf(message.sender))}</strong>
        <span class="cut">{plain(message.body.slice(0, 300))}</span>
      </span>
      <IconButton
        small
        icon={X}
        label={t("cancelReply")}
        onClick={() => {
          scene.reply.value = null;
          scene.focus.value++;
        }}
      />
    </div>
  );
}
