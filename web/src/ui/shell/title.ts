import { effect } from "@preact/signals";
import { t } from "../../i18n/index";
import { badge } from "../../state/alerts";
import { entries } from "../../state/channels";
import { serverConfig } from "../../state/me";
import { channelName } from "./names";
import { route } from "./route";

/** Keeps the window's title, icon and app badge telling what is unread. Returns the way to stop. */
export function watchTitle(): () => void {
  return effect(() => {
    const at = route.value;
    const name = at.at === "channel" ? channelName(entries.value.get(at.id), at.id) : "";
    const home = serverConfig.value?.name || t("app");
    const { unread: n, channels } = badge.value;
    document.title = `${n > 0 ? `(${n > 999 ? "999+" : n}) ` : ""}${name === "" ? home : `${name} · ${home}`}`;
    setIcon(n > 0 ? "/icon-unread.svg" : "/icon.svg");
    setBadge(channels);
  });
}

function setIcon(href: string): void {
  const icon = document.querySelector<HTMLLinkElement>('link[rel="icon"]');
  if (icon !== null && icon.getAttribute("href") !== href) icon.href = href;
}

/** The same number as pushes put there while no page is open. */
function setBadge(channels: number): void {
  if (typeof navigator.setAppBadge !== "function") return;
  const done = channels === 0 ? navigator.clearAppBadge() : navigator.setAppBadge(channels);
  done.catch(() => undefined);
}
