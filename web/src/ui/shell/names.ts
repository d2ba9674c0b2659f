import { t } from "../../i18n/index";
import { KIND_DIRECT, type ChannelID, type InboxEntry, type Message, type System, type User, type UserID } from "../../model/types";
import { channels } from "../../state/channels";
import { me } from "../../state/me";
import { people } from "../../state/people";

/** The profile of a person, as far as it is known. */
export function personOf(id: UserID | undefined): User | undefined {
  if (id === undefined) return undefined;
  const self = me.value;
  return self !== null && self.id === id ? self : people.value.get(id);
}

/** What a person is called on the screen. */
export function nameOf(id: UserID | undefined): string {
  const user = personOf(id);
  if (user === undefined) return t("unknownPerson");
  return user.disabled === true && user.display_name === "" ? t("deletedAccount") : user.display_name;
}

export function isMe(id: UserID | undefined): boolean {
  return id !== undefined && me.value?.id === id;
}

/** What a conversation is called: the group's name, or the other person's. */
export function channelName(entry: InboxEntry | undefined, id?: ChannelID): string {
  if (entry !== undefined) {
    if (entry.kind === KIND_DIRECT) return nameOf(entry.peer);
    if (entry.name !== undefined && entry.name !== "") return entry.name;
  }
  const known = id === undefined ? undefined : channels.value.get(id);
  return known?.name ?? "";
}

/** The line that tells of a join, a leave, a rename … */
export function systemLine(system: System | undefined): string {
  if (system === undefined) return t("sysUnknown");
  const who = nameOf(system.actor);
  const whom = (system.users ?? []).map(nameOf);
  switch (system.event) {
    case "created":
      return t("sysCreated", who);
    case "joined":
      return t("sysJoined", whom.length === 0 ? [who] : whom);
    case "added":
      return t("sysAdded", who, whom);
    case "removed":
      return t("sysRemoved", who, whom);
    case "left":
      return t("sysLeft", whom.length === 0 ? [who] : whom);
    case "renamed":
      return t("sysRenamed", who, system.text ?? "");
    case "role":
      return t("sysRole", who, whom, roleWord(system.text ?? ""));
    case "limit":
      return t("sysLimit", who, system.text ?? "");
    default:
      return t("sysUnknown");
  }
}

/** The word for a role, given as its number or its name. */
export function roleWord(role: string | number): string {
  const key = String(role);
  if (key === "3" || key === "owner") return t("roleOwner");
  if (key === "2" || key === "admin") return t("roleAdmin");
  return t("roleMember");
}

/** People whose names a message needs. */
export function peopleIn(message: Message): readonly UserID[] {
  const system = message.system;
  return [
    message.sender,
    ...(message.mentions ?? []),
    ...(system === undefined ? [] : [system.actor, ...(system.users ?? [])]),
    ...(message.reactions ?? []).flatMap((reaction) => reaction.users.slice(0, 12)),
  ];
}
