import { describe, expect, it } from "vitest";
import { auditAction, because, known } from "../../i18n/admin";
import codes from "../../i18n/admin-codes.json";
import { adminEn } from "../../i18n/admin-en";
import { adminKo } from "../../i18n/admin-ko";
import { parseRoute, pathOf, type Route } from "../shell/route";
import { bytes, count, duration, millis, share } from "./format";
import { heights, layRing, PARTITIONS, quantile, seatColours, slotAt, sparkline, wedge, wedges } from "./geometry";
import { told } from "./give";
import { nextName } from "./plan-form";

const FULL = Math.PI * 2;
const thirds = Array.from({ length: PARTITIONS }, (_, p) => p % 3);

describe("the ring's geometry", () => {
  it("gives every partition one slot, in the segment of its planned shard, and no two overlap", () => {
    const segments = layRing(thirds, thirds, 3);
    expect(segments.map((s) => s.slots.length)).toEqual([341, 340, 340]);
    const slots = segments.flatMap((s) => s.slots);
    expect(new Set(slots.map((s) => s.partition)).size).toBe(PARTITIONS);
    slots.slice(1).forEach((s, i) => expect(s.from).toBeGreaterThanOrEqual((slots[i]?.to ?? 0) - 1e-9));
    expect(slots[slots.length - 1]?.to).toBeLessThan(FULL);
  });

  it("sizes segments by their partitions", () => {
    const [a, b] = layRing([0, 0, 0, 1], [0, 0, 0, 1], 2);
    expect(((a?.to ?? 0) - (a?.from ?? 0)) / ((b?.to ?? 0) - (b?.from ?? 0))).toBeCloseTo(3);
  });

  it("closes the circle for one shard, and leaves out one that has nothing", () => {
    const [only, ...rest] = layRing([0, 0, 0], [0, 0, 0], 2);
    expect(rest).toEqual([]);
    expect(only?.to).toBeCloseTo(FULL);
    expect(wedge(0, FULL, 10, 20)).not.toContain("NaN");
  });

  it("shows what has arrived first", () => {
    const [s] = layRing([0, 0, 0, 0], [1, 0, 1, 0], 2);
    expect(s?.slots.map((x) => x.partition)).toEqual([1, 3, 0, 2]);
  });

  it("finds the slot under a pointer, and none in the hole, outside and in gaps", () => {
    const segments = layRing(thirds, thirds, 3);
    for (const s of segments) {
      for (const slot of [s.slots[0], s.slots[170], s.slots[s.slots.length - 1]]) {
        const mid = ((slot?.from ?? 0) + (slot?.to ?? 0)) / 2;
        expect(slotAt(segments, Math.sin(mid) * 150, -Math.cos(mid) * 150, 118, 172)?.partition).toBe(slot?.partition);
      }
    }
    expect(slotAt(segments, 0, -50, 118, 172)).toBeUndefined();
    expect(slotAt(segments, 0, -180, 118, 172)).toBeUndefined();
    expect(slotAt(segments, 0, -150, 118, 172)).toBeUndefined();
  });

  it("joins neighbours of the same height", () => {
    const slots = [0, 1, 2].map((i) => ({ partition: i, from: i / 10, to: (i + 1) / 10 }));
    expect(wedges(slots, 10, () => 20).match(/Z/g)).toHaveLength(1);
    expect(wedges(slots, 10, (p) => (p === 1 ? 30 : 20)).match(/Z/g)).toHaveLength(3);
  });

  it("reaches further for more rows, within bounds", () => {
    const h = heights([0, 10, 100_000], 100, 130);
    expect(h(0)).toBe(100);
    expect(h(2)).toBe(130);
    expect(h(1)).toBeGreaterThan(100);
    expect(heights([], 100, 130)(5)).toBe(100);
  });
});

describe("colours of shards", () => {
  it("stay when another comes or goes", () => {
    const before = seatColours(["a", "b", "c", "d"]);
    const after = seatColours(["b", "c", "d", "e"]);
    for (const id of ["b", "c", "d"]) expect(after.get(id)).toBe(before.get(id));
    expect(new Set(after.values()).size).toBe(4);
  });

  it("are eight at most, and different while there are enough", () => {
    const ids = ["seoul", "busan", "s1", "s2", "s3", "s4", "s5", "s6"];
    expect(new Set(seatColours(ids).values()).size).toBe(8);
    for (const c of seatColours([...ids, "x", "y"]).values()) expect(c).toBeLessThan(8);
  });
});

describe("figures", () => {
  it.each([[0, "0 B"], [999, "999 B"], [1_234, "1.2 kB"], [15_400_000, "15 MB"], [1.28e9, "1.3 GB"], [999_999, "1 MB"]])("%d bytes are %s", (n, want) => expect(bytes(n, "en")).toBe(want));
  it.each([[950, "en", "950"], [9_999, "en", "9,999"], [12_345, "en", "12.3K"], [12_345, "ko", "1.2만"], [4_120_332, "en", "4.1M"]] as const)("%d in %s is %s", (n, to, want) => expect(count(n, to)).toBe(want));
  it.each([[50, "0.05 ms"], [850, "0.85 ms"], [9_200, "9.2 ms"], [38_100, "38 ms"]])("%d µs are %s", (us, want) => expect(millis(us, "en")).toBe(want));
  it.each([[4_000, "en", "4 s"], [125_000, "en", "2 min 5 s"], [3_780_000, "ko", "1시간 3분"], [60_000, "ko", "1분"], [0, "en", "0 s"]] as const)("%d ms in %s are %s", (ms, to, want) => expect(duration(ms, to)).toBe(want));
  it("shares", () => expect(share(204 / 1021, "en")).toBe("20.0%"));
  it("quantiles", () => {
    expect(quantile([], 0.5)).toBe(0);
    expect(quantile([5, 1, 3], 0.5)).toBe(3);
    expect(quantile(Array.from({ length: 100 }, (_, i) => i), 0.99)).toBe(99);
  });
  it("sparklines end at the right", () => {
    expect(sparkline([1], 100, 20, 60)).toBe("");
    expect(sparkline([0, 10], 100, 20, 11)).toBe("M90.0 20.0L100.0 0.0");
    expect(sparkline([0, 0], 100, 20, 2)).not.toContain("NaN");
  });
});

describe("words of the admin pages", () => {
  it("are the same in both languages, and take the same arguments", () => {
    expect(Object.keys(adminKo).sort()).toEqual(Object.keys(adminEn).sort());
    for (const key of Object.keys(adminEn) as (keyof typeof adminEn)[]) {
      expect(typeof adminKo[key], key).toBe(typeof adminEn[key]);
      if (typeof adminKo[key] === "string") expect(adminKo[key], key).not.toMatch(/하십시오|했다\.|이다\./);
    }
  });

  it("are there for every code that the server may send, in both languages, and for no other", () => {
    const given = new Proxy({}, { get: (_, name) => (name === "count" ? "2" : String(name)) });
    for (const words of [adminEn, adminKo] as const) {
      const kinds = Object.entries(codes).flatMap(([kind, list]) => list.map((code) => `${kind}_${code}`));
      for (const key of kinds) {
        const entry = (words as unknown as Record<string, unknown>)[key];
        const said = typeof entry === "function" ? (entry as (...args: unknown[]) => string)(...(key.startsWith("fault") ? [5, given] : [given])) : entry;
        expect(said, key).toMatch(/\S/);
        expect(said, key).not.toMatch(/undefined|NaN|object/);
      }
      for (const kind of Object.keys(codes)) {
        expect(Object.keys(words).filter((key) => key.startsWith(`${kind}_`)).sort()).toEqual(kinds.filter((key) => key.startsWith(`${kind}_`)).sort());
      }
    }
  });

  it("say why, and leave to the server what they do not know", () => {
    expect(because({ code: "differs", args: { partition: "5", table: "messages" } })).toContain("partition 5 differs in table messages");
    expect(because({ code: "news" })).toBe("something unexpected happened");
    expect([known({ code: "news" }), known({ code: "other" }), known(undefined), known({ code: "disk_full" })]).toEqual([false, false, false, true]);
    expect(auditAction("reshard.add")).toBe("added a shard");
    expect(auditAction("from.the.future")).toBe("from.the.future");
    expect(told({ code: "conflict", message: "the ring …", retry: false, reason: { code: "ring_changed" } })).toBe(adminEn.reason_ring_changed({}));
    expect(told({ code: "conflict", message: "of another kind", retry: false })).toContain("of another kind");
  });

  it("count well, and have the right particles", () => {
    expect(adminEn.countPartitions(1)).toBe("1 partition");
    expect(adminEn.countPartitions(1021)).toBe("1,021 partitions");
    expect(adminKo.startAdd("e")).toBe("샤드 e를 더할까요?");
    expect(adminKo.startRemove("s3")).toBe("샤드 s3을 뺄까요?");
    expect(adminKo.planAdd("seoul")).toBe("샤드 seoul이 들어오고 있어요");
    expect(adminKo.partitionMoves(5, "a", "m", "복사")).toBe("파티션 5: a에서 m으로, 복사");
  });
});

it("a new shard is offered the next letter", () => {
  expect(nextName(["a", "b"])).toBe("c");
  expect(nextName(["b"])).toBe("a");
  expect(nextName([..."abcdefghijklmnopqrstuvwxyz"])).toBe("s1");
});

it.each<[string, Route]>([["/admin", { at: "admin" }], ["/admin/reshard", { at: "admin", tab: "reshard" }], ["/admin/nothing", { at: "admin" }]])("%s is a place", (path, route) => {
  expect(parseRoute(path)).toEqual(route);
  if (path !== "/admin/nothing") expect(pathOf(route)).toBe(path);
});
