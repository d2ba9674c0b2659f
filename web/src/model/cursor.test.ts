import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CH } from "../test/fakes";
import { addRange, cutRanges, emptyCursor, FILL_MAX, gapsOf, rangeAt, type Cursor, type Range } from "./cursor";

const anyRange = fc.tuple(fc.integer({ min: 1, max: 60 }), fc.integer({ min: 0, max: 12 })).map(([from, n]) => ({ from, to: from + n }));
const all = (ranges: readonly Range[]) => new Set(ranges.flatMap((r) => Array.from({ length: r.to - r.from + 1 }, (_, i) => r.from + i)));
const cursor = (ranges: readonly Range[], more: Partial<Cursor> = {}): Cursor => ({ ...emptyCursor(CH), ranges, ...more });

describe("ranges", () => {
  it("hold what was added and nothing else, sorted, with holes between them", () => {
    fc.assert(fc.property(fc.array(anyRange), (list) => {
      const ranges = list.reduce<readonly Range[]>(addRange, []);
      expect(all(ranges)).toEqual(all(list));
      for (let i = 1; i < ranges.length; i++) expect(ranges[i]!.from).toBeGreaterThan(ranges[i - 1]!.to + 1);
    }));
  });

  it("an empty channel is known as empty, and its first message continues it", () => {
    const empty = addRange([], { from: 1, to: 0 });
    expect(empty).toEqual([{ from: 1, to: 0 }]);
    expect(addRange(empty, { from: 1, to: 1 })).toEqual([{ from: 1, to: 1 }]);
  });

  it("are cut from below", () => {
    fc.assert(fc.property(fc.array(anyRange, { minLength: 1 }), fc.integer({ min: 1, max: 100 }), (list, max) => {
      const ranges = list.reduce<readonly Range[]>(addRange, []);
      const before = [...all(ranges)].sort((a, b) => b - a);
      const cut = cutRanges(ranges, max);
      expect([...all(cut.ranges)].sort((a, b) => b - a)).toEqual(before.slice(0, max));
    }));
  });

  it("say where a seq is", () => {
    const ranges = [{ from: 1, to: 3 }, { from: 7, to: 9 }];
    expect(rangeAt(ranges, 8)).toEqual({ from: 7, to: 9 });
    expect(rangeAt(ranges, 5)).toBeUndefined();
  });
});

describe("gaps", () => {
  it("a channel with nothing in it misses nothing", () => {
    expect(gapsOf(emptyCursor(CH), undefined)).toEqual([]);
  });
  it("a channel never loaded wants its newest page", () => {
    expect(gapsOf(emptyCursor(CH), { last_seq: 5, last_change: 0 })).toEqual([{ kind: "newest", channel: CH }]);
  });
  it("a small distance is filled, a great one is not", () => {
    const c = cursor([{ from: 1, to: 10 }]);
    expect(gapsOf(c, { last_seq: 13, last_change: 0 })).toEqual([{ kind: "hole", channel: CH, after: 10, to: 13 }]);
    expect(gapsOf(c, { last_seq: 11 + FILL_MAX, last_change: 0 })).toEqual([{ kind: "newest", channel: CH }]);
  });
  it("a hole between two runs is filled if it is small", () => {
    expect(gapsOf(cursor([{ from: 1, to: 10 }, { from: 14, to: 20 }]), { last_seq: 20, last_change: 0 })).toEqual([{ kind: "hole", channel: CH, after: 10, to: 13 }]);
    expect(gapsOf(cursor([{ from: 1, to: 10 }, { from: 1000, to: 1020 }]), { last_seq: 1020, last_change: 0 })).toEqual([]);
  });
  it("changes that were heard of but not had are fetched", () => {
    const c = cursor([{ from: 1, to: 10 }], { change: 3, seen_change: 5 });
    expect(gapsOf(c, { last_seq: 10, last_change: 4 })).toEqual([{ kind: "changes", channel: CH, after: 3, upTo: 10 }]);
  });
});
