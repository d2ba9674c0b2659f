import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { notLiveSince } from "../../state/link";
import { rows } from "../../state/timeline";
import { plain } from "./preview";
import { isMe, nameOf } from "./names";

/** Tells readers of the screen about new messages in the open conversation and about the connection. */
export function Announcer() {
  const [words, say] = useState("");
  const lastSeq = useRef(0);
  const lastChannel = useRef("");
  const live = useRef(true);
  const list = rows.value;
  const last = list.findLast((row) => row.kind === "message");
  useEffect(() => {
    if (last === undefined || last.kind !== "message") return;
    const { channel, seq, sender, body } = last.message;
    const news = lastChannel.current === channel && seq > lastSeq.current;
    lastChannel.current = channel;
    lastSeq.current = seq;
    if (news && !isMe(sender)) say(t("announceMessage", nameOf(sender), plain(body).slice(0, 200)));
  }, [last]);
  const down = notLiveSince.value !== 0;
  useEffect(() => {
    if (!down && !live.current) say(t("announceOnline"));
    live.current = !down;
  }, [down]);
  return (
    <div class="sr" role="log" aria-live="polite">
      {words}
    </div>
  );
}
