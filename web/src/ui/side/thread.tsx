import { useMemo } from "preact/hooks";
import { t } from "../../i18n/index";
import { layout } from "../../model/layout";
import type { ChannelID, Seq } from "../../model/types";
import { entries } from "../../state/channels";
import { me } from "../../state/me";
import { openThreadRoot, threadLoading, threadRows, threadTimeline } from "../../state/timeline";
import { loadOlderReplies, markRead, needPeople, openThread } from "../../sync/commands";
import { Composer } from "../composer/composer";
import { MessageRow } from "../conversation/message-row";
import { useJump } from "../conversation/timeline";
import { useRoving } from "../conversation/roving";
import { SceneContext, makeScene } from "../conversation/scene";
import { useScroll } from "../conversation/scroll";
import { TypingLine } from "../conversation/typing";
import { Button } from "../kit/button";
import { Empty, Skeleton } from "../kit/empty";
import { words } from "../kit/problem";
import { isMe, peopleIn } from "../shell/names";
import { useEffect } from "preact/hooks";

/** Replies under one message, with their own composer and their own read mark. */
export function ThreadPane({ channel, root }: { channel: ChannelID; root: Seq }) {
  const scene = useMemo(() => makeScene(channel, root), [channel, root]);
  const here = openThreadRoot.value === root;
  const state = threadLoading.value;
  return (
    <SceneContext.Provider value={scene}>
      <div class="thread">
        {here && threadRows.value.length > 0 ? (
          <Replies channel={channel} root={root} />
        ) : state.open === "failed" ? (
          <Empty title={t("openFailed")} text={state.problem === undefined ? undefined : words(state.problem)}>
            <Button tone="accent" onClick={() => openThread(root)}>
              {t("retry")}
            </Button>
          </Empty>
        ) : (
          <div class="timeline-wait">
            <Skeleton rows={5} kind="message" />
          </div>
        )}
        <TypingLine channel={channel} thread={root} />
        <Composer />
      </div>
    </SceneContext.Provider>
  );
}

function Replies({ channel, root }: { channel: ChannelID; root: Seq }) {
  const rows = threadRows.value;
  const mine = me.value?.id ?? null;
  const items = useMemo(() => layout(rows, { me: mine, newAfter: 0 }).filter((item) => item.kind === "row"), [rows, mine]);
  const last = rows[rows.length - 1];
  const ownLast = last !== undefined && (last.kind === "waiting" || isMe(last.message.sender)) ? last.key : undefined;
  const window = threadTimeline.value;
  const unread = entries.value.get(channel)?.threads?.find((thread) => thread.root === root)?.unread ?? 0;
  const scroll = useScroll({
    list: `${channel}/${root}`,
    rows: items,
    newest: window?.moreAfter !== true,
    lastOwn: ownLast,
    onScroll: ({ top }) => {
      if (top < 400 && window?.moreBefore === true && threadLoading.value.older === "idle") loadOlderReplies();
    },
  });
  useJump(rows, root, scroll.toKey);
  const seq = last?.kind === "message" && last.message.seq !== root ? last.message.seq : 0;
  useEffect(() => {
    if (scroll.atEnd && seq > 0) markRead(channel, seq, root);
  }, [scroll.atEnd, seq, unread]);
  useEffect(() => {
    const ids = new Set(rows.flatMap((row) => (row.kind === "message" ? peopleIn(row.message) : [])));
    if (ids.size > 0) needPeople([...ids]);
  }, [rows]);
  const roving = useRoving(scroll.scroller, items);
  return (
    <div class="timeline-frame">
      <div ref={scroll.scroller} class="timeline" {...roving} role="log" aria-live="off" aria-label={t("thread")} tabIndex={-1}>
        <div ref={scroll.content} class="timeline-content">
          {items.map((item, i) =>
            item.kind === "row" ? (
              <>
                <MessageRow key={item.key} row={item.row} first={item.first || i === 1} last={item.last || i === 0} unread={0} />
                {i === 0 && <ReplyRule count={rows.length - 1} />}
              </>
            ) : null,
          )}
        </div>
      </div>
    </div>
  );
}

/** Between the message and its replies. */
function ReplyRule({ count }: { count: number }) {
  return (
    <div class="reply-rule" role="separator">
      <span class="num">{count === 0 ? t("threadEmpty") : t("repliesCount", count)}</span>
    </div>
  );
}
