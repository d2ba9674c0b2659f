import { ROLE_ADMIN, type Message } from "../../model/types";
import { channels } from "../../state/channels";
import type { Anchor } from "../kit/popover";
import { isMe } from "../shell/names";
import type { Scene } from "./scene";

/** Deleting for everyone ends a day after sending. */
const deleteWindow = 24 * 60 * 60_000;

export function mayEdit(message: Message): boolean {
  return isMe(message.sender) && message.deleted !== true && message.orig_at === undefined;
}

export function mayDelete(message: Message, now = Date.now()): boolean {
  if (message.deleted === true) return false;
  const role = channels.value.get(message.channel)?.role ?? 0;
  return (isMe(message.sender) && now - message.at < deleteWindow) || role >= ROLE_ADMIN;
}

/** The keys of the message that has the focus. */
export function messageKeys(e: KeyboardEvent, message: Message, scene: Scene, menu: (at: Anchor) => void): void {
  if (e.target !== e.currentTarget || e.ctrlKey || e.metaKey || e.altKey || message.deleted === true) return;
  const el = e.currentTarget;
  const key = e.code === "KeyR" ? "r" : e.code === "KeyE" ? "e" : e.key;
  if (key === "Enter" || key === "ContextMenu") {
    if (el instanceof Element) menu(el.querySelector(".bubble") ?? el);
  } else if (key === "r") {
    answer(scene, message);
  } else if (key === "e") {
    if (el instanceof Element) el.querySelector<HTMLElement>("[data-react]")?.click();
  } else if (key === "Escape") {
    scene.focus.value++;
  } else {
    return;
  }
  e.preventDefault();
  e.stopPropagation();
}

/** Starts an answer to the message in the composer below. */
export function answer(scene: Scene, message: Message): void {
  scene.editing.value = null;
  scene.reply.value = message;
  scene.focus.value++;
}
