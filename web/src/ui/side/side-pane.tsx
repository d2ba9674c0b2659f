import { ArrowLeft, X } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { t } from "../../i18n/index";
import type { ChannelID } from "../../model/types";
import { IconButton } from "../kit/button";
import { layoutOf } from "../shell/layout";
import { goBack, showSide, type Side } from "../shell/route";
import { InfoPane } from "./info";
import { MembersPane } from "./members";
import { ThreadPane } from "./thread";

/** What belongs to the open conversation: a thread, its members, or what it is. */
export function SidePane({ channel, side }: { channel: ChannelID; side: Side }) {
  const layout = layoutOf();
  const close = (): void => (layout === "narrow" ? goBack({ at: "channel", id: channel }) : showSide(undefined));
  useEffect(() => {
    const key = (e: KeyboardEvent): void => {
      if (e.key === "Escape" && !e.defaultPrevented && document.querySelector("dialog[open], .popover:popover-open") === null) close();
    };
    window.addEventListener("keydown", key);
    return () => window.removeEventListener("keydown", key);
  });
  return (
    <>
      {layout === "middle" && <button type="button" class="side-scrim" tabIndex={-1} aria-label={t("close")} onClick={close} />}
      <aside class="side-pane" aria-label={titleOf(side)}>
        <header class="bar">
          {layout === "narrow" && <IconButton icon={ArrowLeft} label={t("back")} onClick={close} />}
          <h2 class="grow cut">{titleOf(side)}</h2>
          {layout !== "narrow" && <IconButton icon={X} label={t("close")} onClick={close} />}
        </header>
        <Content channel={channel} side={side} />
      </aside>
    </>
  );
}

function titleOf(side: Side): string {
  return side.kind === "thread" ? t("thread") : side.kind === "members" ? t("members") : t("info");
}

function Content({ channel, side }: { channel: ChannelID; side: Side }): ComponentChildren {
  switch (side.kind) {
    case "thread":
      return <ThreadPane key={`${channel}/${side.root}`} channel={channel} root={side.root} />;
    case "members":
      return <MembersPane channel={channel} />;
    case "info":
      return <InfoPane channel={channel} />;
  }
}
