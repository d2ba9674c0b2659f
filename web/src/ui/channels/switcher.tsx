import { useMemo, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { KIND_DIRECT, type InboxEntry } from "../../model/types";
import { unreadOf } from "../../model/unread";
import { channelList } from "../../state/channels";
import { presence } from "../../state/people";
import { Avatar, GroupAvatar } from "../kit/avatar";
import { Dialog } from "../kit/dialog";
import { SearchField } from "../kit/field";
import { useListKeys } from "../kit/list-keys";
import { channelName, personOf } from "../shell/names";
import { go } from "../shell/route";
import { fits } from "./search";

/** Ctrl or ⌘ and K: to any conversation by a few letters of its name. */
export function Switcher({ onClose }: { onClose: () => void }) {
  const [query, setQuery] = useState("");
  const entries = channelList.value;
  const found = useMemo(() => find(entries, query), [entries, query]);
  const pick = (entry: InboxEntry | undefined): void => {
    if (entry === undefined) return;
    onClose();
    go({ at: "channel", id: entry.channel });
  };
  const keys = useListKeys(found.length, (i) => pick(found[i]), query);
  return (
    <Dialog kind="top" bare title={t("switcherTitle")} onClose={onClose}>
      <SearchField
        label={t("switcherTitle")}
        placeholder={t("switcherHint")}
        value={query}
        onValue={setQuery}
        autoFocus
        role="combobox"
        aria-expanded="true"
        aria-controls="switcher-list"
        aria-activedescendant={found.length > 0 ? `switcher-${keys.at}` : ""}
        onKeyDown={keys.onKeyDown}
      />
      <ul class="pick-list" id="switcher-list" role="listbox" aria-label={t("channels")}>
        {found.map((entry, i) => (
          <li
            key={entry.channel}
            id={`switcher-${i}`}
            class="pick"
            role="option"
            aria-selected={i === keys.at}
            onPointerMove={() => keys.setAt(i)}
            onClick={() => pick(entry)}
          >
            <Pick entry={entry} />
          </li>
        ))}
        {found.length === 0 && <li class="pick-none">{t("switcherNone")}</li>}
      </ul>
    </Dialog>
  );
}

function Pick({ entry }: { entry: InboxEntry }) {
  const name = channelName(entry);
  const unread = unreadOf(entry);
  const state = entry.peer === undefined ? undefined : presence.value.get(entry.peer)?.state;
  return (
    <>
      {entry.kind === KIND_DIRECT ? (
        <Avatar user={personOf(entry.peer)} size="s" presence={state === "offline" ? undefined : state} />
      ) : (
        <GroupAvatar id={entry.channel} name={name} size="s" />
      )}
      <span class="grow cut">{name}</span>
      {unread > 0 && <span class="badge num">{unread > 999 ? "999+" : unread}</span>}
    </>
  );
}

function find(entries: readonly InboxEntry[], query: string): readonly InboxEntry[] {
  const scored = entries.map((entry) => {
    const login = personOf(entry.peer)?.login_name ?? "";
    return { entry, score: Math.max(fits(channelName(entry), query), fits(login, query) - 1) };
  });
  return scored
    .filter((one) => one.score > 0)
    .sort((a, b) => b.score - a.score)
    .slice(0, 30)
    .map((one) => one.entry);
}
