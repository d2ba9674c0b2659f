import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CH, idOf, ME, msg, row } from "../test/fakes";
import { absorb, absorbReplies, mergeMessage, mergeMessages, rowsOf, threadRowsOf, trim, type Window } from "./timeline";

const windowOf = (from: number, to: number, more: Partial<Window> = {}): Window => ({
  channel: CH, messages: Array.from({ length: to - from + 1 }, (_, i) => msg(from + i)), from, to, moreBefore: from > 1, moreAfter: false, ...more,
});

/** Any state that a message may be seen in: the greater `change`, the newer. */
const anyMessage = fc.record({ seq: fc.integer({ min: 1, max: 30 }), change: fc.integer({ min: 0, max: 5 }) })
  .map(({ seq, change }) => msg(seq, change > 0 ? { change, body: `m${seq} as of ${change}` } : {}));

describe("merging", () => {
  it("keeps each seq once, ascending, in its newest state, in whatever order they come", () => {
    fc.assert(fc.property(fc.array(anyMessage), fc.array(anyMessage), (a, b) => {
      const list = mergeMessages(mergeMessages([], a), b);
      const other = mergeMessages(mergeMessages([], b), a);
      expect(list.map((m) => [m.seq, m.change ?? 0])).toEqual(other.map((m) => [m.seq, m.change ?? 0]));
      for (let i = 1; i < list.length; i++) expect(list[i]!.seq).toBeGreaterThan(list[i - 1]!.seq);
      for (const m of [...a, ...b]) {
        const newest = Math.max(...[...a, ...b].filter((x) => x.seq === m.seq).map((x) => x.change ?? 0));
        expect(list.find((x) => x.seq === m.seq)?.change ?? 0).toBe(newest);
      }
      expect(mergeMessages(list, [...a, ...b])).toEqual(list);
    }));
  });

  it("gives the same list back if nothing is news", () => {
    const list = [msg(1), msg(2)];
    expect(mergeMessages(list, [])).toBe(list);
    expect(mergeMessages(list, [list[0]!])).toBe(list);
  });

  it("a late edit never brings a deleted message back", () => {
    const deleted = msg(3, { change: 9, deleted: true, body: "" });
    expect(mergeMessage(deleted, msg(3, { change: 8, body: "edited" })).deleted).toBe(true);
  });

  it("the summary of a thread only grows, whatever the change numbers say", () => {
    const root = msg(1, { replies: { n: 3, last_seq: 9, last_at: 9 } });
    expect(mergeMessage(root, msg(1, { change: 4 })).replies?.n).toBe(3);
    expect(mergeMessages([root], [msg(10, { thread: 1, thread_n: 4 })])[0]!.replies).toEqual({ n: 4, last_seq: 10, last_at: 10_000 });
  });
});

describe("the window", () => {
  it("stays contiguous whatever comes, and takes in all that continues it", () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 40 })), (seqs) => {
      const w = absorb(windowOf(10, 15), seqs.map((s) => msg(s)));
      expect(w.messages.map((m) => m.seq)).toEqual(Array.from({ length: w.to - w.from + 1 }, (_, i) => w.from + i));
      expect(w.from).toBe(10);
      expect(seqs.includes(w.to + 1)).toBe(false);
    }));
  });

  it("does not grow while the reader is up in the history, but its messages change", () => {
    const w = absorb(windowOf(10, 15, { moreAfter: true }), [msg(16), msg(12, { change: 1, body: "edited" })]);
    expect(w.to).toBe(15);
    expect(w.messages[2]!.body).toBe("edited");
  });

  it("ignores other channels", () => {
    const w = windowOf(1, 3);
    expect(absorb(w, [{ ...msg(4), channel: "101" as typeof CH }])).toBe(w);
  });

  it("is cut where the reader is not", () => {
    const w = windowOf(1, 50);
    expect(trim(w, "newer", 20)).toMatchObject({ from: 31, to: 50, moreBefore: true, moreAfter: false });
    expect(trim(w, "older", 20)).toMatchObject({ from: 1, to: 20, moreAfter: true });
    expect(trim(w, "older", 50)).toBe(w);
  });

  it("a thread's window takes its replies and its root only", () => {
    const w: Window = { channel: CH, messages: [msg(5), msg(7, { thread: 5 })], from: 7, to: 7, moreBefore: true, moreAfter: false };
    const next = absorbReplies(w, 5, [msg(8), msg(9, { thread: 5 }), msg(6, { thread: 5 }), msg(5, { change: 1, body: "root" })]);
    expect(next.messages.map((m) => m.seq)).toEqual([5, 7, 9]);
    expect(next).toMatchObject({ from: 7, to: 9 });
    expect(next.messages[0]!.body).toBe("root");
  });
});

describe("rows", () => {
  it("a waiting row keeps its key when it is stored, and is never shown twice", () => {
    const waiting = row(1);
    const box = new Map([[waiting.client_msg_id as string, waiting]]);
    const before = rowsOf(windowOf(1, 2), box, CH);
    const stored = msg(3, { sender: ME, client_msg_id: waiting.client_msg_id });
    const after = rowsOf(absorb(windowOf(1, 2), [stored]), box, CH);
    expect(before.map((r) => r.kind)).toEqual(["message", "message", "waiting"]);
    expect(after.map((r) => r.kind)).toEqual(["message", "message", "message"]);
    expect(after[2]!.key).toBe(before[2]!.key);
  });

  it("keys are unique even if two people's ids are the same", () => {
    const w = { ...windowOf(1, 2), messages: [msg(1, { client_msg_id: idOf(1) }), msg(2, { client_msg_id: idOf(1), sender: ME })] };
    const rows = rowsOf(w, new Map(), CH);
    expect(new Set(rows.map((r) => r.key)).size).toBe(2);
  });

  it("what waits comes in the order it was made; replies stand in their thread only", () => {
    const box = new Map([row(3), row(1), row(2, { thread: 1 })].map((r) => [r.client_msg_id as string, r]));
    const w = { ...windowOf(1, 2), messages: [msg(1), msg(2, { thread: 1 })] };
    expect(rowsOf(w, box, CH).map((r) => (r.kind === "message" ? r.message.body : r.out.body))).toEqual(["m1", "o1", "o3"]);
    expect(threadRowsOf(w, null, box, CH, 1).map((r) => (r.kind === "message" ? r.message.body : r.out.body))).toEqual(["m1", "m2", "o2"]);
  });

  it("up in the history what waits is not shown as if it followed", () => {
    const box = new Map([[row(1).client_msg_id as string, row(1)]]);
    expect(rowsOf(windowOf(1, 5, { moreAfter: true }), box, CH).every((r) => r.kind === "message")).toBe(true);
  });
});
