import { describe, expect, it } from "vitest";
import { Refused } from "../model/problem";
import { FakeClock } from "../test/fakes";
import { Backoff } from "./backoff";
import { Socket, type Status, type WireEvents } from "./socket";

function setUp() {
  const clock = new FakeClock();
  const wires: { path: string; events: WireEvents; sent: Record<string, unknown>[]; closed: boolean }[] = [];
  const states: Status[] = [];
  const ended: string[] = [];
  const world = { pos: 7, online: true, active: true, discover: async (): Promise<{ node: string; ws: string }> => ({ node: "n1", ws: "/n/n1/ws" }), discovers: 0 };
  const socket = new Socket({
    clock,
    dial: (path, events) => {
      const wire = { path, events, sent: [] as Record<string, unknown>[], closed: false };
      wires.push(wire);
      return { send: (d) => void wire.sent.push(JSON.parse(d) as Record<string, unknown>), close: () => void (wire.closed = true) };
    },
    discover: () => {
      world.discovers++;
      return world.discover();
    },
    online: () => world.online,
    events: {
      status: (s) => void states.push(s),
      pos: async () => world.pos,
      frame: (f) => f.op === "pong" && socket.caughtUp(17),
      ended: (why) => void ended.push(why),
      active: () => world.active,
    },
  });
  const live = async () => {
    await clock.pass(0);
    wires.at(-1)!.events.open();
    await clock.pass(0);
    wires.at(-1)!.events.message('{"op":"pong","now":1}');
  };
  return { clock, wires, states, ended, world, socket, live, state: () => states.at(-1)! };
}

describe("the connection", () => {
  it("discovers, opens, resumes from its position, is live, and beats", async () => {
    const t = setUp();
    t.socket.start();
    await t.live();
    expect(t.wires[0]!.path).toBe("/n/n1/ws?resume=1");
    expect(t.wires[0]!.sent).toEqual([{ op: "resume", v: 1, pos: 7 }]);
    expect(t.states.map((s) => s.phase)).toEqual(["connecting", "catching-up", "live"]);
    await t.clock.pass(17_000);
    t.wires[0]!.events.message('{"op":"pong","now":1}');
    await t.clock.pass(17_000);
    const pings = t.wires[0]!.sent.filter((f) => f.op === "ping");
    expect(pings.length).toBe(2); // the first after a random part of the interval
    expect(pings[0]).toEqual({ op: "ping", active: true });
  });

  it("comes back after a lost connection, by a new discovery, with growing pauses", async () => {
    const t = setUp();
    t.socket.start();
    for (let i = 0; i < 6; i++) {
      while (t.wires.length <= i) await t.clock.pass(100);
      t.wires[i]!.events.close(1006);
    }
    expect(t.world.discovers).toBe(11); // each but the first once more: there is only one node
    expect(t.state()).toMatchObject({ phase: "waiting", reason: "lost" });
    expect(t.state().retryAt! - t.clock.now()).toBeLessThanOrEqual(30_000);
  });

  it.each([[4002, "drain"], [1012, "drain"], [4001, "slow"], [4003, "silent"]])("code %i comes back within half a second (%s)", async (code, reason) => {
    const t = setUp();
    t.socket.start();
    await t.live();
    t.wires[0]!.events.close(code);
    expect(t.state()).toMatchObject({ phase: "waiting", reason });
    await t.clock.pass(500);
    expect(t.wires.length).toBe(2);
  });

  it("a node that drains again before it let us in is not hurried back to", async () => {
    const t = setUp();
    t.socket.start();
    let longest = 0;
    for (let i = 0; i < 12; i++) {
      while (t.wires.length <= i) await t.clock.pass(100);
      t.wires[i]!.events.close(4002);
      longest = Math.max(longest, t.state().retryAt! - t.clock.now());
    }
    expect(longest).toBeGreaterThan(2_000);
  });

  it("asks once more when discovery names the node that has just vanished, and is content with the second answer", async () => {
    const t = setUp();
    t.socket.start();
    await t.live();
    t.wires[0]!.events.close(1006);
    const names = ["n1", "n2"];
    t.world.discover = async () => {
      const node = names.shift() ?? "n1";
      return { node, ws: `/n/${node}/ws` };
    };
    await t.clock.pass(500);
    expect(t.wires[1]!.path).toBe("/n/n2/ws?resume=1");
    t.wires[1]!.events.close(1006);
    await t.clock.pass(1_000);
    expect(t.wires[2]!.path).toBe("/n/n1/ws?resume=1");
    expect(t.world.discovers).toBe(4);
  });

  it("does not wait long for a node that hangs, and longer each time for a network that may be slow", async () => {
    const t = setUp();
    t.socket.start();
    const waited: number[] = [];
    for (let i = 0; i < 5; i++) {
      while (t.wires.length <= i) await t.clock.pass(10);
      const since = t.clock.now();
      while (!t.wires[i]!.closed) await t.clock.pass(500);
      waited.push(Math.round((t.clock.now() - since) / 1000));
    }
    expect(waited).toEqual([4, 8, 16, 20, 20]);
  });

  it("a device without a position starts anew, and says so in the address", async () => {
    const t = setUp();
    t.world.pos = 0;
    t.socket.start();
    await t.live();
    expect(t.wires[0]!.path).toBe("/n/n1/ws");
    expect(t.wires[0]!.sent).toEqual([{ op: "resume", v: 1, pos: 0 }]);
  });

  it("waits at least as long as the server asks, and a random part on top", async () => {
    const t = setUp();
    t.world.discover = () => Promise.reject(new Refused({ code: "overloaded", message: "", retry: true, after_ms: 5_000 }));
    t.socket.start();
    await t.clock.pass(0);
    expect(t.state()).toMatchObject({ phase: "waiting", reason: "overload" });
    expect(t.state().retryAt! - t.clock.now()).toBeGreaterThan(5_000);
    expect(t.state().retryAt! - t.clock.now()).toBeLessThanOrEqual(5_500);
  });

  it.each([[4101, "revoked"], [4102, "disabled"]])("code %i ends the login (%s)", async (code, why) => {
    const t = setUp();
    t.socket.start();
    await t.live();
    t.wires[0]!.events.close(code);
    await t.clock.pass(120_000);
    expect(t.ended).toEqual([why]);
    expect(t.wires.length).toBe(1);
  });

  it("a login that discovery does not know has ended", async () => {
    const t = setUp();
    t.world.discover = () => Promise.reject(new Refused({ code: "unauthenticated", message: "", retry: false }));
    t.socket.start();
    await t.clock.pass(1);
    expect(t.ended).toEqual(["revoked"]);
  });

  it("stays away after 4004 until somebody asks, and after 4103", async () => {
    const t = setUp();
    t.socket.start();
    await t.live();
    t.wires[0]!.events.close(4004);
    await t.clock.pass(120_000);
    expect(t.wires.length).toBe(1);
    t.socket.nudge();
    await t.clock.pass(0);
    expect(t.wires.length).toBe(2);
    t.wires[1]!.events.close(4103);
    t.socket.nudge();
    await t.clock.pass(120_000);
    expect(t.wires.length).toBe(2);
    expect(t.state()).toMatchObject({ phase: "stopped", reason: "unsupported" });
  });

  it("a nudge (network back, page visible) tries at once", async () => {
    const t = setUp();
    t.world.discover = () => Promise.reject(new Refused({ code: "offline", message: "", retry: true }));
    t.world.online = false;
    t.socket.start();
    await t.clock.pass(60_000);
    expect(t.state().reason).toBe("offline");
    t.world.discover = async () => ({ node: "x", ws: "/x" });
    const before = t.wires.length;
    t.socket.nudge();
    await t.clock.pass(0);
    expect(t.wires.length).toBe(before + 1);
  });

  it("silence of 45 s is a dead connection", async () => {
    const t = setUp();
    t.socket.start();
    await t.live();
    await t.clock.pass(44_000);
    expect(t.state().phase).toBe("live");
    await t.clock.pass(1_001);
    expect(t.wires[0]!.closed).toBe(true);
    expect(t.states.some((s) => s.phase === "waiting")).toBe(true);
  });

  it("hears nothing from a connection it has given up", async () => {
    const t = setUp();
    t.socket.start();
    await t.live();
    const old = t.wires[0]!;
    t.socket.lost();
    await t.clock.pass(40_000);
    const n = t.states.length;
    old.events.close(4101);
    old.events.message('{"op":"pong","now":1}');
    expect(t.ended).toEqual([]);
    expect(t.states.length).toBe(n);
  });

  it("a frame that breaks the protocol is dropped, one of a newer protocol too", async () => {
    const t = setUp();
    t.socket.start();
    await t.live();
    const error = console.error;
    console.error = () => {};
    t.wires[0]!.events.message('{"op":"msg"}');
    t.wires[0]!.events.message("not json");
    console.error = error;
    t.wires[0]!.events.message('{"op":"hologram","x":1}');
    expect(t.state().phase).toBe("live");
  });

  it("cannot send before it is open", () => {
    const t = setUp();
    t.socket.start();
    expect(t.socket.send({ op: "bye" })).toBe(false);
  });
});

it("back-off has full jitter between nothing and its cap", () => {
  const top = new Backoff({ random: () => 0.999_999 });
  expect(Array.from({ length: 9 }, () => top.next())).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
  top.reset();
  expect(top.next()).toBe(500);
  expect(new Backoff({ random: () => 0 }).next()).toBe(0);
});
