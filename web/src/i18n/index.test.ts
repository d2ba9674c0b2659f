import { describe, expect, it } from "vitest";
import { en } from "./en";
import { withJosa } from "./josa";
import { ko } from "./ko";
import { translate } from "./index";
import { ago, dayName, shortTime } from "./time";

describe("catalogues", () => {
  it("have the same keys, none empty", () => {
    expect(Object.keys(ko).sort()).toEqual(Object.keys(en).sort());
    for (const words of [ko, en]) {
      for (const [key, value] of Object.entries(words)) {
        if (typeof value === "string") expect(value.trim(), key).not.toBe("");
      }
    }
  });

  it("take the same number of arguments", () => {
    for (const key of Object.keys(en) as (keyof typeof en)[]) {
      expect(typeof ko[key], key).toBe(typeof en[key]);
    }
  });

  it("speak 해요체, never 합쇼체 in the middle of things", () => {
    for (const [key, value] of Object.entries(ko)) {
      if (typeof value === "string") expect(value, key).not.toMatch(/하십시오|해라|했다\.|이다\./);
    }
  });
});

describe("withJosa", () => {
  it.each([
    ["민수", "이/가", "민수가"],
    ["지훈", "이/가", "지훈이"],
    ["서울", "으로/로", "서울로"],
    ["부산", "으로/로", "부산으로"],
    ["Mina", "을/를", "Mina를"],
    ["Sam", "을/를", "Sam을"],
    ["3팀", "은/는", "3팀은"],
    ["방 2", "이/가", "방 2가"],
    ["방 3", "이/가", "방 3이"],
    ["“여름 여행”", "으로/로", "“여름 여행”으로"],
    ["🌊", "이/가", "🌊가(이)"],
  ] as const)("%s + %s is %s", (word, pair, want) => {
    expect(withJosa(word, pair)).toBe(want);
  });
});

describe("messages with arguments", () => {
  it("count and list", () => {
    expect(translate("en", "memberCount", 1)).toBe("1 member");
    expect(translate("en", "memberCount", 1200)).toBe("1,200 members");
    expect(translate("ko", "memberCount", 1200)).toBe("멤버 1,200명");
    expect(translate("ko", "sysAdded", "민수", ["지훈", "서연"])).toBe("민수님이 지훈님, 서연님을 초대했어요");
    expect(translate("ko", "typingOne", "지훈")).toBe("지훈님이 입력하고 있어요");
  });
});

describe("times", () => {
  const now = new Date(2026, 10, 22, 15, 30).getTime();
  const back = (days: number, h = 0): number => new Date(2026, 10, 22 - days, 15 - h, 30).getTime();

  it("are short in lists", () => {
    expect(shortTime(now - 20_000, now, "ko")).toBe("지금");
    expect(shortTime(back(0, 2), now, "ko")).toBe("오후 1:30");
    expect(shortTime(back(1), now, "en")).toBe("Yesterday");
    expect(shortTime(back(3), now, "ko")).toBe("목요일");
    expect(shortTime(back(20), now, "en")).toBe("Nov 2");
    expect(shortTime(back(400), now, "ko")).toBe("2025. 10. 18.");
  });

  it("name days", () => {
    expect(dayName(now, now, "ko")).toBe("오늘");
    expect(dayName(back(1), now, "ko")).toBe("어제");
    expect(dayName(back(2), now, "ko")).toBe("11월 20일 금요일");
    expect(dayName(back(365), now, "en")).toBe("Saturday, November 22, 2025");
  });

  it("say how long ago", () => {
    expect(ago(now - 5_000, now, "en")).toBe("just now");
    expect(ago(now - 3 * 60_000, now, "ko")).toBe("3분 전");
    expect(ago(back(2), now, "en")).toBe("2 days ago");
  });
});
