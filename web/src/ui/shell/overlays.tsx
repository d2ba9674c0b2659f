import { signal } from "@preact/signals";
import type { UserID } from "../../model/types";
import { channelList } from "../../state/channels";
import { unreadOf } from "../../model/unread";
import { LEVEL_NONE } from "../../model/types";
import { NewDirect } from "../channels/new-direct";
import { NewGroup } from "../channels/new-group";
import { Switcher } from "../channels/switcher";
import { ProfileCard } from "../people/profile-card";
import { go, route } from "./route";
import { ShortcutSheet } from "./shortcuts";

export type Overlay =
  | { readonly is: "switcher" }
  | { readonly is: "direct" }
  | { readonly is: "group" }
  | { readonly is: "shortcuts" }
  | { readonly is: "profile"; readonly user: UserID };

const open = signal<Overlay | null>(null);

/** Shows one thing above everything; null closes it. */
export function overlay(what: Overlay | null): void {
  open.value = what;
}

export function Overlays() {
  const close = (): void => overlay(null);
  switch (open.value?.is) {
    case "switcher":
      return <Switcher onClose={close} />;
    case "direct":
      return <NewDirect onClose={close} />;
    case "group":
      return <NewGroup onClose={close} />;
    case "shortcuts":
      return <ShortcutSheet onClose={close} />;
    case "profile":
      return <ProfileCard user={open.value.user} onClose={close} />;
    default:
      return null;
  }
}

/** The keys that work everywhere. Returns the way to stop. */
export function watchKeys(): () => void {
  const down = (e: KeyboardEvent): void => {
    const key = e.key.toLowerCase();
    if ((e.ctrlKey || e.metaKey) && !e.altKey && !e.shiftKey && key === "k") {
      e.preventDefault();
      overlay(open.value?.is === "switcher" ? null : { is: "switcher" });
    } else if (e.altKey && e.shiftKey && e.key === "ArrowDown") {
      e.preventDefault();
      nextUnread();
    } else if (e.key === "?" && !typing(e.target) && open.value === null) {
      e.preventDefault();
      overlay({ is: "shortcuts" });
    }
  };
  window.addEventListener("keydown", down);
  return () => window.removeEventListener("keydown", down);
}

function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));
}

function nextUnread(): void {
  const at = route.value;
  const here = at.at === "channel" ? at.id : "";
  const list = channelList.value;
  const from = list.findIndex((entry) => entry.channel === here) + 1;
  const order = [...list.slice(from), ...list.slice(0, from)];
  const next = order.find((entry) => entry.channel !== here && unreadOf(entry) > 0 && entry.level !== LEVEL_NONE);
  if (next !== undefined) go({ at: "channel", id: next.channel });
}
