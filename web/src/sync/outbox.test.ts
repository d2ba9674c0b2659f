import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Effect } from "../model/patch";
import { asChannelID, type OutboxRow } from "../model/types";
import { FakeClock, row } from "../test/fakes";
import { Outbox } from "./outbox";

const NOTHING: Effect = {
  entries: [], messages: [], cursors: [], gaps: [], channels: [], marks: [], outboxPut: [], outboxDrop: [], reads: [], readsDrop: [],
};

/** An outbox, and a server that one answers for by hand. */
function setUp(seed = 1) {
  const clock = new FakeClock(seed);
  const world = { takes: true, stuck: 0 };
  const sent: { id: string; body: string; channel: string }[] = [];
  const saved: OutboxRow[] = [];
  const shown: OutboxRow[] = [];
  const outbox = new Outbox({
    clock,
    send: (f) => {
      if (!world.takes || f.op !== "send") return false;
      sent.push({ id: f.client_msg_id, body: f.body, channel: f.channel });
      return true;
    },
    save: async (r) => {
      saved.push(r);
      outbox.noticed({ ...NOTHING, outboxPut: [r] });
    },
    show: (r) => void shown.push(r),
    stuck: () => void world.stuck++,
  });
  const put = (...rows: OutboxRow[]) => outbox.noticed({ ...NOTHING, outboxPut: rows });
  const ack = (r: OutboxRow) => outbox.noticed({ ...NOTHING, outboxDrop: [r.client_msg_id] });
  const nack = (r: OutboxRow, code: string, retry: boolean, after_ms?: number) =>
    outbox.nack({ op: "nack", client_msg_id: r.client_msg_id, code, message: code, retry, ...(after_ms === undefined ? {} : { after_ms }) });
  return { clock, world, outbox, sent, saved, shown, put, ack, nack, bodies: () => sent.map((s) => s.body) };
}

describe("the outbox", () => {
  it("sends a channel's rows one at a time, in order", () => {
    const t = setUp();
    t.outbox.resume();
    t.put(row(2), row(1), row(3));
    expect(t.bodies()).toEqual(["o1"]);
    t.ack(row(1));
    t.ack(row(2));
    expect(t.bodies()).toEqual(["o1", "o2", "o3"]);
  });

  it("channels do not wait for each other", () => {
    const t = setUp();
    t.outbox.resume();
    t.put(row(1), row(2, { channel: asChannelID("101") }));
    expect(t.bodies()).toEqual(["o1", "o2"]);
  });

  it("sends nothing while there is no connection, and everything after", () => {
    const t = setUp();
    t.put(row(1));
    expect(t.sent).toEqual([]);
    t.outbox.resume();
    expect(t.bodies()).toEqual(["o1"]);
    t.outbox.pause();
    t.outbox.resume();
    expect(t.bodies()).toEqual(["o1", "o1"]); // the same id: the server knows
    expect(t.sent[0]!.id).toBe(t.sent[1]!.id);
  });

  it("a refusal that may pass is tried again after what the server asked for, the order kept", async () => {
    const t = setUp();
    t.outbox.resume();
    t.put(row(1), row(2));
    t.nack(row(1), "shard_unavailable", true, 5_000);
    await t.clock.pass(4_999);
    expect(t.bodies()).toEqual(["o1"]);
    await t.clock.pass(15_000);
    expect(t.bodies()).toEqual(["o1", "o1"]);
    t.ack(row(1));
    expect(t.bodies()).toEqual(["o1", "o1", "o2"]);
  });

  it("a refusal for good is kept, shown with its reason, and lets the next ones pass", () => {
    const t = setUp();
    t.outbox.resume();
    t.put(row(1), row(2));
    t.nack(row(1), "too_long", false);
    expect(t.saved).toMatchObject([{ state: "failed", problem: { code: "too_long" } }]);
    expect(t.bodies()).toEqual(["o1", "o2"]);
    t.put(row(1, { order: 9, state: "pending" })); // the person says: again
    t.ack(row(2));
    expect(t.bodies()).toEqual(["o1", "o2", "o1"]);
  });

  it("discarding what waits lets the next one go", () => {
    const t = setUp();
    t.outbox.resume();
    t.put(row(1), row(2));
    t.ack(row(1));
    expect(t.bodies()).toEqual(["o1", "o2"]);
  });

  it("no answer in 12 s means the connection is not to be trusted", async () => {
    const t = setUp();
    t.outbox.resume();
    t.put(row(1));
    await t.clock.pass(12_000);
    expect(t.world.stuck).toBe(1);
  });

  it("one that is stored out of sight is not sent again, nor after a restart", () => {
    const t = setUp();
    t.outbox.load([row(1, { state: "sent", seq: 5 }), row(2)]);
    t.outbox.resume();
    expect(t.bodies()).toEqual(["o2"]);
  });

  it("whatever the network does, the server stores each row once, in the order they were made", async () => {
    const step = fc.constantFrom("answer", "lose-answer", "refuse", "cut", "connect", "make", "wait");
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 60 }), fc.integer({ min: 1, max: 1_000_000 }), async (steps, seed) => {
      const t = setUp(seed);
      const stored: string[] = [];
      const rows: OutboxRow[] = [];
      let read = 0;
      const store = (id: string) => void (stored.includes(id) || stored.push(id));
      const make = () => {
        const r = row(rows.length + 1);
        rows.push(r);
        t.put(r);
      };
      const serve = (what: string) => {
        const s = t.sent[read];
        if (!s) return;
        read++;
        const r = rows.find((x) => x.client_msg_id === s.id)!;
        if (what === "refuse") return t.nack(r, "moving", true, 10);
        store(s.id);
        if (what === "answer") t.ack(r);
        else {
          t.outbox.pause(); // the answer was lost with the connection
          read = t.sent.length;
        }
      };
      for (const s of steps) {
        if (s === "make") make();
        else if (s === "connect") t.outbox.resume();
        else if (s === "cut") {
          t.outbox.pause();
          read = t.sent.length;
        } else if (s === "wait") await t.clock.pass(500);
        else serve(s);
      }
      t.outbox.resume();
      for (let i = 0; i < 300 && stored.length < rows.length; i++) {
        serve("answer");
        if (read >= t.sent.length) await t.clock.pass(20_000);
      }
      expect(stored).toEqual(rows.map((r) => r.client_msg_id));
    }), { numRuns: 60 });
  });
});
