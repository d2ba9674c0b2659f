// The one transaction by which anything becomes known: it merges a patch into the stores and says what was news. Merging
// is idempotent and does not depend on the order of patches, so any tab may commit, any number of times.
import type { Effect, Patch } from "../model/patch";
import type { ChannelID, UserID } from "../model/types";
import { readKey, type LocalRead } from "../model/unread";
import { gapsOf, type Gap } from "../model/cursor";
import { dropRow, type Gathered } from "./gathered";
import { Shelf } from "./shelf";
import type { Keeper, Tx } from "./kv";

export function commit(keeper: Keeper, self: UserID, p: Patch): Promise<Effect> {
  return keeper.run("readwrite", async (tx) => {
    const g: Gathered = {
      entries: new Map(), messages: [], outboxPut: new Map(), outboxDrop: new Set(), readsDrop: [], cursors: new Map(),
    };
    await putMeta(tx, p);
    putPlain(tx, p);
    for (const row of p.outboxPut ?? []) {
      tx.put("outbox", row);
      g.outboxPut.set(row.client_msg_id, row);
    }
    for (const id of p.outboxDrop ?? []) dropRow(tx, g, id);
    const marks = await putMarks(tx, p);
    await putFriends(tx, p);
    const channels = await putDetails(tx, p);
    await putEntries(tx, p, g);
    const shelf = new Shelf(tx, self, g);
    await shelf.take(p);
    const gaps = await findGaps(tx, g);
    return {
      ...passing(p),
      entries: [...g.entries.values()], messages: g.messages, cursors: [...g.cursors.values()], gaps, channels, marks,
      outboxPut: [...g.outboxPut.values()].filter((r) => !g.outboxDrop.has(r.client_msg_id)),
      outboxDrop: [...g.outboxDrop], reads: p.reads ?? [], readsDrop: g.readsDrop,
    };
  });
}

function passing(p: Patch): Partial<Effect> {
  const { me, login, limits, people, friends, unfriended, allFriends, members, drafts, presence, allPresence, typing, forget } = p;
  const all = { me, login, limits, people, friends, unfriended, allFriends, members, drafts, presence, allPresence, typing, forget };
  return Object.fromEntries(Object.entries(all).filter(([, v]) => v !== undefined)) as Partial<Effect>;
}

async function putMeta(tx: Tx, p: Patch): Promise<void> {
  if (p.me) tx.put("meta", { key: "me", value: p.me });
  if (p.login) tx.put("meta", { key: "login", value: p.login });
  if (p.limits) tx.put("meta", { key: "limits", value: p.limits });
  if (p.pos !== undefined) {
    const old = await tx.get("meta", "pos");
    if (p.pos > Number(old?.value ?? 0)) tx.put("meta", { key: "pos", value: p.pos });
  }
}

function putPlain(tx: Tx, p: Patch): void {
  for (const u of p.people ?? []) tx.put("people", u);
  for (const m of p.members ?? []) tx.put("members", m);
  for (const d of p.drafts ?? []) {
    if (d.text === "") tx.delete("drafts", d.key);
    else tx.put("drafts", d);
  }
  for (const r of p.reads ?? []) tx.put("reads", { ...r, key: readKey(r.channel, r.thread) });
}

async function putFriends(tx: Tx, p: Patch): Promise<void> {
  if (p.allFriends) tx.clear("friends");
  for (const f of p.friends ?? []) tx.put("friends", f);
  for (const u of p.unfriended ?? []) tx.delete("friends", u);
}

/** A read mark only moves forward. */
async function putMarks(tx: Tx, p: Patch): Promise<Effect["marks"]> {
  const news: Effect["marks"][number][] = [];
  for (const mark of p.marks ?? []) {
    if (mark.thread) continue;
    const row = await tx.get("members", mark.channel);
    const i = row?.members.findIndex((m) => m.user === mark.user) ?? -1;
    const member = row?.members[i];
    if (!row || !member || member.read_seq >= mark.seq) continue;
    const members = row.members.slice();
    members[i] = { ...member, read_seq: mark.seq };
    tx.put("members", { channel: mark.channel, members });
    news.push(mark);
  }
  return news;
}

async function putDetails(tx: Tx, p: Patch): Promise<Effect["channels"]> {
  const news: Effect["channels"][number][] = [];
  for (const c of p.channels ?? []) {
    const old = await tx.get("details", c.id);
    if (old && old.member_version > c.member_version) continue;
    // A frame is the same for all members and does not say one's role.
    const merged = c.role === undefined && old?.role !== undefined ? { ...c, role: old.role } : c;
    tx.put("details", merged);
    news.push(merged);
  }
  return news;
}

async function putEntries(tx: Tx, p: Patch, g: Gathered): Promise<void> {
  const list = p.entries ?? [];
  const reads: LocalRead[] = list.length > 0 ? await tx.all("reads") : [];
  for (const e of list) {
    const old = g.entries.get(e.channel) ?? (await tx.get("entries", e.channel));
    if (old && old.pos > e.pos) continue;
    tx.put("entries", e);
    g.entries.set(e.channel, e);
    for (const r of reads) {
      if (r.channel !== e.channel) continue;
      const done = r.thread ? p.settleReads || !e.threads?.some((t) => t.root === r.thread) : e.read_seq >= r.seq;
      if (!done && e.member) continue;
      const key = readKey(r.channel, r.thread);
      tx.delete("reads", key);
      g.readsDrop.push(key);
    }
  }
}

async function findGaps(tx: Tx, g: Gathered): Promise<readonly Gap[]> {
  const gaps: Gap[] = [];
  const touched = new Set<ChannelID>([...g.cursors.keys(), ...g.entries.keys()]);
  for (const id of touched) {
    const entry = g.entries.get(id) ?? (await tx.get("entries", id));
    if (entry && !entry.member) continue;
    const cursor = g.cursors.get(id) ?? (await tx.get("cursors", id));
    if (cursor) gaps.push(...gapsOf(cursor, entry));
    else if (entry && entry.last_seq > 0) gaps.push({ kind: "newest", channel: id });
  }
  return gaps;
}
