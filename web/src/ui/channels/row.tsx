import { BellOff, CheckCheck, Bell, MessagesSquare, Pin, PinOff } from "lucide-preact";
import { useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { shortTime } from "../../i18n/time";
import { KIND_DIRECT, LEVEL_ALL, LEVEL_NONE, type InboxEntry } from "../../model/types";
import { mentionsOf, threadsOf, unreadOf } from "../../model/unread";
import { draftKey, drafts } from "../../state/channels";
import { presence } from "../../state/people";
import { markRead, setPreference } from "../../sync/commands";
import { Avatar, GroupAvatar } from "../kit/avatar";
import { Icon } from "../kit/icon";
import { Menu, type MenuItem } from "../kit/menu";
import type { Anchor } from "../kit/popover";
import { attempt } from "../kit/toast";
import { usePress } from "../kit/press";
import { tick } from "../shell/clock";
import { channelName, personOf } from "../shell/names";
import { previewOf } from "../shell/preview";
import { go, route } from "../shell/route";

/** One conversation in the list: who, the last line, when, and what waits to be read. stop: Tab reaches it. */
export function ChannelRow({ entry, stop }: { entry: InboxEntry; stop: boolean }) {
  const [menu, setMenu] = useState<Anchor | null>(null);
  const press = usePress((at) => setMenu(at));
  const at = route.value;
  const open = at.at === "channel" && at.id === entry.channel;
  const name = channelName(entry);
  const draft = open ? "" : (drafts.value.get(draftKey(entry.channel)) ?? "").trim();
  const muted = entry.level === LEVEL_NONE;
  return (
    <>
      <button
        type="button"
        class={`channel-row${unreadOf(entry) > 0 && !muted ? " unread" : ""}`}
        tabIndex={stop ? 0 : -1}
        {...(open ? { "aria-current": "page" as const } : {})}
        onClick={() => go({ at: "channel", id: entry.channel }, open)}
        {...press}
      >
        <Face entry={entry} name={name} />
        <span class="channel-lines">
          <span class="channel-top">
            <span class="channel-name cut">{name}</span>
            {muted && <Icon of={BellOff} size={14} />}
            <time class="meta" dateTime={new Date(entry.last_at).toISOString()}>
              {shortTime(entry.last_at, tick.value)}
            </time>
          </span>
          <span class="channel-bottom">
            <span class="channel-last cut">
              {draft === "" ? previewOf(entry) : <><em>{t("draft")}</em> {draft}</>}
            </span>
            <Badges entry={entry} muted={muted} />
          </span>
        </span>
      </button>
      {menu !== null && <Menu anchor={menu} label={name} align="start" items={actions(entry)} onClose={() => setMenu(null)} />}
    </>
  );
}

function Face({ entry, name }: { entry: InboxEntry; name: string }) {
  if (entry.kind !== KIND_DIRECT) return <GroupAvatar id={entry.channel} name={name} />;
  const state = entry.peer === undefined ? undefined : presence.value.get(entry.peer)?.state;
  return <Avatar user={personOf(entry.peer)} presence={state === "offline" ? undefined : state} />;
}

function Badges({ entry, muted }: { entry: InboxEntry; muted: boolean }) {
  const unread = unreadOf(entry);
  const mentions = mentionsOf(entry);
  const threads = threadsOf(entry);
  return (
    <span class="badges">
      {threads > 0 && (
        <span class="thread-dot" role="img" aria-label={t("threadUnread")} title={t("threadUnread")}>
          <Icon of={MessagesSquare} size={14} />
        </span>
      )}
      {entry.pinned && unread === 0 && mentions === 0 && (
        <span class="pin" role="img" aria-label={t("pinned")} title={t("pinned")}>
          <Icon of={Pin} size={14} />
        </span>
      )}
      {mentions > 0 && (
        <span class="badge at num" aria-label={t("mentionCount", mentions)}>
          @{mentions > 99 ? "99+" : mentions}
        </span>
      )}
      {unread > 0 && (
        <span class={muted ? "badge muted num" : "badge num"} aria-label={t("unreadCount", unread)}>
          {unread > 999 ? "999+" : unread}
        </span>
      )}
    </span>
  );
}

function actions(entry: InboxEntry): readonly MenuItem[] {
  const muted = entry.level === LEVEL_NONE;
  const set = (change: Parameters<typeof setPreference>[1]): void => void attempt(setPreference(entry.channel, change));
  return [
    { label: entry.pinned ? t("menuUnpin") : t("menuPin"), icon: entry.pinned ? PinOff : Pin, onPick: () => set({ pinned: !entry.pinned }) },
    { label: muted ? t("menuUnmute") : t("menuMute"), icon: muted ? Bell : BellOff, onPick: () => set({ level: muted ? LEVEL_ALL : LEVEL_NONE }) },
    ...(unreadOf(entry) > 0
      ? [{ label: t("menuMarkRead"), icon: CheckCheck, onPick: () => markRead(entry.channel, entry.last_seq) }]
      : []),
  ];
}
