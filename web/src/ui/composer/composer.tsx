import { SendHorizontal, Smile } from "lucide-preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { KIND_DIRECT } from "../../model/types";
import { draftKey, drafts, entries } from "../../state/channels";
import { limits, me } from "../../state/me";
import { rows, threadRows } from "../../state/timeline";
import { saveDraft, sendMessage, sendTyping } from "../../sync/commands";
import { EmojiPopover } from "../emoji/picker";
import { IconButton } from "../kit/button";
import { useScene, type Scene } from "../conversation/scene";
import { mayEdit } from "../conversation/message-keys";
import { isTouch, layoutOf } from "../shell/layout";
import { channelName } from "../shell/names";
import { Completion, useCompletion } from "./completion-list";
import { grow } from "./grow";
import { mentionsIn } from "./mentions";
import { ReplyPreview } from "./reply-preview";
import { useIme } from "./use-ime";
import { Counter } from "./counter";

/** Where messages are written, in a channel or in a thread. What is typed is kept until it is sent. */
export function Composer() {
  const scene = useScene();
  const el = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState(() => drafts.value.get(draftKey(scene.channel, scene.thread)) ?? "");
  const [picker, setPicker] = useState<Element | null>(null);
  useLateDraft(scene, text, setText);
  const change = (value: string): void => {
    setText(value);
    saveDraft(scene.channel, value, scene.thread);
    if (value.trim() !== "") sendTyping(scene.channel, scene.thread);
  };
  const completion = useCompletion(el, scene.channel, text, change);
  const submit = (live: string): void => {
    if (!send(scene, live)) return;
    setText("");
    saveDraft(scene.channel, "", scene.thread);
    if (el.current !== null) el.current.value = "";
    el.current?.focus({ preventScroll: true });
  };
  const ime = useIme({ onSend: submit });
  useLayoutEffect(() => grow(el.current), [text, layoutOf()]);
  useFocus(scene, el);
  const onKeyDown = (e: Parameters<typeof ime.handlers.onKeyDown>[0]): void => {
    if (completion.onKeyDown(e)) return;
    if (e.key === "ArrowUp" && e.currentTarget.value === "" && editLast(scene)) return e.preventDefault();
    if (e.key === "Escape" && !e.isComposing && scene.reply.value !== null) {
      e.stopPropagation();
      scene.reply.value = null;
      return;
    }
    ime.handlers.onKeyDown(e);
  };
  const hint = hintFor(scene);
  return (
    <div class="composer">
      <ReplyPreview />
      <Completion of={completion} />
      <div class="composer-box">
        <IconButton icon={Smile} label={t("emoji")} onClick={(e) => setPicker(e.currentTarget)} />
        <textarea
          ref={el}
          value={text}
          rows={1}
          placeholder={hint}
          aria-label={hint}
          enterkeyhint={isTouch() ? "enter" : "send"}
          autoCapitalize="sentences"
          {...completion.aria}
          onInput={(e) => {
            completion.look();
            change(e.currentTarget.value);
          }}
          onSelect={completion.look}
          {...ime.handlers}
          onCompositionEnd={(e) => {
            ime.handlers.onCompositionEnd(e);
            completion.onCompositionEnd();
          }}
          onKeyDown={onKeyDown}
        />
        <Counter text={text} />
        <button type="button" class="send" disabled={text.trim() === ""} aria-label={t("send")} title={t("send")} onPointerDown={(e) => e.preventDefault()} onClick={() => submit(el.current?.value ?? text)}>
          <SendHorizontal size={20} strokeWidth={1.75} aria-hidden="true" />
        </button>
      </div>
      {picker !== null && <EmojiPopover anchor={picker} align="start" onClose={() => setPicker(null)} onPick={completion.insert} />}
    </div>
  );
}

/** Hands a text to the outbox; false if there is nothing to send or too much. */
function send(scene: Scene, live: string): boolean {
  const body = live.trim();
  if (body === "" || Array.from(body).length > limits.value.body_chars) return false;
  const { users, all } = mentionsIn(body, scene.channel);
  const reply = scene.reply.value;
  sendMessage(scene.channel, {
    body,
    ...(reply === null ? {} : { reply_to: reply.seq }),
    ...(scene.thread === 0 ? {} : { thread: scene.thread }),
    ...(users.length === 0 ? {} : { mentions: users }),
    ...(all ? { mention_all: true } : {}),
  });
  scene.reply.value = null;
  return true;
}

/** Arrow up in an empty composer changes one's last message. */
function editLast(scene: Scene): boolean {
  const list = scene.thread === 0 ? rows.value : threadRows.value;
  const last = list.findLast((row) => row.kind === "message" && row.message.sender === me.value?.id && mayEdit(row.message));
  if (last === undefined || last.kind !== "message") return false;
  scene.editing.value = last.message.seq;
  return true;
}

function hintFor(scene: Scene): string {
  if (scene.thread !== 0) return t("composerThread");
  const entry = entries.value.get(scene.channel);
  const name = channelName(entry, scene.channel);
  if (name === "" || layoutOf() === "narrow") return t("composerHintPlain");
  return entry?.kind === KIND_DIRECT ? t("composerHintDirect", name) : t("composerHint", name);
}

/** The draft of another device or visit, if it comes after the composer is there and nothing was typed. */
function useLateDraft(scene: Scene, text: string, setText: (text: string) => void): void {
  const kept = drafts.value.get(draftKey(scene.channel, scene.thread)) ?? "";
  const touched = useRef(false);
  if (text !== "") touched.current = true;
  useEffect(() => {
    if (!touched.current && kept !== "") setText(kept);
  }, [kept]);
}

function useFocus(scene: Scene, el: { readonly current: HTMLTextAreaElement | null }): void {
  const asked = scene.focus.value;
  useEffect(() => {
    if (asked === 0 && isTouch()) return;
    const box = el.current;
    box?.focus({ preventScroll: true });
    box?.setSelectionRange(box.value.length, box.value.length);
  }, [asked, scene]);
}
