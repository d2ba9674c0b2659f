import { describe, expect, it } from "vitest";
import { firstBelow, placeOf, scrollFor, type RowBox } from "./anchor";

const rows = (heights: readonly number[], from = 0): RowBox[] => {
  let y = 0;
  return heights.map((height, i) => {
    const box = { key: `k${from + i}`, top: y, bottom: y + height };
    y += height;
    return box;
  });
};

describe("where the reader's eyes are", () => {
  it("stay on the first visible row when older rows come above", () => {
    const before = rows(Array.from({ length: 20 }, () => 50));
    const place = placeOf(before, 230, 400, 1_000);
    expect(place).toEqual({ at: "row", key: "k4", top: -30 });
    const after = [...rows([80, 80, 80]).map((box) => ({ ...box, key: `old${box.key}` })), ...before.map((box) => ({ ...box, top: box.top + 240, bottom: box.bottom + 240 }))];
    expect(scrollFor(place, after, 400, 1_240)).toBe(470);
  });

  it("stay at the end when rows come below", () => {
    const place = placeOf(rows([100, 100, 100, 100, 100, 100]), 195, 400, 600);
    expect(place).toEqual({ at: "end" });
    expect(scrollFor(place, [], 400, 700)).toBe(300);
  });

  it("stay on a row where newer messages are not loaded yet", () => {
    expect(placeOf(rows([100, 100, 100, 100, 100, 100]), 200, 400, 600, false)).toEqual({ at: "row", key: "k2", top: 0 });
  });

  it("give up when the row is gone", () => {
    expect(scrollFor({ at: "row", key: "gone", top: 0 }, rows([10]), 400, 1_000)).toBeUndefined();
  });

  it("find rows by binary search", () => {
    const list = rows([10, 20, 30]);
    expect(firstBelow(list, 0)?.key).toBe("k0");
    expect(firstBelow(list, 10)?.key).toBe("k1");
    expect(firstBelow(list, 59)?.key).toBe("k2");
    expect(firstBelow([], 0)).toBeUndefined();
  });
});
