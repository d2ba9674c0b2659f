import { t } from "../../i18n/index";
import type { User } from "../../model/types";
import { friends } from "../../state/people";
import { befriend } from "../../sync/commands";
import { Button } from "../kit/button";
import { Skeleton } from "../kit/empty";
import { SearchField } from "../kit/field";
import { attempt } from "../kit/toast";
import { isMe } from "../shell/names";
import { AnswerButtons, MessageButton } from "./page";
import { PersonRow } from "./person-row";
import { useSearch } from "./use-search";

/** Looks for people by name once typing rests. */
export function FindPeople({ query, onQuery }: { query: string; onQuery: (query: string) => void }) {
  const { q, users: found, asking } = useSearch(query);
  const users = found.filter((user) => !isMe(user.id));
  return (
    <>
      <SearchField label={t("findPeople")} placeholder={t("findPeopleHint")} value={query} onValue={onQuery} />
      {asking && <Skeleton rows={3} kind="person" />}
      {q !== "" && !asking && (
        <ul class="people-list">
          {users.map((user) => (
            <PersonRow key={user.id} id={user.id} user={user}>
              <Befriend user={user} />
            </PersonRow>
          ))}
          {users.length === 0 && <li class="pick-none">{t("findNone", q)}</li>}
        </ul>
      )}
    </>
  );
}

/** What can be done with someone, by where the friendship stands. */
export function Befriend({ user }: { user: User }) {
  const friend = friends.value.get(user.id);
  switch (friend?.state) {
    case "accepted":
      return <MessageButton user={user} />;
    case "received":
      return <AnswerButtons friend={friend} />;
    case "sent":
      return <span class="meta">{t("requestSent")}</span>;
    case "blocked":
      return <span class="meta">{t("blocked")}</span>;
    default:
      return (
        <Button small onClick={() => void attempt(befriend(user.id), t("requestSent"))}>
          {t("addFriend")}
        </Button>
      );
  }
}
