import { computed, signal } from "@preact/signals";
import { asChannelID, type ChannelID, type Seq } from "../../model/types";

/** What stands in the side pane of a conversation. */
export type Side = { readonly kind: "members" } | { readonly kind: "info" } | { readonly kind: "thread"; readonly root: Seq };

export const settingsTabs = ["profile", "notifications", "appearance", "security", "sessions", "programs"] as const;
export type SettingsTab = (typeof settingsTabs)[number];

export const adminTabs = ["overview", "shards", "channels", "reshard", "receipts", "nodes", "audit"] as const;
export type AdminTab = (typeof adminTabs)[number];

/** Where the reader is. `message` is the one to show and point out; the address forgets it once that is done. The address bar says the same, so links and the back gesture work. */
export type Route =
  | { readonly at: "home" }
  | { readonly at: "channel"; readonly id: ChannelID; readonly side?: Side; readonly message?: Seq }
  | { readonly at: "people" }
  | { readonly at: "settings"; readonly tab?: SettingsTab }
  | { readonly at: "admin"; readonly tab?: AdminTab }
  | { readonly at: "join"; readonly code: string };

export function parseRoute(path: string): Route {
  const [first = "", second = "", ...rest] = path.split("/").slice(1).map(decode);
  const [third = "", fourth = ""] = rest;
  if (first === "c" && /^[1-9]\d{0,18}$/.test(second)) {
    const side = parseSide(third, fourth);
    const message = parseMessage(rest);
    return { at: "channel", id: asChannelID(second), ...(side === undefined ? {} : { side }), ...(message === undefined ? {} : { message }) };
  }
  if (first === "people") return { at: "people" };
  if (first === "settings") {
    const tab = settingsTabs.find((known) => known === second);
    return { at: "settings", ...(tab === undefined ? {} : { tab }) };
  }
  if (first === "admin") {
    const tab = adminTabs.find((known) => known === second);
    return { at: "admin", ...(tab === undefined ? {} : { tab }) };
  }
  if (first === "join" && second !== "") return { at: "join", code: second };
  return { at: "home" };
}

function parseSide(kind: string, rest: string): Side | undefined {
  if (kind === "members" || kind === "info") return { kind };
  if (kind === "thread" && /^[1-9]\d{0,15}$/.test(rest)) return { kind, root: Number(rest) };
  return undefined;
}

/** The end of `/c/<id>/m/<seq>` and `/c/<id>/thread/<root>/m/<seq>`, as notifications and links have it. */
function parseMessage(rest: readonly string[]): Seq | undefined {
  const [word, seq = ""] = rest.slice(-2);
  return word === "m" && /^[1-9]\d{0,15}$/.test(seq) ? Number(seq) : undefined;
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return "";
  }
}

export function pathOf(route: Route): string {
  switch (route.at) {
    case "home":
      return "/";
    case "channel": {
      const base = `/c/${route.id}`;
      const side = route.side === undefined ? "" : route.side.kind === "thread" ? `/thread/${route.side.root}` : `/${route.side.kind}`;
      return `${base}${side}${route.message === undefined ? "" : `/m/${route.message}`}`;
    }
    case "people":
      return "/people";
    case "settings":
      return route.tab === undefined ? "/settings" : `/settings/${route.tab}`;
    case "admin":
      return route.tab === undefined ? "/admin" : `/admin/${route.tab}`;
    case "join":
      return `/join/${encodeURIComponent(route.code)}`;
  }
}

const current = signal<Route>(typeof location === "undefined" ? { at: "home" } : parseRoute(location.pathname));
/** How many entries of the history are ours to go back through. */
let depth = 0;

export const route = computed(() => current.value);

/** The side pane of the open conversation. */
export const side = computed<Side | undefined>(() => (current.value.at === "channel" ? current.value.side : undefined));

export function go(to: Route, replace = false): void {
  const path = pathOf(to);
  if (path === pathOf(current.value)) return;
  if (replace) history.replaceState({ depth }, "", path + location.search);
  else history.pushState({ depth: ++depth }, "", path + location.search);
  current.value = to;
}

/** Goes to a message, as a notification asks; within the conversation that is open the way back stays what it was. */
export function goToMessage(path: string): void {
  const to = parseRoute(path);
  const here = current.value;
  go(to, to.at === "channel" && here.at === "channel" && to.id === here.id);
}

/** Whether the conversation stands on the screen: the thread, for a reply. */
export function shows(channel: ChannelID, thread: Seq | undefined): boolean {
  const here = current.value;
  if (here.at !== "channel" || here.id !== channel) return false;
  return thread === undefined || (here.side?.kind === "thread" && here.side.root === thread);
}

/** Back where the reader came from inside the app, or up if they came from outside. */
export function goBack(up: Route = { at: "home" }): void {
  if (depth > 0) history.back();
  else go(up, true);
}

/** Shows or closes the side pane of a conversation. */
export function showSide(to: Side | undefined): void {
  const here = current.value;
  if (here.at !== "channel") return;
  const open = here.side !== undefined;
  go({ at: "channel", id: here.id, ...(to === undefined ? {} : { side: to }) }, open);
}

/** Follows the back and forward buttons. Returns the way to stop. */
export function watchRoute(): () => void {
  const popped = (e: PopStateEvent): void => {
    const state: unknown = e.state;
    depth = typeof state === "object" && state !== null && "depth" in state && typeof state.depth === "number" ? state.depth : 0;
    current.value = parseRoute(location.pathname);
  };
  window.addEventListener("popstate", popped);
  return () => window.removeEventListener("popstate", popped);
}
