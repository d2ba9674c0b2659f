import { useRef } from "preact/hooks";
import { t } from "../../i18n/index";
import { channelList } from "../../state/channels";
import { link } from "../../state/link";
import { me } from "../../state/me";
import { Button } from "../kit/button";
import { Empty, Skeleton } from "../kit/empty";
import { layoutOf } from "../shell/layout";
import { overlay } from "../shell/overlays";
import { ChannelRow } from "./row";

/** All conversations: pinned ones on top, then by last activity. Arrow keys move through them. */
export function ChannelList() {
  const list = useRef<HTMLUListElement>(null);
  const entries = channelList.value;
  if (entries.length === 0) return <NoChannels />;
  const onKeyDown = (e: KeyboardEvent): void => {
    if (e.key !== "ArrowDown" && e.key !== "ArrowUp") return;
    const all = Array.from(list.current?.querySelectorAll<HTMLElement>(".channel-row") ?? []);
    const i = all.indexOf(document.activeElement as HTMLElement);
    if (i < 0) return;
    e.preventDefault();
    all[Math.max(0, Math.min(all.length - 1, i + (e.key === "ArrowDown" ? 1 : -1)))]?.focus();
  };
  return (
    <ul ref={list} class="channel-list" onKeyDown={onKeyDown}>
      {entries.map((entry) => (
        <li key={entry.channel}>
          <ChannelRow entry={entry} />
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
