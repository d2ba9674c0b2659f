import { ArrowDown } from "lucide-preact";
import { useEffect, useLayoutEffect, useMemo } from "preact/hooks";
import { t } from "../../i18n/index";
import { dayName } from "../../i18n/time";
import { layout, type Item } from "../../model/layout";
import type { Row } from "../../model/timeline";
import { KIND_DIRECT, type ChannelID, type Message, type Seq, type UserID } from "../../model/types";
import { readCounter, unreadOf } from "../../model/unread";
import { entries, members } from "../../state/channels";
import { me } from "../../state/me";
import { jumpTarget, loading, newLineAfter, rows, timeline } from "../../state/timeline";
import { jumpToEnd, loadNewer, loadOlder, markRead, needPeople } from "../../sync/commands";
import { Button } from "../kit/button";
import { Icon } from "../kit/icon";
import { Mark } from "../kit/mark";
import { tick } from "../shell/clock";
import { isMe, nameOf, peopleIn } from "../shell/names";
import { daysOf } from "./days";
import { MessageRow } from "./message-row";
import { useRoving } from "./roving";
import { useScene } from "./scene";
import { useScroll } from "./scroll";

/** How near an edge, in CSS pixels, more is asked for. */
const ahead = 900;

/** What was said, oldest first, in days. Only a window of it is in the page; both ends load as the reader nears them. */
export function Timeline() {
  const scene = useScene();
  const list = rows.value;
  const window = timeline.value;
  const newAfter = newLineAfter.value;
  const mine = me.value?.id ?? null;
  const days = useMemo(() => daysOf(layout(list, { me: mine, newAfter })), [list, mine, newAfter]);
  const last = list[list.length - 1];
  const ownLast = last !== undefined && (last.kind === "waiting" || isMe(last.message.sender)) ? last.key : undefined;
  const scroll = useScroll({
    list: `${scene.channel}`,
    rows: days,
    newest: window?.moreAfter !== true,
    lastOwn: ownLast,
    onScroll: ({ top, below, lastKey }) => {
      if (top < ahead && window?.moreBefore === true && loading.value.older === "idle") loadOlder();
      if (below < ahead && window?.moreAfter === true && loading.value.newer === "idle") loadNewer();
      read(scene.channel, lastKey, below);
    },
  });
  useJump(list, 0, scroll.toKey);
  useNeeded();
  const roving = useRoving(scroll.scroller, days);
  const entry = entries.value.get(scene.channel);
  const counter = useCounter(scene.channel, entry?.read_seq ?? 0);
  return (
    <div class="timeline-frame">
      <div ref={scroll.scroller} class={entry?.kind === KIND_DIRECT ? "timeline direct" : "timeline"} {...roving} role="log" aria-live="off" aria-label={t("messages")} tabIndex={-1}>
        <div ref={scroll.content} class="timeline-content">
          <Top />
          {days.map((day) => (
            <section key={day.key} class="day">
              <h3 class="day-name">
                <span>{dayName(day.at, tick.value)}</span>
              </h3>
              {day.items.map((item) => (
                <Line key={item.key} item={item} unreadBy={counter} />
              ))}
            </section>
          ))}
        </div>
      </div>
      <ToEnd shown={!scroll.atEnd || window?.moreAfter === true} toEnd={scroll.toEnd} />
    </div>
  );
}

function Line({ item, unreadBy }: { item: Item; unreadBy: (seq: number, sender: Message["sender"]) => number }) {
  if (item.kind === "new") {
    return (
      <div class="new-line" data-new role="separator">
        <span>{t("newLine")}</span>
      </div>
    );
  }
  if (item.kind !== "row") return null;
  const { row } = item;
  const unread = row.kind === "message" && row.message.kind !== 1 ? unreadBy(row.message.seq, row.message.sender) : 0;
  return <MessageRow row={row} first={item.first} last={item.last} unread={unread} />;
}

/** Above the first message: more to come, a failure to fetch it, or the beginning. */
function Top() {
  const { channel } = useScene();
  if (loading.value.older === "failed") {
    return (
      <div class="timeline-top">
        <p class="meta">{t("olderFailed")}</p>
        <Button small onClick={loadOlder}>
          {t("retry")}
        </Button>
      </div>
    );
  }
  if (timeline.value?.moreBefore === true) return <div class="timeline-top">{loading.value.older === "loading" && <Mark size={22} turning />}</div>;
  const entry = entries.value.get(channel);
  const empty = rows.value.length === 0;
  return (
    <div class="timeline-top beginning">
      <Mark size={28} />
      <p>{empty ? t("conversationEmpty") : t("beginning")}</p>
      {empty && <p class="meta">{entry?.kind === KIND_DIRECT ? t("conversationEmptyDirect", nameOf(entry.peer)) : t("conversationEmptyGroup")}</p>}
    </div>
  );
}

function ToEnd({ shown, toEnd }: { shown: boolean; toEnd: () => void }) {
  const { channel } = useScene();
  const entry = entries.value.get(channel);
  const unread = entry === undefined ? 0 : unreadOf(entry);
  if (!shown) return null;
  const press = (): void => {
    if (timeline.value?.moreAfter === true) jumpToEnd();
    toEnd();
  };
  return (
    <button type="button" class="to-end" onClick={press} aria-label={unread > 0 ? `${t("jumpToEnd")}, ${t("newBelow", unread)}` : t("jumpToEnd")} title={t("jumpToEnd")}>
      {unread > 0 && <span class="num">{t("newBelow", unread)}</span>}
      <Icon of={ArrowDown} size={18} />
    </button>
  );
}

/** How many have not read a message. One's own read mark is known here first. */
function useCounter(channel: ChannelID, ownRead: Seq): (seq: Seq, sender: UserID) => number {
  const list = members.value.get(channel);
  return useMemo(() => {
    const known = (list ?? []).map((member) => (isMe(member.user) && member.read_seq < ownRead ? { ...member, read_seq: ownRead } : member));
    return readCounter(known);
  }, [list, ownRead]);
}

/** Moves the read mark to the last message in sight; at the end, over everything that is there. */
function read(channel: Message["channel"], key: string | undefined, below: number): void {
  const window = timeline.value;
  if (window === null || window.channel !== channel || key === undefined) return;
  if (below <= 8 && !window.moreAfter) return window.to > 0 ? markRead(channel, window.to) : undefined;
  const row = rows.value.find((one) => one.key === key);
  if (row?.kind === "message") markRead(channel, row.message.seq);
}

/** Scrolls to where a jump leads once its row is there; `thread`: whose replies the list shows, 0 for the channel's messages. */
export function useJump(list: readonly Row[], thread: Seq, toKey: (key: string) => boolean): void {
  const jump = jumpTarget.value;
  const target =
    jump === null || (jump.thread ?? 0) !== thread ? undefined : list.find((row) => row.kind === "message" && row.message.seq >= jump.seq);
  useLayoutEffect(() => {
    if (target !== undefined) toKey(target.key);
  }, [jump?.at, target?.key]);
}

/** Asks for the profiles of people who appear but are not known yet. */
function useNeeded(): void {
  const list = rows.value;
  useEffect(() => {
    const ids = new Set(list.flatMap((row) => (row.kind === "message" ? peopleIn(row.message) : [])));
    if (ids.size > 0) needPeople([...ids]);
  }, [list]);
}
