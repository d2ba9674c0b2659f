import { afterEach, expect, it } from "vitest";
import { loadCursor } from "../db/load";
import { openMemory } from "../db/memory";
import { Refused } from "../model/problem";
import { asChannelID, type ChannelID, type Page } from "../model/types";
import type { Api } from "../net/api";
import { entryOf, FakeClock, fakePage, ME, msg } from "../test/fakes";
import { Core } from "./core";
import { Gaps } from "./gaps";
import { showNobody } from "./show";

function setUp() {
  const clock = new FakeClock();
  const failing = new Map<ChannelID, number>();
  const api = {
    messages: async (channel: ChannelID): Promise<Page> => {
      const left = failing.get(channel) ?? 0;
      failing.set(channel, left - 1);
      if (left > 0) throw new Refused({ code: "timeout", message: "", retry: true });
      return { messages: [msg(1, { channel }), msg(2, { channel })], more_before: false, more_after: false, last_seq: 2, last_change: 0 };
    },
  } as unknown as Api;
  const core = new Core({ self: ME, keeper: openMemory(), api, clock, page: fakePage(clock), bus: { send: () => {}, listen: () => {}, close: () => {} } });
  core.sender = () => true;
  const gaps = new Gaps(core);
  core.onEffect((e) => gaps.noticed(e));
  const there = async (id: ChannelID) => (await loadCursor(core.keeper, id))?.ranges ?? [];
  return { clock, core, gaps, failing, there };
}

const ids = ["100", "101", "102"].map(asChannelID);

afterEach(() => showNobody());

it("channels that cannot be fetched are all tried again, however many fail one after the other", async () => {
  const t = setUp();
  for (const id of ids) t.failing.set(id, 2);
  await t.core.commit({ entries: ids.map((id) => entryOf(2, {}, id)) });
  await t.clock.pass(60_000);
  for (const id of ids) expect(await t.there(id)).toEqual([{ from: 1, to: 2 }]);
});

it("a channel that is asked for directly and cannot be fetched is tried again as well", async () => {
  const t = setUp();
  t.core.sender = null; // so that nobody else asks
  await t.core.commit({ entries: [entryOf(2)] });
  t.core.sender = () => true;
  t.failing.set(ids[0]!, 1);
  expect(await t.gaps.fill(ids[0]!)).toBe(false);
  await t.clock.pass(60_000);
  expect(await t.there(ids[0]!)).toEqual([{ from: 1, to: 2 }]);
});
