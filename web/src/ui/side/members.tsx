import { Ellipsis, LogOut, Shield, UserMinus, UserPlus } from "lucide-preact";
import { useEffect, useMemo, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { KIND_DIRECT, ROLE_ADMIN, ROLE_MEMBER, ROLE_OWNER, type ChannelID, type Member, type Role } from "../../model/types";
import { channels, entries, members } from "../../state/channels";
import { presence } from "../../state/people";
import { leave, needPeople, refreshMembers, removeMember, setRole } from "../../sync/commands";
import { Avatar } from "../kit/avatar";
import { ask } from "../kit/ask";
import { BotMark } from "../kit/bot";
import { Button, IconButton } from "../kit/button";
import { SearchField } from "../kit/field";
import { Skeleton } from "../kit/empty";
import { Menu, type MenuItem } from "../kit/menu";
import type { Anchor } from "../kit/popover";
import { attempt } from "../kit/toast";
import { fits } from "../channels/search";
import { channelName, isMe, nameOf, personOf, roleWord } from "../shell/names";
import { overlay } from "../shell/overlays";
import { go } from "../shell/route";
import { AddMembers } from "./add-members";

/** Who is in this conversation; those who may, add, remove and give roles. */
export function MembersPane({ channel }: { channel: ChannelID }) {
  const [query, setQuery] = useState("");
  const [adding, setAdding] = useState(false);
  const list = members.value.get(channel);
  useEffect(() => refreshMembers(channel), [channel]);
  useEffect(() => needPeople((list ?? []).map((member) => member.user)), [list]);
  const sorted = useMemo(() => sort(list ?? []), [list, presence.value]);
  if (list === undefined) {
    return (
      <div class="side-scroll">
        <Skeleton rows={6} kind="person" />
      </div>
    );
  }
  const role = channels.value.get(channel)?.role ?? list.find((member) => isMe(member.user))?.role ?? 0;
  const group = entries.value.get(channel)?.kind !== KIND_DIRECT;
  const shown = query === "" ? sorted : sorted.filter((member) => fits(nameOf(member.user), query) > 0);
  return (
    <div class="side-scroll">
      {list.length > 8 && <SearchField label={t("search")} value={query} onValue={setQuery} />}
      {group && role >= ROLE_ADMIN && (
        <button type="button" class="person add" onClick={() => setAdding(true)}>
          <span class="person-icon">
            <UserPlus size={20} strokeWidth={1.75} aria-hidden="true" />
          </span>
          <span>{t("addMembers")}</span>
        </button>
      )}
      <ul class="people-list">
        {shown.map((member) => (
          <MemberRow key={member.user} channel={channel} member={member} role={role} />
        ))}
      </ul>
      {group && (
        <div class="side-foot">
          <Button tone="quiet" icon={LogOut} onClick={() => void leaveGroup(channel)}>
            {t("leave")}
          </Button>
        </div>
      )}
      {adding && <AddMembers channel={channel} onClose={() => setAdding(false)} />}
    </div>
  );
}

function MemberRow({ channel, member, role }: { channel: ChannelID; member: Member; role: Role }) {
  const [menu, setMenu] = useState<Anchor | null>(null);
  const name = nameOf(member.user);
  const state = presence.value.get(member.user)?.state;
  const items = actionsFor(channel, member, role, name);
  return (
    <li class="person-row">
      <button type="button" class="person" onClick={() => overlay({ is: "profile", user: member.user })}>
        <Avatar user={personOf(member.user)} size="s" presence={state === "offline" ? undefined : state} />
        <span class="grow cut">
          {name} <BotMark user={personOf(member.user)} />
          {isMe(member.user) && <span class="meta"> · {t("you")}</span>}
        </span>
        {member.role > ROLE_MEMBER && <span class="meta">{roleWord(member.role)}</span>}
      </button>
      {items.length > 0 && <IconButton small icon={Ellipsis} label={`${name}: ${t("more")}`} onClick={(e) => setMenu(e.currentTarget)} />}
      {menu !== null && <Menu anchor={menu} label={name} items={items} onClose={() => setMenu(null)} />}
    </li>
  );
}

function actionsFor(channel: ChannelID, member: Member, role: Role, name: string): readonly MenuItem[] {
  if (isMe(member.user)) return [];
  const items: MenuItem[] = [];
  if (role === ROLE_OWNER) {
    for (const to of [ROLE_OWNER, ROLE_ADMIN, ROLE_MEMBER] as const) {
      if (to !== member.role) {
        items.push({ label: t("makeRole", roleWord(to)), icon: Shield, onPick: () => void attempt(setRole(channel, member.user, to)) });
      }
    }
  }
  if (role >= ROLE_ADMIN && role > member.role) {
    items.push({ label: t("remove"), icon: UserMinus, danger: true, onPick: () => void remove(channel, member, name) });
  }
  return items;
}

async function remove(channel: ChannelID, member: Member, name: string): Promise<void> {
  const yes = await ask({ title: t("removeTitle", name), text: t("removeText"), yes: t("remove"), danger: true });
  if (yes) await attempt(removeMember(channel, member.user));
}

/** Leaves a group after asking. */
export async function leaveGroup(channel: ChannelID): Promise<void> {
  const name = channelName(entries.value.get(channel), channel);
  const yes = await ask({ title: t("leaveTitle", name), text: t("leaveText"), yes: t("leaveConfirm"), danger: true });
  if (yes && (await attempt(leave(channel)))) go({ at: "home" }, true);
}

const rank = { online: 0, away: 1, offline: 2 } as const;

/** Those who lead, then those who are there, then by name. */
function sort(list: readonly Member[]): readonly Member[] {
  const there = (member: Member): number => rank[presence.value.get(member.user)?.state ?? "offline"];
  return [...list].sort((a, b) => b.role - a.role || there(a) - there(b) || nameOf(a.user).localeCompare(nameOf(b.user)));
}
