import { Check, X } from "lucide-preact";
import { useMemo, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import type { User, UserID } from "../../model/types";
import { friends, people, presence } from "../../state/people";
import { Avatar } from "../kit/avatar";
import { SearchField } from "../kit/field";
import { Icon } from "../kit/icon";
import { useListKeys } from "../kit/list-keys";
import { useSearch } from "../people/use-search";
import { isMe } from "../shell/names";
import { fits } from "./search";

export interface PeoplePickerProps {
  readonly chosen: readonly User[];
  readonly onToggle: (user: User) => void;
  readonly single?: boolean;
  readonly without?: ReadonlySet<UserID>;
}

/** Finds people: friends at once, everyone else by the server. */
export function PeoplePicker({ chosen, onToggle, single = false, without }: PeoplePickerProps) {
  const [query, setQuery] = useState("");
  const { found, asking } = useFound(query);
  const list = found.filter((user) => !isMe(user.id) && without?.has(user.id) !== true);
  const keys = useListKeys(list.length, (i) => list[i] !== undefined && onToggle(list[i]), query);
  const ids = new Set(chosen.map((user) => user.id));
  return (
    <div class="people-picker">
      <SearchField label={t("findPeople")} placeholder={t("findPeopleHint")} value={query} onValue={setQuery} autoFocus={single} onKeyDown={keys.onKeyDown} />
      {!single && chosen.length > 0 && (
        <div class="chosen-people">
          {chosen.map((user) => (
            <button key={user.id} type="button" class="chosen-person" onClick={() => onToggle(user)} aria-label={t("unchoose", user.display_name)}>
              <Avatar user={user} size="xs" />
              <span class="cut">{user.display_name}</span>
              <Icon of={X} size={14} />
            </button>
          ))}
        </div>
      )}
      <ul class="pick-list" role="listbox" aria-label={t("people")} {...(single ? {} : { "aria-multiselectable": true })}>
        {list.map((user, i) => (
          <li
            key={user.id}
            class={`pick${i === keys.at ? " at" : ""}`}
            role="option"
            aria-selected={single ? i === keys.at : ids.has(user.id)}
            onPointerMove={() => keys.setAt(i)}
            onClick={() => onToggle(user)}
          >
            <Avatar user={user} size="s" presence={stateOf(user.id)} />
            <span class="grow cut">
              {user.display_name} <span class="meta">@{user.login_name}</span>
            </span>
            {ids.has(user.id) && <Icon of={Check} size={18} />}
          </li>
        ))}
        {list.length === 0 && !asking && <li class="pick-none">{query.trim() === "" ? t("findStart") : t("findNone", query.trim())}</li>}
      </ul>
    </div>
  );
}

function stateOf(id: UserID) {
  const state = presence.value.get(id)?.state;
  return state === "offline" ? undefined : state;
}

/** Friends that fit, then what the server finds; it is asked once typing rests. */
function useFound(query: string): { readonly found: readonly User[]; readonly asking: boolean } {
  const { q, users, asking } = useSearch(query);
  const near = useMemo(() => {
    const known = [...friends.value.values()].filter((friend) => friend.state === "accepted").map((friend) => people.value.get(friend.user));
    return known.filter((user): user is User => user !== undefined && (fits(user.display_name, q) > 0 || fits(user.login_name, q) > 0));
  }, [q, friends.value, people.value]);
  const far = users.filter((user) => !near.some((other) => other.id === user.id));
  return { found: [...near, ...far], asking };
}
