// Commands about channels, members and people: one HTTP call, then the answer is committed like a frame.
import { uuidv7 } from "../model/uuid";
import type { Channel, ChannelID, Friend, InboxEntry, Level, Message, Role, Seq, UserID } from "../model/types";
import { writeChannels } from "../state/channels";
import { findMessage } from "../model/timeline";
import { writeTimeline } from "../state/timeline";
import type { Core } from "./core";
import type { People } from "./people";

export class Channels {
  private readonly core: Core;
  private readonly people: People;
  private readonly loading = new Set<ChannelID>();

  constructor(core: Core, people: People) {
    this.core = core;
    this.people = people;
  }

  /** Members, their read marks and roles, and the channel itself. */
  async refresh(id: ChannelID): Promise<void> {
    if (this.loading.has(id)) return;
    this.loading.add(id);
    try {
      const [channel, { members, users }] = await Promise.all([this.core.api.channel(id), this.core.api.members(id)]);
      // Marks that came while this was read are not taken back.
      const known = new Map((writeChannels.memberMap.value.get(id) ?? []).map((m) => [m.user, m.read_seq]));
      const merged = members.map((m) => ({ ...m, read_seq: Math.max(m.read_seq, known.get(m.user) ?? 0) }));
      await this.core.commit({ channels: [channel], members: [{ channel: id, members: merged }], people: users });
    } catch {
      // The views show what is known; the next opening or change tries again.
    } finally {
      this.loading.delete(id);
    }
  }

  refreshOpen(): void {
    const id = writeTimeline.openID.value;
    if (id) void this.refresh(id);
  }

  /** A frame told of a channel: members are read again if somebody looks at them. */
  changed(c: Channel): void {
    if (writeTimeline.openID.value === c.id || writeChannels.memberMap.value.has(c.id)) void this.refresh(c.id);
  }

  async direct(user: UserID): Promise<ChannelID> {
    const c = await this.core.api.direct(user);
    await this.core.commit({ channels: [c], entries: this.placeholder(c, user) });
    this.people.need([user]);
    return c.id;
  }

  async group(form: { name: string; members: readonly UserID[] }): Promise<ChannelID> {
    const key = uuidv7(this.core.clock.now(), (b) => this.core.page.fillRandom(b));
    const c = await this.core.api.createGroup({ key, ...form });
    return this.joined(c);
  }

  async join(code: string): Promise<ChannelID> {
    return this.joined(await this.core.api.joinInvite(code));
  }

  async edit(id: ChannelID, body: { name?: string; limit?: number }): Promise<void> {
    await this.core.commit({ channels: [await this.core.api.editChannel(id, body)] });
  }

  async add(id: ChannelID, users: readonly UserID[]): Promise<void> {
    await this.core.commit({ channels: [await this.core.api.addMembers(id, users)] });
    await this.refresh(id);
  }

  async remove(id: ChannelID, user: UserID): Promise<void> {
    await this.core.api.removeMember(id, user);
    if (user === this.core.self) await this.left(id);
    else await this.refresh(id);
  }

  async role(id: ChannelID, user: UserID, role: Role): Promise<void> {
    await this.core.commit({ channels: [await this.core.api.setRole(id, user, role)] });
    await this.refresh(id);
  }

  async preference(id: ChannelID, preference: { level?: Level; pinned?: boolean }): Promise<void> {
    await this.core.commit({ entries: [await this.core.api.setPreference(id, preference)] });
  }

  async befriend(user: UserID): Promise<Friend> {
    const { friend } = await this.core.api.befriend(user);
    await this.core.commit({ friends: [friend] });
    this.people.need([user]);
    return friend;
  }

  async unfriend(user: UserID): Promise<void> {
    await this.core.api.unfriend(user);
    await this.core.commit({ unfriended: [user] });
  }

  async block(user: UserID): Promise<void> {
    await this.core.api.block(user);
    await this.core.commit({ friends: [{ user, state: "blocked", since: this.core.clock.now() }] });
  }

  async unblock(user: UserID): Promise<void> {
    await this.core.api.unblock(user);
    await this.core.commit({ unfriended: [user] });
  }

  async react(id: ChannelID, seq: Seq, emoji: string): Promise<void> {
    const m = findMessage(writeTimeline.current.value, seq) ?? findMessage(writeTimeline.threadWindow.value, seq);
    const mine = m?.reactions?.some((r) => r.emoji === emoji && r.users.includes(this.core.self)) ?? false;
    await this.altered(mine ? this.core.api.unreact(id, seq, emoji) : this.core.api.react(id, seq, emoji));
  }

  async altered(answer: Promise<Message>): Promise<void> {
    await this.core.commit({ altered: [await answer] });
  }

  private async joined(c: Channel): Promise<ChannelID> {
    await this.core.commit({ channels: [c], entries: this.placeholder(c) });
    return c.id;
  }

  private async left(id: ChannelID): Promise<void> {
    const e = writeChannels.entryMap.value.get(id);
    await this.core.commit({ forget: [id], ...(e ? { entries: [{ ...e, member: false }] } : {}) });
  }

  /** Until the inbox tells of a new channel it stands in the list with what its making said. */
  private placeholder(c: Channel, peer?: UserID): readonly InboxEntry[] {
    const known = writeChannels.entryMap.value.get(c.id);
    if (known?.member) return [];
    return [{
      channel: c.id, kind: c.kind, member: true, pos: known?.pos ?? 0, last_seq: c.last_seq, last_n: c.last_n, last_change: c.last_change,
      last_at: this.core.clock.now(), read_seq: c.last_seq, read_n: c.last_n, mentions: 0, level: 0, pinned: false,
      ...(peer ? { peer } : {}), ...(c.name ? { name: c.name } : {}),
    }];
  }
}
