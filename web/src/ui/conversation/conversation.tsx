import { useMemo } from "preact/hooks";
import { t } from "../../i18n/index";
import type { ChannelID } from "../../model/types";
import { channels, entries } from "../../state/channels";
import { loading, openChannel as openID, rows, timeline } from "../../state/timeline";
import { openChannel } from "../../sync/commands";
import { Button } from "../kit/button";
import { Empty, Skeleton } from "../kit/empty";
import { isPaused, words } from "../kit/problem";
import { Composer } from "../composer/composer";
import { go } from "../shell/route";
import { Header } from "./header";
import { SceneContext, makeScene } from "./scene";
import { Timeline } from "./timeline";
import { TypingLine } from "./typing";

/** One open conversation: who it is with, what was said, and where to write. */
export function Conversation({ id }: { id: ChannelID }) {
  const scene = useMemo(() => makeScene(id, 0), [id]);
  const entry = entries.value.get(id);
  const known = entry !== undefined || channels.value.has(id);
  return (
    <SceneContext.Provider value={scene}>
      <div class="conversation">
        <Header id={id} entry={entry} />
        <Body id={id} />
        <Paused />
        <TypingLine channel={id} thread={0} />
        {known && <Composer />}
      </div>
    </SceneContext.Provider>
  );
}

function Body({ id }: { id: ChannelID }) {
  const here = openID.value === id && timeline.value?.channel === id;
  const state = loading.value;
  if (here && (rows.value.length > 0 || state.open === "idle")) return <Timeline />;
  if (state.open === "failed") return <Failed id={id} />;
  return (
    <div class="timeline-wait">
      <Skeleton rows={8} kind="message" />
    </div>
  );
}

function Failed({ id }: { id: ChannelID }) {
  const problem = loading.value.problem;
  const gone = problem?.code === "not_member" || problem?.code === "not_found";
  return (
    <div class="timeline-wait">
      <Empty title={gone ? t("notMember") : t("openFailed")} text={gone || problem === undefined ? undefined : isPaused(problem) ? t("pausedText") : `${words(problem)} ${t("openFailedText")}`}>
        {gone ? (
          <Button onClick={() => go({ at: "home" }, true)}>{t("back")}</Button>
        ) : (
          <Button tone="accent" onClick={() => openChannel(id)}>
            {t("retry")}
          </Button>
        )}
      </Empty>
    </div>
  );
}

/** Said while the shard of this conversation is away: what is written waits and keeps its order. */
function Paused() {
  const waiting = rows.value.some((row) => row.kind === "waiting" && row.out.state !== "failed" && isPaused(row.out.problem));
  if (!waiting && !isPaused(loading.value.problem)) return null;
  return (
    <p class="paused" role="status">
      <strong>{t("pausedTitle")}</strong> {t("pausedText")}
    </p>
  );
}
