import { ROLE_NONE, type ChannelID, type User, type UserID } from "../../model/types";
import { channels, entries, members } from "../../state/channels";
import { me } from "../../state/me";
import { people } from "../../state/people";
import { KIND_DIRECT } from "../../model/types";

/** Words after @ that mean every member. */
export const everyone: readonly string[] = ["모두", "everyone", "all"];
const most = 100;

/** Those who can be mentioned in a channel, without oneself. */
export function candidates(channel: ChannelID): readonly User[] {
  const entry = entries.value.get(channel);
  const ids =
    entry?.kind === KIND_DIRECT && entry.peer !== undefined
      ? [entry.peer]
      : (members.value.get(channel) ?? []).filter((member) => member.role > ROLE_NONE).map((member) => member.user);
  return ids.filter((id) => id !== me.value?.id).flatMap((id) => people.value.get(id) ?? []);
}

/** Whether @everyone means something here. */
export function hasEveryone(channel: ChannelID): boolean {
  return entries.value.get(channel)?.kind !== KIND_DIRECT || (channels.value.get(channel)?.member_count ?? 0) > 2;
}

/** Who a text mentions, by the names after its @ signs, outside code. */
export function mentionsIn(text: string, channel: ChannelID): { readonly users: readonly UserID[]; readonly all: boolean } {
  if (!text.includes("@")) return { users: [], all: false };
  return mentionsAmong(text, candidates(channel), hasEveryone(channel));
}

/** mentionsIn for given people. The longest name that fits wins, so @Kim Min is not @Kim. */
export function mentionsAmong(text: string, users: readonly User[], withAll: boolean): { readonly users: readonly UserID[]; readonly all: boolean } {
  const bare = text.replace(/```[\s\S]*?(```|$)/g, " ").replace(/`[^`\n]*`/g, " ");
  const found = new Set<UserID>();
  let all = false;
  for (let at = bare.indexOf("@"); at >= 0; at = bare.indexOf("@", at + 1)) {
    if (/[\p{L}\p{N}]/u.test(bare[at - 1] ?? "")) continue;
    const best = longest(bare, at + 1, users);
    if (best !== undefined) found.add(best.id);
    else if (withAll && everyone.some((word) => bare.startsWith(word, at + 1))) all = true;
  }
  return { users: [...found].slice(0, most), all };
}

function longest(text: string, at: number, users: readonly User[]): User | undefined {
  let best: User | undefined;
  let length = 0;
  for (const user of users) {
    for (const name of [user.display_name, user.login_name]) {
      if (name.length > length && text.startsWith(name, at)) {
        best = user;
        length = name.length;
      }
    }
  }
  return best;
}
