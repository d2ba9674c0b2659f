import { describe, expect, it } from "vitest";
import { ME, msg, row, YOU } from "../test/fakes";
import { GROUP_MS, layout, type Item } from "./layout";
import type { Row } from "./timeline";
import type { Message } from "./types";
import { uuidv7 } from "./uuid";

const message = (m: Message): Row => ({ kind: "message", key: String(m.seq), message: m });
const brief = (items: readonly Item[]) => items.map((i) => (i.kind === "row" ? `${i.first ? "[" : ""}${i.key}${i.last ? "]" : ""}` : i.kind));
const dayOf = (at: number) => String(Math.floor(at / 86_400_000));

describe("layout", () => {
  it("groups one person's messages within five minutes", () => {
    const rows = [msg(1, { at: 0 }), msg(2, { at: GROUP_MS }), msg(3, { at: 3 * GROUP_MS }), msg(4, { at: 3 * GROUP_MS, sender: ME })].map(message);
    expect(brief(layout(rows, { me: ME, newAfter: 0, dayOf }))).toEqual(["day", "[1", "2]", "[3]", "[4]"]);
  });
  it("own waiting messages join the group of own stored ones", () => {
    const out = row(1, { made_at: 2000 });
    const rows: Row[] = [message(msg(1, { sender: ME, at: 1000 })), { kind: "waiting", key: "w", out }];
    expect(brief(layout(rows, { me: ME, newAfter: 0, dayOf }))).toEqual(["day", "[1", "w]"]);
  });
  it("a day line and the new line begin groups", () => {
    const day = 86_400_000;
    const rows = [msg(1, { at: day - 1000 }), msg(2, { at: day }), msg(3, { at: day + 1000 })].map(message);
    expect(brief(layout(rows, { me: ME, newAfter: 2, dayOf }))).toEqual(["day", "[1]", "day", "[2]", "new", "[3]"]);
  });
  it("the new line never stands above one's own message", () => {
    const rows = [msg(1, { at: 0 }), msg(2, { at: 1, sender: ME }), msg(3, { at: 2, sender: YOU })].map(message);
    expect(brief(layout(rows, { me: ME, newAfter: 1, dayOf }))).not.toContain("new");
  });
  it("a system message stands alone", () => {
    const rows = [msg(1, { at: 0 }), msg(2, { at: 1, kind: 1 }), msg(3, { at: 2 })].map(message);
    expect(brief(layout(rows, { me: ME, newAfter: 0, dayOf }))).toEqual(["day", "[1]", "[2]", "[3]"]);
  });
});

it("UUIDv7: version, variant, and order by time", () => {
  const make = (t: number) => uuidv7(t, (b) => b.fill(0xff));
  expect(make(1_700_000_000_000)).toBe("018bcfe5-6800-7fff-bfff-ffffffffffff");
  expect(make(1_700_000_000_001) > make(1_700_000_000_000)).toBe(true);
});
