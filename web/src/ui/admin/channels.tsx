import { useState } from "preact/hooks";
import { a, ownerState } from "../../i18n/admin";
import { ago } from "../../i18n/time";
import type { HotChannel, Place } from "../../model/admin";
import { problemOf } from "../../model/problem";
import { admin } from "../../sync/commands";
import { Button } from "../kit/button";
import { SearchField } from "../kit/field";
import { words } from "../kit/problem";
import { say } from "../kit/toast";
import { count, whole } from "./format";
import { seatColours } from "./geometry";
import { Asked, ShardName, Table } from "./parts";
import { usePoll } from "./use-poll";

export function Channels() {
  const hot = usePoll((admin, signal) => admin.hot(signal), 4_000);
  return (
    <div class="admin-parts">
      <Where />
      <section class="admin-part">
        <h3>{a("hot")}</h3>
        <p class="meta">{a("hotText")}</p>
        <Asked of={hot}>{(list) => <Hot list={list} />}</Asked>
      </section>
    </div>
  );
}

function Hot({ list }: { list: readonly HotChannel[] }) {
  if (list.length === 0) return <p class="admin-none">{a("hotNoneText")}</p>;
  const colours = seatColours([...new Set(list.map((h) => h.shard))]);
  const most = Math.max(1, ...list.map((h) => h.per_minute));
  return (
    <Table
      label={a("hot")}
      rows={list}
      id={(h) => h.channel}
      first="-rate"
      columns={[
        {
          key: "channel", head: a("channel"), by: (h) => h.name,
          cell: (h) => (
            <span class="two-lines">
              <span class="cut">{h.kind === 1 ? a("direct") : h.name}</span>
              <code class="meta whole">{h.channel}</code>
            </span>
          ),
        },
        {
          key: "rate", head: a("perMinute"), by: (h) => h.per_minute, right: true,
          cell: (h) => (
            <span class="rate-bar">
              <svg viewBox="0 0 60 6" preserveAspectRatio="none" aria-hidden="true">
                <rect width={Math.max(1, (h.per_minute / most) * 60)} height="6" />
              </svg>
              <span class="rate-count">{count(h.per_minute)}</span>
            </span>
          ),
        },
        { key: "shard", head: a("shard"), by: (h) => h.shard, cell: (h) => <ShardName id={h.shard} colours={colours} sub={`${a("partition")} ${h.partition}`} /> },
        { key: "members", head: a("members"), by: (h) => h.members, right: true, wide: true, cell: (h) => whole(h.members) },
        { key: "messages", head: a("messages"), by: (h) => h.last_seq, right: true, wide: true, cell: (h) => whole(h.last_seq) },
        { key: "at", head: a("lastMessage"), wide: true, right: true, cell: (h) => ago(h.last_at) },
      ]}
    />
  );
}

/** Finds where a channel, a person or a name lives. */
function Where() {
  const [text, setText] = useState("");
  const [busy, setBusy] = useState(false);
  const [places, setPlaces] = useState<readonly Place[] | null>(null);
  const find = async (): Promise<void> => {
    if (text.trim() === "") return;
    setBusy(true);
    try {
      setPlaces(await (await admin()).where(text));
    } catch (err) {
      say(words(problemOf(err)), true);
    }
    setBusy(false);
  };
  return (
    <section class="admin-part">
      <h3>{a("where")}</h3>
      <form
        class="where"
        role="search"
        onSubmit={(e) => {
          e.preventDefault();
          void find();
        }}
      >
        <SearchField label={a("where")} placeholder={a("whereHint")} value={text} onValue={setText} />
        <Button type="submit" busy={busy}>
          {a("whereFind")}
        </Button>
      </form>
      <div role="status">
        {places !== null && places.length === 0 && <p class="admin-none">{a("whereNone")}</p>}
        {places !== null && places.length > 0 && (
          <ul class="places">
            {places.map((p) => (
              <li key={`${p.kind}/${p.id}`}>
                <strong>{placeName(p)}</strong>
                <span>{a("whereAt", p.partition, p.shard)}</span>
                <span class="meta num">
                  <code>{p.id}</code> · {a("whereRow", ownerState(p.state), p.epoch)}
                  {p.messages > 0 && ` · ${a("countMessages", p.messages)}`}
                </span>
              </li>
            ))}
          </ul>
        )}
      </div>
    </section>
  );
}

function placeName(p: Place): string {
  if (p.kind === "user") return a("whereUser", p.name);
  if (p.kind === "name") return a("whereName", p.name);
  return p.kind === "direct" ? a("whereDirect") : a("whereGroup", p.name);
}
