import { ArrowLeft, CalendarDays, Info, Users } from "lucide-preact";
import { useRef } from "preact/hooks";
import { t } from "../../i18n/index";
import { ago } from "../../i18n/time";
import { KIND_DIRECT, type ChannelID, type InboxEntry } from "../../model/types";
import { channels, members } from "../../state/channels";
import { presence } from "../../state/people";
import { jumpToDate } from "../../sync/commands";
import { Avatar, GroupAvatar } from "../kit/avatar";
import { IconButton } from "../kit/button";
import { tick } from "../shell/clock";
import { layoutOf } from "../shell/layout";
import { channelName, personOf } from "../shell/names";
import { overlay } from "../shell/overlays";
import { goBack, showSide, side } from "../shell/route";

/** Who this conversation is with, and the ways to what belongs to it. */
export function Header({ id, entry }: { id: ChannelID; entry: InboxEntry | undefined }) {
  const name = channelName(entry, id);
  const direct = entry?.kind === KIND_DIRECT;
  const open = side.value?.kind;
  const about = (): void => {
    if (direct && entry.peer !== undefined) overlay({ is: "profile", user: entry.peer });
    else showSide(open === "info" ? undefined : { kind: "info" });
  };
  return (
    <header class="bar">
      {layoutOf() === "narrow" && <IconButton icon={ArrowLeft} label={t("back")} onClick={() => goBack()} />}
      <button type="button" class="bar-title" onClick={about}>
        {direct ? <Avatar user={personOf(entry.peer)} size="s" /> : <GroupAvatar id={id} name={name} size="s" />}
        <span class="bar-lines">
          <h2 class="cut">{name}</h2>
          <Below id={id} entry={entry} />
        </span>
      </button>
      <JumpToDate />
      {!direct && (
        <IconButton icon={Users} label={t("members")} pressed={open === "members"} onClick={() => showSide(open === "members" ? undefined : { kind: "members" })} />
      )}
      <IconButton icon={Info} label={t("info")} pressed={open === "info"} onClick={() => showSide(open === "info" ? undefined : { kind: "info" })} />
    </header>
  );
}

function Below({ id, entry }: { id: ChannelID; entry: InboxEntry | undefined }) {
  if (entry?.kind === KIND_DIRECT) return <Whereabouts peer={entry.peer} />;
  const count = channels.value.get(id)?.member_count ?? members.value.get(id)?.length;
  return <span class="meta cut num">{count === undefined ? "\u00a0" : t("memberCount", count)}</span>;
}

function Whereabouts({ peer }: { peer: InboxEntry["peer"] }) {
  const there = peer === undefined ? undefined : presence.value.get(peer);
  const person = personOf(peer);
  const last = there?.last_active_at ?? person?.last_active_at ?? 0;
  if (there?.state === "online" || there?.state === "away") {
    return (
      <span class="meta cut">
        <span class={`presence inline ${there.state}`} aria-hidden="true" /> {there.state === "online" ? t("online") : t("away")}
      </span>
    );
  }
  return <span class="meta cut">{last > 0 ? t("lastSeen", ago(last, tick.value)) : t("offline")}</span>;
}

function JumpToDate() {
  const input = useRef<HTMLInputElement>(null);
  const ask = (): void => {
    try {
      input.current?.showPicker();
    } catch {
      input.current?.focus();
    }
  };
  return (
    <span class="date-jump">
      <IconButton icon={CalendarDays} label={t("jumpToDate")} onClick={ask} />
      <input
        ref={input}
        type="date"
        tabIndex={-1}
        aria-label={t("jumpToDate")}
        onChange={(e) => {
          const day = e.currentTarget.valueAsDate;
          if (day !== null) jumpToDate(new Date(day.getUTCFullYear(), day.getUTCMonth(), day.getUTCDate()).getTime());
        }}
      />
    </span>
  );
}
