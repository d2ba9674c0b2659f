import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BadShape } from "./check";
import { parseFrame, read } from "./frame";

/** Written by a Go test of package chat from the frames it really encodes, so the two sides cannot drift. */
const samples = JSON.parse(readFileSync(new URL("./testdata/frames.json", import.meta.url), "utf8")) as Record<string, { op: string }>;

describe("frames of the server", () => {
  it.each(Object.entries(samples))("%s is understood, and nothing of it is lost", (_name, frame) => {
    expect(parseFrame(JSON.stringify(frame))).toEqual(frame);
  });

  it("the samples hold every op", () => {
    const ops = new Set(Object.values(samples).map((f) => f.op));
    for (const op of ["resumed", "ack", "nack", "msg", "change", "inbox", "read", "typing", "presence", "user", "friend", "channel", "pong"]) {
      expect(ops.has(op), op).toBe(true);
    }
  });

  it("an op of a newer server is passed over", () => {
    expect(parseFrame('{"op":"hologram"}')).toBeNull();
    expect(parseFrame('{"op":"constructor"}')).toBeNull();
  });

  it("fields of a newer server are let through", () => {
    expect(parseFrame('{"op":"pong","now":1,"then":2}')).toMatchObject({ op: "pong", now: 1 });
  });

  it("null lists are empty ones", () => {
    expect(parseFrame('{"op":"presence","states":null}')).toEqual({ op: "presence", states: [] });
  });

  it("whatever is put in place of whatever: understood or refused as a bad shape, never a crash", () => {
    const names = Object.keys(samples);
    fc.assert(fc.property(fc.constantFrom(...names), fc.nat(), fc.jsonValue(), (name, where, value) => {
      const copy = structuredClone(samples[name]) as unknown;
      const places: [Record<string, unknown>, string][] = [];
      const walk = (x: unknown): void => {
        if (typeof x !== "object" || x === null) return;
        for (const [k, v] of Object.entries(x)) {
          places.push([x as Record<string, unknown>, k]);
          walk(v);
        }
      };
      walk(copy);
      const [o, k] = places[where % places.length]!;
      o[k] = value;
      try {
        parseFrame(JSON.stringify(copy));
      } catch (err) {
        expect(err).toBeInstanceOf(BadShape);
      }
    }), { numRuns: 500 });
  });
});

it("answers are checked as frames are", () => {
  expect(() => read.page({ messages: [{}], more_before: false, more_after: false, last_seq: 0, last_change: 0 })).toThrow(BadShape);
  expect(read.page({ messages: [], more_before: false, more_after: false, last_seq: 0, last_change: 0 }).messages).toEqual([]);
});
