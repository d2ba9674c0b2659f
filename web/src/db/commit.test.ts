import "fake-indexeddb/auto";
import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { addRange, type Range } from "../model/cursor";
import type { Patch } from "../model/patch";
import type { Message } from "../model/types";
import { CH, entryOf, ME, msg, row, YOU } from "../test/fakes";
import { commit } from "./commit";
import { deleteIdb, openIdb } from "./idb";
import type { Keeper } from "./kv";
import { loadCursor, loadMessages, loadOutbox, loadSnapshot, wipeButUnsent } from "./load";
import { openMemory } from "./memory";

const LAST = 12;
const CHANGES = 6;
/** The truth of a channel: 12 messages, some altered; changes 1 to 6. */
const truth: readonly Message[] = Array.from({ length: LAST }, (_, i) => {
  const change = i < CHANGES ? CHANGES - i : 0;
  return msg(i + 1, change ? { change, body: `m${i + 1} changed` } : {});
});
const asSent = (m: Message): Message => msg(m.seq);

function page(from: number, to: number): Patch {
  return { pages: [{ channel: CH, messages: truth.slice(from - 1, to), from, to, lastSeq: LAST, lastChange: CHANGES, ...(from === 1 ? { start: 1 } : {}) }] };
}

const anyPatch: fc.Arbitrary<Patch> = fc.oneof(
  fc.tuple(fc.integer({ min: 1, max: LAST }), fc.integer({ min: 0, max: 5 })).map(([from, n]) => page(from, Math.min(LAST, from + n))),
  fc.integer({ min: 1, max: LAST }).map((seq): Patch => ({ live: [asSent(truth[seq - 1]!)] })),
  fc.integer({ min: 1, max: CHANGES }).map((seq): Patch => ({ altered: [truth[seq - 1]!] })),
  fc.integer({ min: 0, max: CHANGES }).map((after): Patch => ({
    changes: [{ channel: CH, messages: truth.filter((m) => (m.change ?? 0) > after).sort((a, b) => a.change! - b.change!), after, to: CHANGES, lastSeq: LAST }],
  })),
  fc.integer({ min: 1, max: LAST }).map((n): Patch => ({ entries: [entryOf(n, { last_change: Math.min(n, CHANGES) })] })),
);

let opened: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of opened) await close();
  opened = [];
});
let account = 0;
async function idb(): Promise<Keeper> {
  const name = `t${++account}`;
  const keeper = await openIdb(name, () => {});
  opened.push(async () => {
    keeper.close();
    await deleteIdb(name);
  });
  return keeper;
}

/** What the stores claim must be true: every seq of every range is there, in a state as new as the change cursor says. */
async function check(keeper: Keeper): Promise<void> {
  const c = await loadCursor(keeper, CH);
  const kept = await loadMessages(keeper, CH, 0, 1000);
  const bySeq = new Map(kept.map((m) => [m.seq, m]));
  const ranges: readonly Range[] = c?.ranges ?? [];
  for (const r of ranges) {
    for (let s = r.from; s <= r.to; s++) {
      const m = bySeq.get(s);
      expect(m, `seq ${s}`).toBeDefined();
      const real = truth[s - 1]!;
      if ((real.change ?? 0) <= c!.change) expect(m!.change ?? 0, `change of ${s}`).toBe(real.change ?? 0);
    }
  }
  expect([...ranges].reduce<readonly Range[]>(addRange, [])).toEqual(ranges);
}

for (const [name, open] of [["memory", async () => openMemory()], ["IndexedDB", idb]] as const) {
  describe(`commit to ${name}`, () => {
    it("whatever comes, in whatever order and how often: what is claimed is there, and filling the gaps ends at the truth", async () => {
      await fc.assert(fc.asyncProperty(fc.array(anyPatch, { maxLength: 25 }), async (patches) => {
        const keeper = await open();
        for (const p of patches) {
          await commit(keeper, ME, p);
          await check(keeper);
        }
        let effect = await commit(keeper, ME, { entries: [entryOf(1000, { last_seq: LAST, last_change: CHANGES })] });
        for (let i = 0; effect.gaps.length > 0 && i < 20; i++) {
          const g = effect.gaps[0]!;
          const fill: Patch = g.kind === "changes"
            ? { changes: [{ channel: CH, messages: truth.filter((m) => (m.change ?? 0) > g.after), after: g.after, to: CHANGES, lastSeq: LAST }] }
            : g.kind === "hole" ? page(g.after + 1, Math.max(g.to, g.after + 1)) : page(1, LAST);
          effect = await commit(keeper, ME, fill);
        }
        expect(effect.gaps).toEqual([]);
        const c = await loadCursor(keeper, CH);
        const top = c!.ranges.at(-1)!;
        expect(top.to).toBe(LAST);
        const kept = await loadMessages(keeper, CH, top.from, top.to);
        expect(kept.map((m) => [m.seq, m.body])).toEqual(truth.slice(top.from - 1).map((m) => [m.seq, m.body]));
      }), { numRuns: name === "memory" ? 150 : 15 });
    });

    it("an ack that continues the channel stores the message and takes the row out, in one step", async () => {
      const keeper = await open();
      await commit(keeper, ME, page(1, LAST));
      await commit(keeper, ME, { outboxPut: [row(1, { mentions: [YOU] })] });
      const e = await commit(keeper, ME, { acks: [{ channel: CH, client_msg_id: row(1).client_msg_id, seq: 13, n: 13, at: 5 }] });
      expect(e.outboxDrop).toEqual([row(1).client_msg_id]);
      expect(e.messages).toMatchObject([{ seq: 13, body: "o1", sender: ME, mentions: [YOU] }]);
      expect(await loadOutbox(keeper)).toEqual([]);
    });

    it("an ack beyond a gap keeps the row as sent until the message itself is there", async () => {
      const keeper = await open();
      await commit(keeper, ME, page(1, 10));
      await commit(keeper, ME, { outboxPut: [row(1)] });
      const e = await commit(keeper, ME, { acks: [{ channel: CH, client_msg_id: row(1).client_msg_id, seq: 12, n: 12, at: 5 }] });
      expect(e.outboxPut).toMatchObject([{ state: "sent", seq: 12 }]);
      expect(e.gaps).toMatchObject([{ kind: "hole", after: 10 }]);
      const mine = msg(12, { sender: ME, client_msg_id: row(1).client_msg_id });
      const filled = await commit(keeper, ME, { pages: [{ channel: CH, messages: [msg(11), mine], from: 11, to: 12, lastSeq: 12, lastChange: CHANGES }] });
      expect(filled.outboxDrop).toEqual([row(1).client_msg_id]);
      expect(filled.gaps).toEqual([]);
    });

    it("the echo before the ack takes the row out too; somebody else's same id does not", async () => {
      const keeper = await open();
      await commit(keeper, ME, page(1, LAST));
      await commit(keeper, ME, { outboxPut: [row(1)] });
      const theirs = await commit(keeper, ME, { live: [msg(13, { client_msg_id: row(1).client_msg_id })] });
      expect(theirs.outboxDrop).toEqual([]);
      const echo = await commit(keeper, ME, { live: [msg(14, { sender: ME, client_msg_id: row(1).client_msg_id })] });
      expect(echo.outboxDrop).toEqual([row(1).client_msg_id]);
      const late = await commit(keeper, ME, { acks: [{ channel: CH, client_msg_id: row(1).client_msg_id, seq: 14, n: 14, at: 5 }] });
      expect(late.messages).toEqual([]);
    });

    it("an older inbox entry changes nothing; a confirmed read mark is taken out", async () => {
      const keeper = await open();
      await commit(keeper, ME, { entries: [entryOf(9, { threads: [{ root: 4, unread: 1, mentions: 0 }] })], reads: [{ channel: CH, thread: 0, seq: 9, n: 9 }, { channel: CH, thread: 4, seq: 9, n: 0 }] });
      expect((await commit(keeper, ME, { entries: [entryOf(3)] })).entries).toEqual([]);
      const e = await commit(keeper, ME, { entries: [entryOf(10, { read_seq: 9, read_n: 9, threads: [{ root: 4, unread: 1, mentions: 0 }] })] });
      expect(e.readsDrop).toEqual([`${CH}/0`]);
      const settled = await commit(keeper, ME, { entries: [entryOf(11, { read_seq: 9, read_n: 9, threads: [{ root: 4, unread: 1, mentions: 0 }] })], settleReads: true });
      expect(settled.readsDrop).toEqual([`${CH}/4`]);
    });

    it("read marks of members move forwards only", async () => {
      const keeper = await open();
      await commit(keeper, ME, { members: [{ channel: CH, members: [{ user: YOU, role: 1, joined_at: 0, read_seq: 5 }] }] });
      expect((await commit(keeper, ME, { marks: [{ channel: CH, user: YOU, seq: 4 }] })).marks).toEqual([]);
      expect((await commit(keeper, ME, { marks: [{ channel: CH, user: YOU, seq: 7 }] })).marks.length).toBe(1);
    });

    it("a channel's cache is bounded, and what stays is still what it claims", async () => {
      const keeper = await open();
      const many = Array.from({ length: 2000 }, (_, i) => msg(i + 1));
      for (let i = 0; i < 2000; i += 200) {
        await commit(keeper, ME, { pages: [{ channel: CH, messages: many.slice(i, i + 200), from: i + 1, to: i + 200, lastSeq: 2000, lastChange: 0 }] });
      }
      const c = await loadCursor(keeper, CH);
      const kept = await loadMessages(keeper, CH, 0, 5000);
      expect(kept.length).toBeLessThanOrEqual(1800);
      expect(c!.ranges).toEqual([{ from: kept[0]!.seq, to: 2000 }]);
    });

    it("leaving a channel takes its messages; wiping leaves only what was not sent", async () => {
      const keeper = await open();
      await commit(keeper, ME, { ...page(1, LAST), entries: [entryOf(LAST)], outboxPut: [row(1)], drafts: [{ key: `${CH}/0`, text: "half" }], pos: 7 });
      await commit(keeper, ME, { forget: [CH] });
      expect(await loadMessages(keeper, CH, 0, 1000)).toEqual([]);
      await wipeButUnsent(keeper);
      const s = await loadSnapshot(keeper);
      expect([s.entries.length, s.pos, s.outbox.length, s.drafts.length]).toEqual([0, 0, 1, 1]);
    });

    it("a failed transaction leaves nothing behind", async () => {
      const keeper = await open();
      await expect(keeper.run("readwrite", async (tx) => {
        tx.put("outbox", row(1));
        await tx.get("meta", "pos");
        throw new Error("no");
      })).rejects.toThrow("no");
      expect(await loadOutbox(keeper)).toEqual([]);
    });
  });
}

it("what IndexedDB keeps is there after closing and opening again", async () => {
  const keeper = await openIdb("again", () => {});
  await commit(keeper, ME, { ...page(1, 3), outboxPut: [row(1)], pos: 5 });
  keeper.close();
  const next = await openIdb("again", () => {});
  expect((await loadSnapshot(next)).pos).toBe(5);
  expect((await loadOutbox(next)).length).toBe(1);
  expect((await loadMessages(next, CH, 1, 3)).length).toBe(3);
  next.close();
});
