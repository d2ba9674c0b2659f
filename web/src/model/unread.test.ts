import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CH, entryOf, ME, YOU } from "../test/fakes";
import { asUserID, type Member } from "./types";
import { mentionsOf, overlayRead, readCounter, readKey, sortEntries, unreadBy, unreadOf } from "./unread";

const member = (user: string, read_seq: number): Member => ({ user: asUserID(user), role: 1, joined_at: 0, read_seq });

describe("how many have not read a message", () => {
  it("falls to nothing as marks move, and never counts its sender", () => {
    expect(unreadBy([member("1", 0), member("2", 0), member("3", 0)], 5, ME)).toBe(2);
    expect(unreadBy([member("1", 0), member("2", 5), member("3", 4)], 5, ME)).toBe(1);
    expect(unreadBy([member("1", 0), member("2", 5), member("3", 9)], 5, ME)).toBe(0);
  });

  it("is the same when counted for many at once", () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 30 }), fc.integer({ min: 1, max: 20 }), fc.integer({ min: 0, max: 31 }), (marks, seq, sender) => {
      const members = marks.map((m, i) => member(String(i + 1), m));
      expect(readCounter(members)(seq, asUserID(String(sender + 1)))).toBe(unreadBy(members, seq, asUserID(String(sender + 1))));
    }));
  });
});

describe("unread", () => {
  it("is never negative", () => {
    expect(unreadOf(entryOf(3, { read_n: 9 }))).toBe(0);
    expect(unreadOf(entryOf(9, { read_n: 3 }))).toBe(6);
  });

  it("one's own mark shows at once, and only forwards", () => {
    const e = entryOf(9, { read_seq: 3, read_n: 3, mentions: 2 });
    const marks = (seq: number, n: number) => new Map([[readKey(CH, 0), { channel: CH, thread: 0, seq, n }]]);
    expect(overlayRead(e, marks(9, 9))).toMatchObject({ read_seq: 9, read_n: 9, mentions: 0 });
    expect(overlayRead(e, marks(5, 5))).toMatchObject({ read_seq: 5, read_n: 5, mentions: 2 });
    expect(overlayRead(e, marks(2, 2))).toBe(e);
  });

  it("a thread that is read shows no dot", () => {
    const e = entryOf(9, { threads: [{ root: 2, unread: 3, mentions: 1 }, { root: 5, unread: 1, mentions: 0 }] });
    expect(mentionsOf(e)).toBe(1);
    expect(overlayRead(e, new Map([[readKey(CH, 2), { channel: CH, thread: 2, seq: 9, n: 0 }]])).threads).toEqual([{ root: 5, unread: 1, mentions: 0 }]);
  });
});

it("the list has pinned ones on top, then the latest", () => {
  const at = (ch: string, last_at: number, pinned = false) => entryOf(1, { last_at, pinned }, ch as typeof CH, YOU);
  expect(sortEntries([at("1", 5), at("2", 9), at("3", 1, true), at("4", 5)]).map((e) => e.channel)).toEqual(["3", "2", "1", "4"]);
});
