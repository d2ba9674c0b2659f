// How the tabs of one account talk: effects of commits to all, frames for the socket to the tab that leads.
import type { ClientFrame } from "../model/frame";
import type { Effect } from "../model/patch";
import type { ChannelID, PresenceState } from "../model/types";
import type { Link } from "../state/link";

export type BusMessage =
  | { readonly t: "effect"; readonly effect: Effect }
  | { readonly t: "socket"; readonly frame: ClientFrame }
  | { readonly t: "here"; readonly tab: string; readonly active: boolean; readonly channel: ChannelID | null }
  | { readonly t: "gone"; readonly tab: string }
  | { readonly t: "hello" }
  | { readonly t: "link"; readonly link: Link; readonly notLive: number; readonly presence: readonly PresenceState[] }
  | { readonly t: "nudge" }
  | { readonly t: "restored" }
  | { readonly t: "left"; readonly why: "logout" | "revoked" | "disabled" };

export interface Bus {
  send(m: BusMessage): void;
  listen(f: (m: BusMessage) => void): void;
  close(): void;
}

export type OpenBus = (account: string) => Bus;

/** BroadcastChannel where there is one; else this tab is alone. */
export const openBus: OpenBus = (account) => {
  if (typeof BroadcastChannel === "undefined") return { send: () => {}, listen: () => {}, close: () => {} };
  const channel = new BroadcastChannel(`gori-${account}`);
  return {
    send: (m) => channel.postMessage(m),
    listen: (f) => {
      channel.onmessage = (e: MessageEvent<BusMessage>) => f(e.data);
    },
    close: () => channel.close(),
  };
};
