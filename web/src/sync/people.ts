// Profiles of people who are on the screen but not yet known, fetched together.
import { problemOf } from "../model/problem";
import type { Message, UserID } from "../model/types";
import { writePeople } from "../state/people";
import type { Core } from "./core";

const GATHER_MS = 30;
const AT_ONCE = 200;

export class People {
  private readonly core: Core;
  private readonly wanted = new Set<UserID>();
  /** Asked for in vain: not again before the page is reloaded. */
  private readonly unknown = new Set<UserID>();
  private timer: (() => void) | null = null;

  constructor(core: Core) {
    this.core = core;
  }

  need(ids: Iterable<UserID>): void {
    const known = writePeople.userMap.value;
    for (const id of ids) if (id && id !== "0" && !known.has(id) && !this.unknown.has(id)) this.wanted.add(id);
    if (this.wanted.size > 0) this.timer ??= this.core.clock.after(GATHER_MS, () => void this.fetch());
  }

  needOf(messages: readonly Message[]): void {
    const ids = new Set<UserID>();
    for (const m of messages) {
      ids.add(m.sender);
      for (const u of m.mentions ?? []) ids.add(u);
      if (m.system) for (const u of [m.system.actor, ...(m.system.users ?? [])]) ids.add(u);
      for (const r of m.reactions ?? []) for (const u of r.users) ids.add(u);
    }
    this.need(ids);
  }

  stop(): void {
    this.timer?.();
  }

  private async fetch(): Promise<void> {
    const ids = [...this.wanted].slice(0, AT_ONCE);
    for (const id of ids) this.wanted.delete(id);
    try {
      const { users } = await this.core.api.usersByID(ids);
      const found = new Set(users.map((u) => u.id));
      for (const id of ids) if (!found.has(id)) this.unknown.add(id);
      if (users.length > 0) await this.core.commit({ people: users });
      this.timer = null;
    } catch (err) {
      if (problemOf(err).retry) for (const id of ids) this.wanted.add(id);
      this.timer = null;
      if (this.core.closed || this.wanted.size === 0) return;
      this.timer = this.core.clock.after(3_000, () => void this.fetch());
      return;
    }
    if (this.wanted.size > 0) this.need([]);
  }
}
