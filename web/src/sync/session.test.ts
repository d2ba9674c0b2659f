import fc from "fast-check";
import { afterEach, describe, expect, it } from "vitest";
import { loadCursor, loadMessages } from "../db/load";
import { openMemory } from "../db/memory";
import type { Keeper } from "../db/kv";
import { topRange } from "../model/cursor";
import { asUserID } from "../model/types";
import { entries } from "../state/channels";
import { link } from "../state/link";
import { presence } from "../state/people";
import { openChannel, outbox, rows, timeline } from "../state/timeline";
import { unreadOf } from "../model/unread";
import { uuidv7 } from "../model/uuid";
import { CH, FakeClock, fakePage, ME, settle } from "../test/fakes";
import { FakeServer } from "../test/fake-server";
import type { Bus } from "./bus";
import { Session } from "./session";
import { showNobody } from "./show";

const silent: Bus = { send: () => {}, listen: () => {}, close: () => {} };

const reloads: number[] = [];

function setUp(seed: number, keeper: Keeper = openMemory(), server = new FakeServer(), clock = new FakeClock(seed)) {
  const page = fakePage(clock);
  const session = new Session({
    self: ME, keeper, api: server.api(), clock, page, dial: server.dial, openBus: () => silent,
    elect: (_a, onLead) => {
      onLead();
      return { stop: () => {} };
    },
    push: null, ended: () => {}, reload: () => void reloads.push(clock.now()),
  });
  let order = clock.now();
  const said: string[] = [];
  const send = async (body: string) => {
    said.push(body);
    await session.core.commit({
      outboxPut: [{ client_msg_id: uuidv7(clock.now(), page.fillRandom), channel: CH, body, order: ++order, made_at: clock.now(), state: "pending" }],
    });
  };
  return { keeper, server, clock, session, send, said };
}

afterEach(() => showNobody());

describe("a session", () => {
  it("opens on what is kept, before and without a connection", async () => {
    const first = setUp(1);
    for (let i = 0; i < 30; i++) first.server.say();
    await first.session.start();
    await first.clock.pass(1000);
    await first.session.history.open(CH);
    await first.clock.pass(1000);
    expect(timeline.value?.to).toBe(30);
    first.server.reachable = false;
    first.session.stop(false);
    showNobody();
    const again = setUp(2, first.keeper, first.server, first.clock);
    await again.session.start();
    expect(entries.value.get(CH)?.last_seq).toBe(30);
    await again.session.history.open(CH);
    expect(timeline.value?.messages.length).toBe(30);
    expect(link.value.state).not.toBe("live");
    again.session.stop(false);
  });

  it("a login that ends takes everything along but unsent words, also what was just being written", async () => {
    const t = setUp(1);
    for (let i = 0; i < 5; i++) t.server.say();
    await t.session.start();
    await t.clock.pass(1000);
    t.server.reachable = false;
    t.server.cut();
    await t.send("not sent yet");
    const late = t.session.core.commit({ pos: 7 });
    const ended = t.session.stop(false, true);
    await t.session.core.commit({ pos: 8 }); // somebody who did not know
    await Promise.all([late, ended]);
    const left = await t.keeper.run("readonly", async (tx) => ({
      kept: (await Promise.all((["meta", "messages", "entries", "cursors", "people"] as const).map((s) => tx.all(s)))).flat().length,
      words: (await tx.all("outbox")).map((r) => r.body),
    }));
    expect(left).toEqual({ kept: 0, words: ["not sent yet"] });
  });

  it("a badge falls when one reads, stays down offline, and the server learns of it later", async () => {
    const t = setUp(1);
    t.server.say();
    t.server.say();
    await t.session.start();
    await t.clock.pass(1000);
    expect(unreadOf(entries.value.get(CH)!)).toBe(2);
    await t.session.history.open(CH);
    t.server.reachable = false;
    t.server.cut();
    t.session.reads.mark(CH, 2, 0);
    await t.clock.pass(1000);
    expect(unreadOf(entries.value.get(CH)!)).toBe(0);
    expect(t.server.readSeq).toBe(0);
    t.server.reachable = true;
    await t.clock.pass(60_000);
    expect(t.server.readSeq).toBe(2);
    expect(unreadOf(entries.value.get(CH)!)).toBe(0);
    t.session.stop(false);
  });

  it("begins anew when the server was restored from a backup, and keeps what was not sent", async () => {
    const t = setUp(1);
    for (let i = 0; i < 30; i++) t.server.say();
    await t.session.start();
    await t.clock.pass(1000);
    expect(topRange((await loadCursor(t.keeper, CH))!)!.to).toBe(30);
    t.server.reachable = false;
    t.server.restore(20);
    await t.send("not sent yet");
    // By the time the device is back others have used the numbers again that it knows.
    for (let i = 0; i < 15; i++) t.server.say();
    const before = reloads.length;
    t.server.reachable = true;
    await t.clock.pass(60_000);
    expect(reloads.length).toBe(before + 1);
    expect(await loadCursor(t.keeper, CH)).toBeUndefined();
    t.session.stop(false);
    showNobody();
    const again = setUp(2, t.keeper, t.server, t.clock);
    await again.session.start();
    await again.clock.pass(60_000);
    expect(reloads.length).toBe(before + 1);
    expect(t.server.log.length).toBe(36);
    expect(t.server.log[35]!.body).toBe("not sent yet");
    expect(topRange((await loadCursor(t.keeper, CH))!)!.to).toBe(36);
    expect((await loadMessages(t.keeper, CH, 1, 40)).map((m) => m.body)).toEqual(t.server.log.slice(topRange((await loadCursor(t.keeper, CH))!)!.from - 1).map((m) => m.body));
    again.session.stop(false);
  });

  it("keeps what it knew of friends of whom a node that has just started is not sure, and of nobody else", async () => {
    const [sure, unsure, stranger] = [asUserID("11"), asUserID("12"), asUserID("13")];
    const t = setUp(1);
    t.server.friends = [sure, unsure].map((user) => ({ user, state: "accepted", since: 1 }));
    t.server.presence = [sure, unsure, stranger].map((user) => ({ user, state: "online" }));
    await t.session.start();
    await t.clock.pass(1000);
    t.server.presence = [{ user: sure, state: "offline" }];
    t.server.cut();
    await t.clock.pass(60_000);
    const shown = [sure, unsure, stranger].map((user) => presence.value.get(user)?.state);
    expect(shown).toEqual(["offline", "online", undefined]);
    t.session.stop(false);
  });

  it("a channel far behind gets its newest page; scrolling up fills the rest", async () => {
    const t = setUp(1);
    for (let i = 0; i < 20; i++) t.server.say();
    await t.session.start();
    await t.clock.pass(1000);
    t.server.reachable = false;
    t.server.cut();
    for (let i = 0; i < 1000; i++) t.server.say();
    t.server.reachable = true;
    await t.clock.pass(60_000);
    const c = await loadCursor(t.keeper, CH);
    expect(c!.ranges.length).toBe(2);
    expect(topRange(c!)!.to).toBe(1020);
    await t.session.history.open(CH);
    await t.session.history.toEnd();
    for (let i = 0; i < 60 && timeline.value!.from > 1; i++) await t.session.history.older();
    expect(timeline.value!.from).toBe(1);
    for (let i = 0; i < 60 && timeline.value!.moreAfter; i++) await t.session.history.newer();
    expect(timeline.value!.to).toBe(1020);
    expect((await loadCursor(t.keeper, CH))!.ranges).toEqual([{ from: 1, to: 1020 }]);
    t.session.stop(false);
  });

  it("a gap that could not be fetched on opening is fetched a little later", async () => {
    const t = setUp(1);
    for (let i = 0; i < 20; i++) t.server.say();
    await t.session.start();
    await t.clock.pass(1000);
    t.server.loseNext = true;
    t.server.say();
    await settle();
    t.server.stallNext = true;
    await t.session.history.open(CH);
    await t.clock.pass(40_000);
    expect(timeline.value!.to).toBe(21);
    t.session.stop(false);
  });

  const step = fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom("they-say", "i-say", "alter", "wait") },
    { weight: 2, arbitrary: fc.constantFrom("cut", "lose", "refuse", "cut-after-send", "away", "back", "open", "slow", "older", "stall") },
  );

  it("converges: after any absence and any loss the screen and the db show what the server has, once, in order", async () => {
    await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 80 }), fc.integer({ min: 1, max: 1_000_000 }), async (steps, seed) => {
      const t = setUp(seed);
      for (let i = 0; i < 5; i++) t.server.say();
      await t.session.start();
      for (const s of steps) {
        switch (s) {
          case "they-say": t.server.say(); break;
          case "i-say": await t.send(`mine ${t.said.length}`); break;
          case "alter": t.server.alter(1 + Math.floor(t.clock.random() * t.server.log.length)); break;
          case "wait": await t.clock.pass(700); break;
          case "cut": t.server.cut(); break;
          case "slow": t.server.cut(4001); break;
          case "lose": t.server.loseNext = true; break;
          case "refuse": t.server.refuseNext = true; break;
          case "cut-after-send": t.server.cutAfterNextSend = true; break;
          case "away":
            t.server.reachable = false;
            t.server.cut();
            break;
          case "stall": t.server.stallNext = true; break;
          case "back": t.server.reachable = true; break;
          case "open": await t.session.history.open(CH); break;
          case "older": await t.session.history.older(); break;
        }
        if (t.clock.random() < 0.3) await settle();
      }
      t.server.reachable = true;
      await t.clock.pass(90_000);
      if (openChannel.value === null) await t.session.history.open(CH);
      if (timeline.value?.moreAfter) await t.session.history.toEnd();
      await t.clock.pass(30_000);

      expect(link.value.state).toBe("live");
      expect([...outbox.value.values()]).toEqual([]);
      const mine = t.server.log.filter((m) => m.sender === ME).map((m) => m.body.split(" as of")[0]);
      expect(mine).toEqual(t.said);
      const w = timeline.value!;
      const facts = (list: readonly { seq: number; body: string }[]) => list.map((m) => [m.seq, m.body]);
      expect(w.to).toBe(t.server.log.length);
      expect(facts(w.messages)).toEqual(facts(t.server.log.slice(w.from - 1)));
      expect(rows.value.every((r) => r.kind === "message")).toBe(true);
      const top = topRange((await loadCursor(t.keeper, CH))!)!;
      expect(facts(await loadMessages(t.keeper, CH, top.from, top.to))).toEqual(facts(t.server.log.slice(top.from - 1, top.to)));
      expect(top.to).toBe(t.server.log.length);
      t.session.stop(false);
      showNobody();
    }), { numRuns: 60 });
  }, 60_000);
});
