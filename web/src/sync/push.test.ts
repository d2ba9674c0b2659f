import "fake-indexeddb/auto";
import { beforeEach, describe, expect, it } from "vitest";
import { claim, forgetTold, toldMeta } from "../db/told";
import { Refused } from "../model/problem";
import { asPushDeviceID, type PushDevice as Line } from "../model/types";
import type { Api } from "../net/api";
import type { PushDoor, PushKeys } from "../net/push";
import { PushDevice } from "./push";

const settings = { hide_body: false, quiet_from: -1, quiet_to: -1, zone: "" };

function setUp() {
  const w = {
    permission: "default" as NotificationPermission, answer: "granted" as NotificationPermission, keys: null as PushKeys | null, closed: 0,
    asked: 0, devices: [] as Line[], posted: [] as object[], refuse: null as Error | null, last: 10,
  };
  const door: PushDoor = {
    support: () => "ok", permission: () => w.permission,
    ask: async () => (w.asked++, (w.permission = w.answer)),
    current: async () => w.keys,
    subscribe: async (key) => {
      if (w.refuse) throw w.refuse;
      return (w.keys ??= { endpoint: `https://push.example/${key}`, p256dh: "p", auth: "a" });
    },
    unsubscribe: async () => void (w.keys = null),
    close: async () => void w.closed++,
    heard: () => {},
    tell: async () => {},
  };
  const api = {
    push: async () => ({ vapid_key: "K", settings, devices: w.devices }),
    addPushDevice: async (body: { name: string }) => {
      w.posted.push(body);
      const line: Line = { id: asPushDeviceID(String(++w.last)), kind: "webpush", name: body.name };
      w.devices = [...w.devices, line];
      return line;
    },
    setPush: async (to: typeof settings) => to,
    dropPushDevice: async (id: string) => {
      if (!w.devices.some((d) => d.id === id)) throw new Refused({ code: "not_found", message: "", retry: false });
      w.devices = w.devices.filter((d) => d.id !== id);
    },
  } as unknown as Api;
  return { w, push: new PushDevice(api, door, "Chrome · Linux") };
}

beforeEach(() => forgetTold());

describe("this browser as a push device", () => {
  it("is asked for the permission by enabling alone, and then is in the list", async () => {
    const { w, push } = setUp();
    await push.refresh();
    expect((await push.view()).here).toEqual({ support: "ok", permission: "default", device: null });
    expect(w.asked).toBe(0);
    push.speak("ko");
    expect(await push.enable()).toEqual({ support: "ok", permission: "granted", device: "11" });
    expect(w.posted).toEqual([{ kind: "webpush", endpoint: "https://push.example/K", p256dh: "p", auth: "a", name: "Chrome · Linux" }]);
    expect((await push.view()).here.device).toBe("11");
    expect(await toldMeta("lang")).toBe("ko");
  });

  it("remembers how the user wants to be told, for messages that come while the app is open but hidden", async () => {
    const { push } = setUp();
    await push.save({ ...settings, hide_body: true });
    expect(await toldMeta("settings")).toBe("");
    await push.enable();
    expect(JSON.parse(await toldMeta("settings"))).toEqual(settings);
    await push.save({ ...settings, hide_body: true });
    expect(JSON.parse(await toldMeta("settings"))).toMatchObject({ hide_body: true });
  });

  it("that may not show notifications is told so, and nothing is registered", async () => {
    const { w, push } = setUp();
    w.answer = "denied";
    expect(await push.enable()).toEqual({ support: "ok", permission: "denied", device: null });
    expect(w.posted).toEqual([]);
  });

  it("that cannot reach its push service says so in words", async () => {
    const { w, push } = setUp();
    w.refuse = new Error("Registration failed - push service error");
    await expect(push.enable()).rejects.toMatchObject({ problem: { code: "push_failed" } });
  });

  it("turned off is off the list, and knows nothing any more", async () => {
    const { w, push } = setUp();
    await push.enable();
    await push.disable();
    expect(w.devices).toEqual([]);
    expect(w.keys).toBe(null);
    expect(await toldMeta("device")).toBe("");
    await push.disable(); // twice is as good
  });

  it("removed on another device is off here too, and removing it again is no error", async () => {
    const { w, push } = setUp();
    await push.enable();
    w.devices = [];
    expect((await push.view()).here.device).toBe(null);
    await push.remove(asPushDeviceID("11"));
    expect(w.keys).toBe(null);
  });

  it("whose address the browser has renewed tells the server at its next start, once", async () => {
    const { w, push } = setUp();
    await push.enable();
    await push.refresh();
    expect(w.posted.length).toBe(1);
    w.keys = { endpoint: "https://push.example/new", p256dh: "p", auth: "a" };
    await push.refresh();
    await push.refresh();
    expect(w.posted.length).toBe(2);
  });

  it("forgets on logging out what it was told", async () => {
    const { w, push } = setUp();
    await push.enable();
    expect(await claim("1" as never, 5, 1)).toBe(true);
    expect(await claim("1" as never, 5, 1)).toBe(false);
    await push.forget();
    expect(w.closed).toBe(1);
    expect(await claim("1" as never, 5, 1)).toBe(true);
  });
});
