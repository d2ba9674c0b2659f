import { effect, signal } from "@preact/signals";
import { t } from "../../i18n/index";
import { badge } from "../../state/alerts";
import { entries } from "../../state/channels";
import { serverConfig } from "../../state/me";
import { channelName } from "./names";
import { route, type Route } from "./route";

/** What a page calls itself whose words are loaded with it. */
export const pageName = signal("");

/** Keeps the window's title, icon and app badge telling what is unread. Returns the way to stop. */
export function watchTitle(): () => void {
  return effect(() => {
    const name = nameOf(route.value);
    const home = serverConfig.value?.name || t("app");
    const { unread: n, channels } = badge.value;
    document.title = `${n > 0 ? `(${n > 999 ? "999+" : n}) ` : ""}${name === "" ? home : `${name} · ${home}`}`;
    setIcon(n > 0 ? "/icon-unread.svg" : "/icon.svg");
    setBadge(channels);
  });
}

function nameOf(at: Route): string {
  switch (at.at) {
    case "channel":
      return channelName(entries.value.get(at.id), at.id);
    case "people":
      return t("people");
    case "settings":
      return t("settings");
    default:
      return pageName.value;
  }
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
