import { memo } from "preact/compat";
import { useState } from "preact/hooks";
import type { Row } from "../../model/timeline";
import { SYSTEM, type Message } from "../../model/types";
import { Avatar } from "../kit/avatar";
import { BotMark } from "../kit/bot";
import type { Anchor } from "../kit/popover";
import { usePress } from "../kit/press";
import { isMe, nameOf, personOf, systemLine } from "../shell/names";
import { overlay } from "../shell/overlays";
import { HoverBar, MessageMenu } from "./actions";
import { Beside } from "./beside";
import { Bubble } from "./bubble";
import { messageKeys } from "./message-keys";
import { Reactions } from "./reactions";
import { useScene } from "./scene";
import { ThreadLink } from "./thread-link";
import { WaitingRow } from "./waiting-row";

export interface MessageRowProps {
  readonly row: Row;
  readonly first: boolean;
  readonly last: boolean;
  /** How many have not read it yet. */
  readonly unread: number;
}

/** One line of a conversation. It is drawn again only if something in it changed. */
export const MessageRow = memo(AnyRow, (a, b) => a.first === b.first && a.last === b.last && a.unread === b.unread && sameRow(a.row, b.row));

function sameRow(a: Row, b: Row): boolean {
  if (a.kind === "message") return b.kind === "message" && a.message === b.message;
  return b.kind === "waiting" && a.out === b.out;
}

function AnyRow({ row, first, last, unread }: MessageRowProps) {
  if (row.kind === "waiting") return <WaitingRow rowKey={row.key} out={row.out} first={first} last={last} />;
  if (row.message.kind === SYSTEM) {
    return (
      <div class="system" data-key={row.key} tabIndex={-1}>
        {systemLine(row.message.system)}
      </div>
    );
  }
  return <TextRow rowKey={row.key} message={row.message} first={first} last={last} unread={unread} />;
}

interface TextRowProps {
  readonly rowKey: string;
  readonly message: Message;
  readonly first: boolean;
  readonly last: boolean;
  readonly unread: number;
}

function TextRow({ rowKey, message, first, last, unread }: TextRowProps) {
  const scene = useScene();
  const [menu, setMenu] = useState<Anchor | null>(null);
  const press = usePress((at) => message.deleted !== true && setMenu(at));
  const mine = isMe(message.sender);
  const person = personOf(message.sender);
  const name = nameOf(message.sender);
  const editing = scene.editing.value === message.seq;
  return (
    <article
      class={`row ${mine ? "own" : "other"}${first ? " first" : ""}${last ? " last" : ""}${menu === null ? "" : " active"}`}
      data-key={rowKey}
      tabIndex={-1}
      aria-label={name}
      aria-haspopup="menu"
      onKeyDown={(e) => messageKeys(e, message, scene, setMenu)}
    >
      {!mine && <span class="row-face">{first && <Face message={message} user={person} name={name} />}</span>}
      <div class="row-stack">
        {!mine && first && <span class={`row-name name-${(person?.avatar_color ?? 11) % 12}`}>{name} <BotMark user={person} /></span>}
        <div class="row-line" {...(editing ? {} : press)}>
          <Bubble message={message} editing={editing} />
          {!editing && <Beside message={message} last={last} unread={unread} />}
          {!editing && message.deleted !== true && <HoverBar message={message} onMenu={setMenu} />}
        </div>
        {(message.reactions?.length ?? 0) > 0 && <Reactions message={message} />}
        {message.replies !== undefined && scene.thread === 0 && <ThreadLink message={message} replies={message.replies} />}
      </div>
      {menu !== null && <MessageMenu anchor={menu} message={message} onClose={() => setMenu(null)} />}
    </article>
  );
}

function Face({ message, user, name }: { message: Message; user: ReturnType<typeof personOf>; name: string }) {
  return (
    <button type="button" class="face-button" tabIndex={-1} aria-label={name} onClick={() => overlay({ is: "profile", user: message.sender })}>
      <Avatar user={user} size="m" />
    </button>
  );
}
