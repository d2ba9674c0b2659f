import "fake-indexeddb/auto";
import { beforeEach, describe, expect, it } from "vitest";
import { forgetTold, noteRead, setToldMeta, toldMeta } from "../db/told";
import { told } from "../i18n/told";
import type { FromWorker, Place } from "../model/push";
import { heard, pushed, renewed, touched, wordsOf, type Note, type NoteOptions, type PageClient, type Scope } from "./pushed";

const message = (seq: number, more: object = {}) =>
  JSON.stringify({ v: 1, kind: "message", channel: "100", seq, title: "Bora", sender: "Bora", body: `m${seq}`, count: 1, badge: 2, at: 1000, ...more });
const clear = (seq: number) => JSON.stringify({ v: 1, kind: "clear", channel: "100", seq, badge: 0 });

function world() {
  const w = {
    shown: [] as { title: string; options: NoteOptions }[],
    open: [] as { tag: string; data: unknown; closed: boolean }[],
    pages: [] as (PageClient & { heard: FromWorker[]; focusedNow: boolean })[],
    opened: [] as string[],
    badges: [] as number[],
    page(o: { visible?: boolean; focused?: boolean; stuck?: boolean; shows?: (place: Place) => boolean } = {}) {
      const p = {
        shows: async (place: Place) => o.shows?.(place) ?? false, visible: o.visible ?? true, focused: o.focused ?? false, heard: [] as FromWorker[], focusedNow: false,
        tell: (m: FromWorker) => void p.heard.push(m),
        focus: () => (o.stuck ? Promise.reject(new Error("not allowed")) : Promise.resolve((p.focusedNow = true))),
      };
      w.pages.push(p);
      return p;
    },
    get titles() {
      return w.shown.map((s) => s.options.body);
    },
    scope: null as unknown as Scope,
  };
  w.scope = {
    now: () => 1, languages: ["en"], strict: false,
    show: async (title, options) => {
      w.shown.push({ title, options });
      w.open = w.open.filter((n) => n.tag !== options.tag);
      w.open.push({ tag: options.tag, data: options.data, closed: false });
    },
    notes: async (tag) => w.open.filter((n) => n.tag === tag).map((n): Note => ({ data: n.data, close: () => void (n.closed = true) })),
    pages: async () => w.pages,
    open: async (path) => void w.opened.push(path),
    badge: async (n) => void w.badges.push(n),
  };
  return w;
}

beforeEach(() => forgetTold());

describe("a push", () => {
  it("is shown once for its channel, with where it leads", async () => {
    const w = world();
    await pushed(w.scope, message(5));
    expect(w.shown[0]).toMatchObject({
      title: "Bora", options: { body: "m5", tag: "c/100", renotify: true, timestamp: 1000, data: { channel: "100", seq: 5, path: "/c/100/m/5" } },
    });
    expect(w.badges).toEqual([2]);
  });

  it("that is old, repeated or read already is not shown", async () => {
    const w = world();
    await Promise.all([pushed(w.scope, message(5)), pushed(w.scope, message(7)), pushed(w.scope, message(6)), pushed(w.scope, message(7))]);
    expect(w.titles).toEqual(["m5", "m7"]);
    await noteRead("100" as never, 9, 1);
    await pushed(w.scope, message(9));
    await pushed(w.scope, message(10));
    expect(w.titles).toEqual(["m5", "m7", "m10"]);
  });

  it("is not shown while the conversation is before somebody's eyes; another one, or a hidden page, is no reason", async () => {
    const w = world();
    w.page({ shows: ({ channel }) => channel === "100" });
    await pushed(w.scope, message(5));
    expect(w.shown).toEqual([]);
    w.pages.length = 0;
    w.page();
    w.page({ visible: false, shows: () => true });
    await pushed(w.scope, message(6));
    expect(w.titles).toEqual(["m6"]);
  });

  it("of a thread looks for the thread on the screen, and leads into it", async () => {
    const w = world();
    const asked: Place[] = [];
    w.page({ shows: (place) => asked.push(place) > 1 });
    await pushed(w.scope, message(8, { thread: 3 }));
    expect(w.shown[0]!.options.data).toMatchObject({ thread: 3, path: "/c/100/thread/3/m/8" });
    expect(asked).toEqual([{ channel: "100", seq: 8, thread: 3 }]);
    await pushed(w.scope, message(9, { thread: 3 }));
    expect(w.shown.length).toBe(1);
  });

  it("of reading elsewhere closes what is read and nothing newer", async () => {
    const w = world();
    await pushed(w.scope, message(5));
    await pushed(w.scope, clear(4));
    expect(w.open[0]!.closed).toBe(false);
    await pushed(w.scope, clear(5));
    expect(w.open[0]!.closed).toBe(true);
    expect(w.badges.at(-1)).toBe(0);
    await pushed(w.scope, message(5));
    expect(w.shown.length).toBe(1);
  });

  it("of reading elsewhere shows something where it must, which goes at once and hides nothing newer", async () => {
    const w = world();
    const strict = { ...w.scope, strict: true };
    await pushed(strict, message(5));
    await pushed(strict, clear(5));
    expect(w.open.map((n) => [n.tag, n.closed])).toEqual([["c/100", true]]);
    expect(w.shown.at(-1)).toMatchObject({ options: { tag: "c/100", silent: true } });
    await pushed(strict, message(7));
    await pushed(strict, clear(6));
    expect(w.open.map((n) => [n.tag, n.closed])).toEqual([["c/100", false], ["other", true]]);
  });

  it("to test is shown and told to the pages", async () => {
    const w = world();
    const p = w.page();
    await pushed(w.scope, JSON.stringify({ v: 1, kind: "test" }));
    expect(w.shown[0]!.title).toBe(told.en.tested);
    expect(p.heard).toEqual([{ t: "tested" }]);
  });

  it.each(["", "not json", "{}", '{"v":2,"kind":"message"}', '{"v":1,"kind":"hologram"}', '{"v":1,"kind":"message","channel":"x"}', '{"v":1,"kind":"toString"}'])(
    "that is not understood (%s) still shows something, as browsers want it", async (data) => {
      const w = world();
      await pushed(w.scope, data);
      expect(w.shown).toMatchObject([{ title: told.en.app, options: { body: told.en.something } }]);
    },
  );

  it("that a page heard of is shown only while no page is before somebody's eyes", async () => {
    const w = world();
    const p = w.page();
    await heard(w.scope, message(5));
    expect(w.shown).toEqual([]);
    w.pages.splice(0, 1, { ...p, visible: false });
    await heard(w.scope, message(6));
    await pushed(w.scope, message(6)); // the server's own, should it come
    expect(w.titles).toEqual(["m6"]);
  });

  it("speaks the language of the screen, else the browser's", async () => {
    const w = world();
    await setToldMeta({ lang: "ko" });
    await pushed(w.scope, message(5, { body: undefined, count: 3 }));
    expect(w.titles).toEqual(["새 메시지 3개"]);
  });
});

describe("the words", () => {
  const push = { kind: "message", channel: "100", seq: 1, title: "Bora", count: 1, badge: 1, at: 1 } as never as Parameters<typeof wordsOf>[0];
  it.each([
    [{ body: "hi", sender: "Bora" }, "Bora", "hi"],
    [{ title: "Hikers", body: "hi", sender: "Bora" }, "Hikers", "Bora: hi"],
    [{ title: "Hikers", body: "hi", sender: "Bora", count: 4 }, "Hikers (4)", "Bora: hi"],
    [{ title: "Hikers", count: 4 }, "Hikers", "4 new messages"],
    [{ title: "Hikers" }, "Hikers", "New message"],
    [{ title: "" }, "Gori", "New message"],
  ])("%j", (more, title, body) => {
    expect(wordsOf({ ...push, ...more }, "en", [])).toEqual({ title, body });
  });
});

describe("a touched notification", () => {
  const note = (data: unknown) => ({ data, closed: false, close() { this.closed = true; } });

  it("opens the message in the tab that is there, even if that may not be brought to the front", async () => {
    const w = world();
    w.page({ visible: false });
    const there = w.page({ stuck: true });
    const n = note({ channel: "100", seq: 5, path: "/c/100/m/5" });
    await touched(w.scope, n);
    expect(there.heard).toEqual([{ t: "open", channel: "100", seq: 5 }]);
    expect(n.closed).toBe(true);
    expect(w.opened).toEqual([]);
  });

  it("opens a window where there is none", async () => {
    const w = world();
    await touched(w.scope, note({ channel: "100", seq: 5, path: "/c/100/m/5" }));
    await touched(w.scope, note(null));
    expect(w.opened).toEqual(["/c/100/m/5", "/"]);
  });
});

it("a renewed address is told to the server, if this browser was a device", async () => {
  const posted: object[] = [];
  const post = async (d: object) => (posted.push(d), "7");
  const subscription = { toJSON: () => ({ endpoint: "https://push.example/2", keys: { p256dh: "p", auth: "a" } }) };
  await renewed(post, subscription);
  expect(posted).toEqual([]);
  await setToldMeta({ device: "6", name: "Chrome · Linux" });
  await renewed(post, subscription);
  expect(posted).toEqual([{ kind: "webpush", endpoint: "https://push.example/2", p256dh: "p", auth: "a", name: "Chrome · Linux" }]);
  expect([await toldMeta("device"), await toldMeta("endpoint")]).toEqual(["7", "https://push.example/2"]);
});
