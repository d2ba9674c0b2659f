import { effect } from "@preact/signals";
import { t } from "../../i18n/index";
import { entries, mentionTotal, unreadTotal } from "../../state/channels";
import { serverConfig } from "../../state/me";
import { channelName } from "./names";
import { route } from "./route";

/** Keeps the window's title, icon and app badge telling what is unread. Returns the way to stop. */
export function watchTitle(): () => void {
  return effect(() => {
    const at = route.value;
    const name = at.at === "channel" ? channelName(entries.value.get(at.id), at.id) : "";
    const home = serverConfig.value?.name || t("app");
    const n = unreadTotal.value;
    document.title = `${n > 0 ? `(${n > 999 ? "999+" : n}) ` : ""}${name === "" ? home : `${name} · ${home}`}`;
    setIcon(n > 0 ? "/icon-unread.svg" : "/icon.svg");
    setBadge(n, mentionTotal.value);
  });
}

function setIcon(href: string): void {
  const icon = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  if (icon !== null && icon.getAttribute("href") !== href) icon.href = href;
}

function setBadge(unread: number, mentions: number): void {
  if (typeof navigator.setAppBadge !== "function") return;
  const done = unread === 0 ? navigator.clearAppBadge() : navigator.setAppBadge(mentions > 0 ? mentions : unread);
  done.catch(() => undefined);
}
