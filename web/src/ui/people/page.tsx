import { useEffect, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import type { Friend, FriendState, User } from "../../model/types";
import { friends } from "../../state/people";
import { befriend, needPeople, unblock, unfriend } from "../../sync/commands";
import { Button } from "../kit/button";
import { Empty } from "../kit/empty";
import { attempt } from "../kit/toast";
import { nameOf } from "../shell/names";
import { FindPeople } from "./find";
import { PersonRow } from "./person-row";
import { openDirect } from "../channels/new-direct";
import { personOf } from "../shell/names";

/** Friends, requests both ways, and those who are blocked; and the way to find more. */
export function PeoplePage() {
  const [query, setQuery] = useState("");
  const list = [...friends.value.values()];
  useEffect(() => needPeople(list.map((friend) => friend.user)), [friends.value]);
  return (
    <div class="page">
      <header class="page-head">
        <h2>{t("people")}</h2>
      </header>
      <div class="page-body">
        <FindPeople query={query} onQuery={setQuery} />
        {query.trim() === "" && <Lists list={list} />}
      </div>
    </div>
  );
}

function Lists({ list }: { list: readonly Friend[] }) {
  const of = (state: FriendState): readonly Friend[] =>
    list.filter((friend) => friend.state === state).sort((a, b) => nameOf(a.user).localeCompare(nameOf(b.user)));
  const friendly = of("accepted");
  return (
    <>
      <Part title={t("requests")} list={of("received")} actions={(friend) => <AnswerButtons friend={friend} />} />
      <Part title={t("friends")} list={friendly} actions={(friend) => <MessageButton user={personOf(friend.user)} />} />
      {friendly.length === 0 && <Empty title={t("friendsEmpty")} text={t("friendsEmptyText")} />}
      <Part
        title={t("requestsSent")}
        list={of("sent")}
        actions={(friend) => (
          <Button small tone="quiet" onClick={() => void attempt(unfriend(friend.user))}>
            {t("withdraw")}
          </Button>
        )}
      />
      <Part
        title={t("blocked")}
        list={of("blocked")}
        actions={(friend) => (
          <Button small tone="quiet" onClick={() => void attempt(unblock(friend.user))}>
            {t("unblock")}
          </Button>
        )}
      />
    </>
  );
}

interface PartProps {
  readonly title: string;
  readonly list: readonly Friend[];
  readonly actions: (friend: Friend) => preact.ComponentChild;
}

function Part({ title, list, actions }: PartProps) {
  if (list.length === 0) return null;
  return (
    <section class="page-part">
      <h3>
        {title} <span class="meta num">{list.length}</span>
      </h3>
      <ul class="people-list">
        {list.map((friend) => (
          <PersonRow key={friend.user} id={friend.user}>
            {actions(friend)}
          </PersonRow>
        ))}
      </ul>
    </section>
  );
}

export function AnswerButtons({ friend }: { friend: Friend }) {
  return (
    <>
      <Button small tone="quiet" onClick={() => void attempt(unfriend(friend.user))}>
        {t("decline")}
      </Button>
      <Button small tone="accent" onClick={() => void attempt(befriend(friend.user))}>
        {t("accept")}
      </Button>
    </>
  );
}

export function MessageButton({ user }: { user: User | undefined }) {
  if (user === undefined) return null;
  return (
    <Button small onClick={() => void openDirect(user)}>
      {t("message")}
    </Button>
  );
}
