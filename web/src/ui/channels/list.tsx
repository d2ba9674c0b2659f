import { useRef, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import type { ChannelID } from "../../model/types";
import { channelList } from "../../state/channels";
import { link } from "../../state/link";
import { me } from "../../state/me";
import { Button } from "../kit/button";
import { Empty, Skeleton } from "../kit/empty";
import { layoutOf } from "../shell/layout";
import { overlay } from "../shell/overlays";
import { route } from "../shell/route";
import { ChannelRow } from "./row";

/**
 * All conversations: pinned ones on top, then by last activity. Tab stops once, at the one that is open, so that what is
 * behind the list is near; arrow keys, Home and End move through them.
 */
export function ChannelList() {
  const list = useRef<HTMLUListElement>(null);
  const [reached, setReached] = useState<ChannelID>();
  const entries = channelList.value;
  if (entries.length === 0) return <NoChannels />;
  const onKeyDown = (e: KeyboardEvent): void => {
    const all = Array.from(list.current?.querySelectorAll<HTMLElement>(".channel-row") ?? []);
    const i = all.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: i + 1, ArrowUp: i - 1, Home: 0, End: all.length - 1 }[e.key];
    if (i < 0 || to === undefined) return;
    e.preventDefault();
    all[Math.max(0, Math.min(all.length - 1, to))]?.focus();
  };
  const at = route.value;
  const stop = [reached, at.at === "channel" ? at.id : undefined].find((id) => entries.some((e) => e.channel === id)) ?? entries[0]?.channel;
  const onFocusOut = (e: FocusEvent): void => {
    if (!(e.relatedTarget instanceof Node && list.current?.contains(e.relatedTarget) === true)) setReached(undefined);
  };
  return (
    <ul ref={list} class="channel-list" onKeyDown={onKeyDown} onFocusOut={onFocusOut}>
      {entries.map((entry) => (
        <li key={entry.channel} onFocusCapture={() => setReached(entry.channel)}>
          <ChannelRow entry={entry} stop={entry.channel === stop} />
        </li>
      ))}
    </ul>
  );
}

function NoChannels() {
  const known = link.value.state === "live" || link.value.state === "waiting" || link.value.state === "stopped";
  if (!known) {
    return (
      <div class="channel-list">
        <Skeleton rows={7} kind="channel" />
      </div>
    );
  }
  if (layoutOf() !== "narrow") return <p class="channel-list none meta">{t("channelsEmpty")}</p>;
  return (
    <div class="channel-list none">
      <Welcome />
    </div>
  );
}

/** Where there are no conversations yet: how to begin one. */
export function Welcome() {
  const first = me.value?.admin === true;
  return (
    <Empty title={first ? t("firstRunTitle") : t("channelsEmpty")} text={first ? `${t("firstRunText")} ${t("channelsEmptyText")}` : t("channelsEmptyText")}>
      <Button tone="accent" onClick={() => overlay({ is: "direct" })}>
        {t("newDirect")}
      </Button>
      <Button onClick={() => overlay({ is: "group" })}>{t("newGroup")}</Button>
    </Empty>
  );
}
