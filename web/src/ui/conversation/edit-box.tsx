import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import type { Message } from "../../model/types";
import { limits } from "../../state/me";
import { editMessage } from "../../sync/commands";
import { grow } from "../composer/grow";
import { mentionsIn } from "../composer/mentions";
import { useIme } from "../composer/use-ime";
import { Button } from "../kit/button";
import { attempt } from "../kit/toast";
import { useScene } from "./scene";

/** Changes a message where it stands. Enter saves by the same rule as sending; Esc leaves it as it was. */
export function EditBox({ message }: { message: Message }) {
  const scene = useScene();
  const el = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState(message.body);
  const [busy, setBusy] = useState(false);
  const stop = (): void => {
    scene.editing.value = null;
    scene.focus.value++;
  };
  const save = async (now = text): Promise<void> => {
    const body = now.trim();
    if (body === "" || body === message.body) return stop();
    if (Array.from(body).length > limits.value.body_chars) return;
    setBusy(true);
    const { users } = mentionsIn(body, message.channel);
    const done = await attempt(editMessage(message.channel, message.seq, { body, mentions: users }));
    setBusy(false);
    if (done) stop();
  };
  const ime = useIme({ onSend: (live) => void save(live) });
  useEffect(() => {
    const box = el.current;
    if (box === null) return;
    box.focus({ preventScroll: true });
    box.setSelectionRange(box.value.length, box.value.length);
    grow(box);
    box.closest(".row")?.scrollIntoView({ block: "nearest" });
  }, []);
  useEffect(() => grow(el.current), [text]);
  return (
    <div class="edit-box">
      <textarea
        ref={el}
        value={text}
        rows={1}
        aria-label={t("editing")}
        onInput={(e) => setText(e.currentTarget.value)}
        {...ime.handlers}
        onKeyDown={(e) => {
          if (e.key === "Escape" && !e.isComposing) {
            e.preventDefault();
            e.stopPropagation();
            stop();
          } else {
            ime.handlers.onKeyDown(e);
          }
        }}
      />
      <div class="edit-foot">
        <span class="meta grow">{t("editHint")}</span>
        <Button small tone="quiet" onClick={stop}>
          {t("cancel")}
        </Button>
        <Button small tone="accent" busy={busy} onClick={() => void save()}>
          {t("save")}
        </Button>
      </div>
    </div>
  );
}
