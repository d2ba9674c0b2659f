import type { ComponentChildren } from "preact";
import type { User, UserID } from "../../model/types";
import { presence } from "../../state/people";
import { Avatar } from "../kit/avatar";
import { BotMark } from "../kit/bot";
import { personOf } from "../shell/names";
import { overlay } from "../shell/overlays";
import { t } from "../../i18n/index";

/** One person in a list, with what can be done at the end of the line. */
export function PersonRow({ id, user, children }: { id: UserID; user?: User; children?: ComponentChildren }) {
  const person = personOf(id) ?? user;
  const state = presence.value.get(id)?.state;
  const below = person?.status_line !== undefined && person.status_line !== "" ? person.status_line : `@${person?.login_name ?? ""}`;
  return (
    <li class="person-row">
      <button type="button" class="person" onClick={() => overlay({ is: "profile", user: id })}>
        <Avatar user={person} presence={state === "offline" ? undefined : state} />
        <span class="person-lines">
          <span class="cut">{person?.display_name ?? t("unknownPerson")} <BotMark user={person} /></span>
          <span class="meta cut">{below}</span>
        </span>
      </button>
      <span class="person-actions">{children}</span>
    </li>
  );
}
