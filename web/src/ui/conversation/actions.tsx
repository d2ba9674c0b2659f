import { Copy, Ellipsis, MessagesSquare, Pencil, Reply, SmilePlus, Trash2 } from "lucide-preact";
import { useState } from "preact/hooks";
import { t } from "../../i18n/index";
import type { Message } from "../../model/types";
import { deleteMessage, react } from "../../sync/commands";
import { EmojiPopover } from "../emoji/picker";
import { ask } from "../kit/ask";
import { IconButton } from "../kit/button";
import { Dialog } from "../kit/dialog";
import { Menu, type MenuItem } from "../kit/menu";
import type { Anchor } from "../kit/popover";
import { attempt } from "../kit/toast";
import { layoutOf } from "../shell/layout";
import { showSide } from "../shell/route";
import { answer, mayDelete, mayEdit } from "./message-keys";
import { copy } from "./copy";
import { useScene, type Scene } from "./scene";
import { quick } from "../emoji/recent";

interface BarProps {
  readonly message: Message;
  readonly onMenu: (at: Anchor) => void;
}

/** The commonest actions, beside the bubble while the pointer or the focus is on it. */
export function HoverBar({ message, onMenu }: BarProps) {
  const scene = useScene();
  const [picker, setPicker] = useState<Element | null>(null);
  if (layoutOf() === "narrow" && matchMedia("(pointer: coarse)").matches) return null;
  const stay = picker === null ? "" : " stay";
  return (
    <div class={`hover-bar${stay}`} role="toolbar" aria-label={t("actions")}>
      <IconButton small data-react tabIndex={-1} icon={SmilePlus} label={t("react")} onClick={(e) => setPicker(e.currentTarget)} />
      <IconButton small tabIndex={-1} icon={Reply} label={t("reply")} onClick={() => answer(scene, message)} />
      {scene.thread === 0 && (
        <IconButton small tabIndex={-1} icon={MessagesSquare} label={t("replyInThread")} onClick={() => openThreadOf(message)} />
      )}
      {mayEdit(message) ? (
        <IconButton small tabIndex={-1} icon={Pencil} label={t("edit")} onClick={() => edit(scene, message)} />
      ) : (
        <IconButton small tabIndex={-1} icon={Copy} label={t("copyText")} onClick={() => void copy(message.body)} />
      )}
      <IconButton small tabIndex={-1} icon={Ellipsis} label={t("more")} onClick={(e) => onMenu(e.currentTarget)} />
      {picker !== null && (
        <EmojiPopover anchor={picker} onClose={() => setPicker(null)} onPick={(emoji) => void attempt(react(message.channel, message.seq, emoji))} />
      )}
    </div>
  );
}

/** Everything that can be done with a message: a menu, or on phones a sheet with reactions on top. */
export function MessageMenu({ anchor, message, onClose }: { anchor: Anchor; message: Message; onClose: () => void }) {
  const scene = useScene();
  const [picking, setPicking] = useState(false);
  const put = (emoji: string): void => {
    onClose();
    void attempt(react(message.channel, message.seq, emoji));
  };
  if (picking) return <EmojiPopover anchor={anchor} onClose={onClose} onPick={put} />;
  const items = itemsOf(message, scene);
  if (layoutOf() !== "narrow") return <Menu anchor={anchor} align="start" label={t("actions")} items={items} onClose={onClose} />;
  return (
    <Dialog kind="sheet" bare title={t("actions")} onClose={onClose}>
      <div class="quick-reactions">
        {quick().map((emoji) => (
          <button key={emoji} type="button" class="emoji-button" aria-label={t("reactWith", emoji)} onClick={() => put(emoji)}>
            {emoji}
          </button>
        ))}
        <IconButton icon={SmilePlus} label={t("react")} onClick={() => setPicking(true)} />
      </div>
      <SheetItems items={items} onClose={onClose} />
    </Dialog>
  );
}

function SheetItems({ items, onClose }: { items: readonly MenuItem[]; onClose: () => void }) {
  return (
    <div class="menu" role="menu" aria-label={t("actions")}>
      {items.map(({ label, icon: Shape, danger, onPick }) => (
        <button key={label} type="button" role="menuitem" class={danger === true ? "menu-item danger" : "menu-item"} onClick={() => (onClose(), onPick())}>
          <Shape size={20} strokeWidth={1.75} aria-hidden="true" />
          <span class="grow">{label}</span>
        </button>
      ))}
    </div>
  );
}

function itemsOf(message: Message, scene: Scene): readonly MenuItem[] {
  const items: MenuItem[] = [{ label: t("reply"), icon: Reply, onPick: () => answer(scene, message), hint: "R" }];
  if (scene.thread === 0) items.push({ label: t("replyInThread"), icon: MessagesSquare, onPick: () => openThreadOf(message) });
  items.push({ label: t("copyText"), icon: Copy, onPick: () => void copy(message.body) });
  if (mayEdit(message)) items.push({ label: t("edit"), icon: Pencil, onPick: () => edit(scene, message) });
  if (mayDelete(message)) items.push({ label: t("remove_message"), icon: Trash2, danger: true, onPick: () => void remove(message) });
  return items;
}

function openThreadOf(message: Message): void {
  showSide({ kind: "thread", root: message.thread ?? message.seq });
}

export function edit(scene: Scene, message: Message): void {
  scene.reply.value = null;
  scene.editing.value = message.seq;
}

async function remove(message: Message): Promise<void> {
  const yes = await ask({ title: t("deleteTitle"), text: t("deleteText"), yes: t("deleteConfirm"), danger: true });
  if (yes) await attempt(deleteMessage(message.channel, message.seq));
}
