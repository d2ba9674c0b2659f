import { useMemo, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { fullTime } from "../../i18n/time";
import type { Message, UserID } from "../../model/types";
import { me } from "../../state/me";
import { people } from "../../state/people";
import { foldOf } from "../markdown/fold";
import type { MentionName } from "../markdown/ast";
import { Markdown } from "../markdown/markdown";
import { onlyEmoji } from "../emoji/only";
import { nameOf } from "../shell/names";
import { EditBox } from "./edit-box";
import { Quote } from "./quote";

/** The message itself: what it answers, its words, and whether they were changed. */
export function Bubble({ message, editing }: { message: Message; editing: boolean }) {
  if (message.deleted === true) return <div class="bubble gone">{t("messageDeleted")}</div>;
  const mine = me.value?.id;
  const toMe = mine !== undefined && message.sender !== mine && ((message.mentions?.includes(mine) ?? false) || message.mention_all === true);
  const big = message.reply_to === undefined && !editing && onlyEmoji(message.body);
  return (
    <div class={`bubble${toMe ? " to-me" : ""}${big ? " big" : ""}${editing ? " editing" : ""}`}>
      {message.reply_to !== undefined && <Quote channel={message.channel} seq={message.reply_to} />}
      {editing ? (
        <EditBox message={message} />
      ) : (
        <Body body={message.body} mentions={message.mentions} all={message.mention_all} />
      )}
      {message.edited_at !== undefined && message.edited_at > 0 && !editing && (
        <span class="edited" title={fullTime(message.edited_at)}>
          {t("edited")}
        </span>
      )}
    </div>
  );
}

interface BodyProps {
  readonly body: string;
  readonly mentions?: readonly UserID[] | undefined;
  readonly all?: boolean | undefined;
}

/** The words, drawn from light Markdown; long ones fold. */
export function Body({ body, mentions, all }: BodyProps) {
  const [open, setOpen] = useState(false);
  const start = useMemo(() => foldOf(body), [body]);
  const names = useMemo(() => mentionNames(mentions ?? [], all === true), [mentions, all, people.value]);
  return (
    <>
      <div class="body">
        <Markdown text={start === undefined || open ? body : start} mentions={names} />
      </div>
      {start !== undefined && (
        <button type="button" class="fold" aria-expanded={open} onClick={() => setOpen(!open)}>
          {open ? t("fold") : t("unfold")}
        </button>
      )}
    </>
  );
}

function mentionNames(ids: readonly UserID[], all: boolean): readonly MentionName[] {
  const names: MentionName[] = [];
  for (const id of ids) {
    const user = people.value.get(id) ?? (me.value?.id === id ? me.value : undefined);
    names.push({ name: nameOf(id), user: id });
    if (user !== undefined) names.push({ name: user.login_name, user: id });
  }
  if (all) for (const name of ["모두", "everyone", "all"]) names.push({ name, user: "*" });
  return names;
}
