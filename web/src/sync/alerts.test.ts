import "fake-indexeddb/auto";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { claim, forgetTold, setToldMeta } from "../db/told";
import { openMemory } from "../db/memory";
import { LEVEL_ALL, LEVEL_MENTIONS, LEVEL_NONE, type Level, type Message } from "../model/types";
import { quietAt } from "../model/push";
import type { PushDoor } from "../net/push";
import { badge, ring, writeAlerts } from "../state/alerts";
import { writeChannels } from "../state/channels";
import { writePeople } from "../state/people";
import { CH, entryOf, FakeClock, fakePage, ME, msg, YOU } from "../test/fakes";
import { Alerts } from "./alerts";
import { Core } from "./core";
import { Presence } from "./presence";
import { showNobody } from "./show";

function setUp() {
  const clock = new FakeClock();
  const told: object[] = [];
  let visible = true;
  const notes: { data: unknown; open: boolean }[] = [];
  const door = {
    permission: () => "granted",
    tell: async (push: object) => void told.push(push),
    close: async (which: (data: unknown) => boolean) => {
      for (const n of notes) if (which(n.data)) n.open = false;
    },
  } as unknown as PushDoor;
  const bus = { send: () => {}, listen: () => {}, close: () => {} };
  const core = new Core({ self: ME, keeper: openMemory(), api: {} as never, clock, page: { ...fakePage(clock), visible: () => visible }, bus });
  const presence = new Presence(core, "tab");
  const alerts = new Alerts(core, presence, door);
  core.onEffect((e) => alerts.noticed(e));
  const level = (l: Level) => (writeChannels.entryMap.value = new Map([[CH, entryOf(9, { level: l })]]));
  const hear = async (more: Partial<Message> = {}) => {
    await clock.pass(5_000);
    const before = ring.value;
    alerts.heard([{ op: "msg", message: msg(10, more) }]);
    await alerts.idle();
    return ring.value !== before;
  };
  return { clock, core, presence, alerts, notes, level, hear, told, hide: () => (visible = false) };
}

beforeEach(() => forgetTold());
afterEach(() => {
  showNobody();
  writeAlerts.lastRing.value = null;
});

describe("a sound", () => {
  it.each([
    [LEVEL_ALL, {}, true],
    [LEVEL_ALL, { sender: ME }, false],
    [LEVEL_ALL, { kind: 1 as const }, false],
    [LEVEL_ALL, { thread: 3 }, false],
    [LEVEL_ALL, { thread: 3, mentions: [ME] }, true],
    [LEVEL_MENTIONS, {}, false],
    [LEVEL_MENTIONS, { mentions: [ME] }, true],
    [LEVEL_MENTIONS, { mention_all: true }, true],
    [LEVEL_NONE, { mentions: [ME] }, false],
  ] as [Level, Partial<Message>, boolean][])("level %i, %j: %s", async (level, more, want) => {
    const t = setUp();
    t.level(level);
    expect(await t.hear(more)).toBe(want);
  });

  it("is not made for the conversation before one's eyes, in this tab or another", async () => {
    const t = setUp();
    t.level(LEVEL_ALL);
    t.presence.show(CH);
    expect(await t.hear()).toBe(false);
    t.presence.show(null);
    t.presence.heard({ t: "here", tab: "other", active: true, channel: CH });
    expect(await t.hear()).toBe(false);
    t.presence.heard({ t: "here", tab: "other", active: false, channel: CH });
    expect(await t.hear()).toBe(true);
  });

  it("is one for a burst", async () => {
    const t = setUp();
    t.level(LEVEL_ALL);
    expect(await t.hear()).toBe(true);
    const first = ring.value;
    t.alerts.heard([{ op: "msg", message: msg(11) }, { op: "msg", message: msg(12) }]);
    expect(ring.value).toBe(first);
  });
});

it("a message to an app out of sight is shown by this browser, if it is a device, as the user wants it", async () => {
  const t = setUp();
  const people = new Map([[YOU, { id: YOU, login_name: "bora", display_name: "Bora", avatar_color: 0 }]]);
  t.level(LEVEL_ALL);
  writePeople.userMap.value = people;
  t.hide();
  await t.hear();
  await setToldMeta({ device: "1" });
  await t.hear();
  await setToldMeta({ settings: JSON.stringify({ hide_body: true, quiet_from: -1, quiet_to: -1, zone: "" }) });
  await t.hear();
  await setToldMeta({ settings: JSON.stringify({ hide_body: true, quiet_from: 0, quiet_to: 0, zone: "Asia/Seoul" }) });
  await t.hear();
  expect(t.told).toEqual([
    { kind: "message", channel: CH, seq: 10, title: "Bora", sender: "Bora", body: "m10", count: 9, badge: 1, at: 10_000 },
    { kind: "message", channel: CH, seq: 10, title: "Bora", sender: "Bora", count: 9, badge: 1, at: 10_000 },
  ]);
});

it.each([
  [-1, -1, "03:00", false], [60, 120, "01:00", true], [60, 120, "02:00", false], [1320, 420, "23:59", true], [1320, 420, "06:59", true], [1320, 420, "07:00", false],
])("quiet from %i to %i at %s: %s", (quiet_from, quiet_to, clock, want) => {
  expect(quietAt({ hide_body: false, quiet_from, quiet_to, zone: "Asia/Seoul" }, Date.parse(`2026-11-22T${clock}:00+09:00`))).toBe(want);
});

it("what is read loses its notification, and a push of it that is still on its way is not shown", async () => {
  const t = setUp();
  t.notes.push({ data: { channel: CH, seq: 9 }, open: true }, { data: { channel: "101", seq: 2 }, open: true }, { data: { channel: CH, seq: 7, thread: 3 }, open: true });
  await t.core.commit({ entries: [entryOf(9, { read_seq: 8, threads: [{ root: 3, unread: 1, mentions: 0 }] })] });
  await t.clock.pass(1_000);
  expect(t.notes.map((n) => n.open)).toEqual([true, true, true]);
  await t.core.commit({ entries: [entryOf(9, { pos: 10, read_seq: 9 })] });
  await t.clock.pass(1_000);
  expect(t.notes.map((n) => n.open)).toEqual([false, true, false]);
  expect(await claim(CH, 9, 1)).toBe(false);
  expect(await claim(CH, 10, 1)).toBe(true);
});

it("all badges come from one place: muted channels count by their mentions, threads count", () => {
  const at = (id: string, more: object) => [id, entryOf(10, { channel: id as never, ...more })] as const;
  writeChannels.entryMap.value = new Map([
    at("1", { read_n: 7 }), at("2", { read_n: 10 }), at("3", { level: LEVEL_NONE }), at("4", { level: LEVEL_NONE, mentions: 2 }),
    at("5", { read_n: 10, threads: [{ root: 3, unread: 4, mentions: 1 }] }), at("6", { member: false }),
  ] as never);
  expect(badge.value).toEqual({ unread: 9, mentions: 3, channels: 3 });
});
