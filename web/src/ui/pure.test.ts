import { describe, expect, it } from "vitest";
import { layout } from "../model/layout";
import type { Row } from "../model/timeline";
import { asChannelID, asClientMsgID, asUserID, type User } from "../model/types";
import { checkSignup } from "./auth/check";
import { fits } from "./channels/search";
import { askedAt, offersFor } from "./composer/completion";
import { mentionsAmong } from "./composer/mentions";
import { daysOf } from "./conversation/days";
import { allEmoji, findEmoji, groups } from "./emoji/data";
import { onlyEmoji } from "./emoji/only";
import { initials } from "./kit/initials";
import { parseRoute, pathOf, type Route } from "./shell/route";
import { plain } from "./shell/preview";

const user = (id: string, display_name: string, login_name: string): User => ({ id: asUserID(id), display_name, login_name, avatar_color: 0 });
const people = [user("1", "김하늘", "haneul"), user("2", "김하늘 팀장", "lead"), user("3", "홍길동", "gildong"), user("4", "Alex Morgan", "alex")];

describe("names are found", () => {
  it.each([
    ["홍길동", "ㅎㄱㄷ", true], ["홍길동", "ㄱㄷ", true], ["홍길동", "홍기", true], ["홍길동", "길도", true], ["제품 팀", "제품팀", true],
    ["Alex Morgan", "mor", true], ["홍길동", "ㅎㄷ", false], ["Alex Morgan", "ㅎ", false], ["홍길동", "", true],
  ])("%s by %s: %s", (name, query, want) => {
    expect(fits(name, query) > 0).toBe(want);
  });

  it("the start of a name counts more than its middle", () => {
    expect(fits("하늘", "하")).toBeGreaterThan(fits("김하늘", "하"));
  });
});

describe("completion", () => {
  it.each([
    ["안녕 @", 4, "mention", ""], ["안녕 @홍ㄱ", 6, "mention", "홍ㄱ"], ["@a", 2, "mention", "a"], ["좋아 :하트", 6, "emoji", "하트"], [":ta", 3, "emoji", "ta"],
  ])("%j at %i asks for %s %j", (text, caret, kind, query) => {
    expect(askedAt(text, caret)).toMatchObject({ kind, query });
  });

  it.each([["mail@example", 12], ["3:30", 4], ["a:b", 3], ["http://", 7], [": ", 2], ["@a b", 4]])("%j asks for nothing", (text, caret) => {
    expect(askedAt(text, caret)).toBeUndefined();
  });

  it("offers people by first consonants and everyone in groups", () => {
    const asked = askedAt("@ㅎㄱ", 3);
    if (asked === undefined) throw new Error("asks");
    expect(offersFor(asked, people, true, { all: "모두", allHint: "" }).map((offer) => offer.insert)).toEqual(["@홍길동 "]);
    const any = askedAt("@", 1);
    if (any === undefined) throw new Error("asks");
    expect(offersFor(any, people, true, { all: "모두", allHint: "" }).at(-1)?.key).toBe("*");
  });
});

describe("mentions of a text", () => {
  it("are the longest names, outside code and words", () => {
    expect(mentionsAmong("@김하늘 팀장님과 @alex, `@홍길동`", people, true)).toEqual({ users: ["2", "4"], all: false });
    expect(mentionsAmong("a@alex", people, true).users).toEqual([]);
    expect(mentionsAmong("@모두 보세요", people, true).all).toBe(true);
    expect(mentionsAmong("@everyone", people, false).all).toBe(false);
  });
});

describe("emoji", () => {
  it("are each there once and are found in both languages", () => {
    const chars = allEmoji.map((one) => one.char);
    expect(new Set(chars).size).toBe(chars.length);
    expect(groups.every((group) => group.emoji.length >= 30)).toBe(true);
    expect(findEmoji("하트")[0]?.char).toBe("❤️");
    expect(findEmoji("tada")[0]?.char).toBe("🎉");
    expect(allEmoji.every((one) => one.names.length >= 2 && new TextEncoder().encode(one.char).length <= 64)).toBe(true);
  });

  it.each([["👍", true], ["🎉🎉 🎉", true], ["👨‍👩‍👧‍👦", true], ["🇰🇷", true], ["❤️", true], ["👍🏽", true], ["1", false], ["👍 네", false], ["", false], ["😀😀😀😀", false], ["#", false]])("%j alone: %s", (text, want) => {
    expect(onlyEmoji(text)).toBe(want);
  });
});

describe("small words", () => {
  it.each([["김민수", "민수"], ["남궁민수", "남궁"], ["민수", "민수"], ["Mina Park", "MP"], ["alex", "A"], ["", "?"], ["🌊 바다", "🌊바"]])("initials of %j are %j", (name, want) => {
    expect(initials(name)).toBe(want);
  });

  it("a preview has no marks", () => {
    expect(plain("**정말** `빠르`고\n> 좋아요\n- 하나")).toBe("정말 빠르고 좋아요 하나");
  });

  it("a sign-up form is checked before it is sent", () => {
    const good = { login_name: "하늘.01", display_name: "하늘", password: "12345678", invite: "" };
    expect(checkSignup(good, false)).toEqual({});
    expect(Object.keys(checkSignup(good, true))).toEqual(["invite"]);
    expect(Object.keys(checkSignup({ ...good, login_name: "a b", password: "짧다" }, false))).toEqual(["login_name", "password"]);
  });
});

describe("addresses", () => {
  const routes: readonly Route[] = [
    { at: "home" }, { at: "people" }, { at: "settings" }, { at: "settings", tab: "sessions" }, { at: "join", code: "12.a/b c" },
    { at: "channel", id: asChannelID("9223372036854775807") }, { at: "channel", id: asChannelID("1"), side: { kind: "thread", root: 42 } },
    { at: "channel", id: asChannelID("1"), side: { kind: "members" } }, { at: "settings", tab: "notifications" },
    { at: "channel", id: asChannelID("1"), message: 7 }, { at: "channel", id: asChannelID("1"), side: { kind: "thread", root: 42 }, message: 43 },
  ];
  it.each(routes.map((route) => [pathOf(route), route] as const))("%s there and back", (path, route) => {
    expect(parseRoute(path)).toEqual(route);
  });

  it.each(["/c/abc", "/c/01", "/c/", "/nowhere", "/%E0%A4%A"])("%s is home", (path) => {
    expect(parseRoute(path)).toEqual({ at: "home" });
  });
});

describe("days", () => {
  const row = (seq: number, at: number, sender = "2"): Row => ({
    kind: "message",
    key: `m${seq}`,
    message: { channel: asChannelID("1"), seq, n: seq, sender: asUserID(sender), client_msg_id: asClientMsgID(`m${seq}`), body: "x", at },
  });
  const noon = new Date(2026, 10, 22, 12).getTime();
  const day = 24 * 60 * 60_000;

  it("hold their messages, and an older message joins its day under the same key", () => {
    const rows = [row(5, noon - day), row(6, noon), row(7, noon + 60_000), row(8, noon + 20 * 60_000)];
    const days = daysOf(layout(rows, { me: null, newAfter: 6 }));
    expect(days.map((one) => one.items.length)).toEqual([1, 4]);
    expect(days[1]?.items.map((item) => item.kind)).toEqual(["row", "new", "row", "row"]);
    const more = daysOf(layout([row(4, noon - day - 60_000), ...rows], { me: null, newAfter: 6 }));
    expect(more.map((one) => one.key)).toEqual(days.map((one) => one.key));
    expect(more[0]?.items.length).toBe(2);
  });

  it("group one person's messages within five minutes", () => {
    const items = daysOf(layout([row(1, noon), row(2, noon + 60_000), row(3, noon + 2 * 60_000, "3"), row(4, noon + 9 * 60_000, "3")], { me: null, newAfter: 0 }))[0]?.items ?? [];
    expect(items.map((item) => (item.kind === "row" ? [item.first, item.last] : []))).toEqual([[true, false], [false, true], [true, true], [true, true]]);
  });
});
