// Reading back what is kept.
import type { Cursor } from "../model/cursor";
import type { DraftText, MemberList } from "../model/patch";
import type { Channel, ChannelID, Friend, InboxEntry, Limits, LoginID, Message, OutboxRow, Pos, Self, Seq, User } from "../model/types";
import type { LocalRead } from "../model/unread";
import type { Keeper } from "./kv";

/** Everything but messages: what the first paint needs. */
export interface Snapshot {
  readonly me: Self | null;
  readonly login: LoginID | null;
  readonly limits: Limits | null;
  readonly pos: Pos;
  readonly entries: readonly InboxEntry[];
  readonly details: readonly Channel[];
  readonly members: readonly MemberList[];
  readonly outbox: readonly OutboxRow[];
  readonly drafts: readonly DraftText[];
  readonly people: readonly User[];
  readonly friends: readonly Friend[];
  readonly reads: readonly LocalRead[];
}

export function loadSnapshot(keeper: Keeper): Promise<Snapshot> {
  return keeper.run("readonly", async (tx) => {
    const meta = new Map((await tx.all("meta")).map((r) => [r.key, r.value]));
    return {
      me: (meta.get("me") as Self | undefined) ?? null,
      login: (meta.get("login") as LoginID | undefined) ?? null,
      limits: (meta.get("limits") as Limits | undefined) ?? null,
      pos: Number(meta.get("pos") ?? 0),
      entries: await tx.all("entries"),
      details: await tx.all("details"),
      members: await tx.all("members"),
      outbox: await tx.all("outbox"),
      drafts: await tx.all("drafts"),
      people: await tx.all("people"),
      friends: await tx.all("friends"),
      reads: await tx.all("reads"),
    };
  });
}

export function loadPos(keeper: Keeper): Promise<Pos> {
  return keeper.run("readonly", async (tx) => Number((await tx.get("meta", "pos"))?.value ?? 0));
}

/** Whether what is kept is of another generation of the server's data than `now`. If nothing is kept, it is of this one from
 *  now on. */
export function outOfDate(keeper: Keeper, now: number): Promise<boolean> {
  return keeper.run("readwrite", async (tx) => {
    const kept = Number((await tx.get("meta", "generation"))?.value ?? 0);
    if (kept === now) return false;
    if (Number((await tx.get("meta", "pos"))?.value ?? 0) > 0) return true;
    tx.put("meta", { key: "generation", value: now });
    return false;
  });
}

export function loadOutbox(keeper: Keeper): Promise<readonly OutboxRow[]> {
  return keeper.run("readonly", (tx) => tx.all("outbox"));
}

export function loadReads(keeper: Keeper): Promise<readonly LocalRead[]> {
  return keeper.run("readonly", (tx) => tx.all("reads"));
}

export function loadCursor(keeper: Keeper, channel: ChannelID): Promise<Cursor | undefined> {
  return keeper.run("readonly", (tx) => tx.get("cursors", channel));
}

export function loadCursors(keeper: Keeper): Promise<readonly Cursor[]> {
  return keeper.run("readonly", (tx) => tx.all("cursors"));
}

export function loadMessages(keeper: Keeper, channel: ChannelID, from: Seq, to: Seq): Promise<readonly Message[]> {
  return keeper.run("readonly", (tx) => tx.messages(channel, from, to));
}

/** Takes out everything but the person's own unsent words. */
export function wipeButUnsent(keeper: Keeper): Promise<void> {
  return keeper.run("readwrite", async (tx) => {
    for (const s of ["meta", "messages", "entries", "details", "members", "cursors", "people", "friends", "reads"] as const) tx.clear(s);
  });
}

/** Cuts the least recent channels' caches so that about `max` messages stay in all. */
export function trimAll(keeper: Keeper, max: number, keepEach: number): Promise<void> {
  return keeper.run("readwrite", async (tx) => {
    const entries = new Map((await tx.all("entries")).map((e) => [e.channel, e.last_at]));
    const cursors = await tx.all("cursors");
    cursors.sort((a, b) => (entries.get(b.channel) ?? 0) - (entries.get(a.channel) ?? 0));
    let total = 0;
    for (const c of cursors) {
      const size = c.ranges.reduce((n, r) => n + r.to - r.from + 1, 0);
      total += size;
      const top = c.ranges[c.ranges.length - 1];
      if (total <= max || size <= keepEach || !top) continue;
      const from = Math.max(top.from, top.to - keepEach + 1);
      tx.deleteMessages(c.channel, 0, from - 1);
      tx.put("cursors", { ...c, ranges: [{ from, to: top.to }] });
      total -= size - (top.to - from + 1);
    }
  });
}
