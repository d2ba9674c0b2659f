import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Block, Inline } from "./ast";
import { foldChars, foldLines, foldOf } from "./fold";
import { bareLink, safeHref } from "./link";
import { parse } from "./parse";

const inlines = (text: string, mentions: Parameters<typeof parse>[1] = []): readonly Inline[] => {
  const block = parse(text, mentions)[0];
  return block?.t === "p" ? block.c : [];
};
const text = (s: string): Inline => ({ t: "text", s });

/** All addresses that a text could lead to. */
function links(blocks: readonly Block[]): readonly string[] {
  const of = (list: readonly Inline[]): string[] =>
    list.flatMap((one) => (one.t === "link" ? [one.href, ...of(one.c)] : "c" in one ? of(one.c) : []));
  return blocks.flatMap((block) => {
    if (block.t === "list") return block.items.flatMap(of);
    if (block.t === "quote") return links(block.c);
    return block.t === "code" ? [] : of(block.c);
  });
}

describe("inline marks", () => {
  it("bold, italic, struck, code", () => {
    expect(inlines("**굵게** *기울임* ~~취소~~ `code`")).toEqual([
      { t: "strong", c: [text("굵게")] },
      text(" "),
      { t: "em", c: [text("기울임")] },
      text(" "),
      { t: "del", c: [text("취소")] },
      text(" "),
      { t: "code", s: "code" },
    ]);
  });

  it("nests, and particles may follow a mark", () => {
    expect(inlines("**아주 *중요*해요**를")).toEqual([
      { t: "strong", c: [text("아주 "), { t: "em", c: [text("중요")] }, text("해요")] },
      text("를"),
    ]);
    expect(inlines("***both***")).toEqual([{ t: "strong", c: [{ t: "em", c: [text("both")] }] }]);
  });

  it.each(["2 * 3 * 4", "snake_case_name", "a**", "** a **", "****", "*", "_", "`", "~~", "5*3", "\\*no\\*"])("leaves %s as text", (raw) => {
    expect(inlines(raw).every((one) => one.t === "text")).toBe(true);
  });

  it("keeps line breaks in a paragraph", () => {
    expect(parse("하나\n둘\n\n셋")).toEqual([
      { t: "p", c: [text("하나\n둘")] },
      { t: "p", c: [text("셋")] },
    ]);
  });
});

describe("blocks", () => {
  it("code, quote, lists, heading", () => {
    expect(parse("```go\nfunc main() {}\n```\n> 인용\n> **굵게**\n- 하나\n- 둘\n3. 셋\n# 제목")).toEqual([
      { t: "code", lang: "go", s: "func main() {}" },
      { t: "quote", c: [{ t: "p", c: [text("인용\n"), { t: "strong", c: [text("굵게")] }] }] },
      { t: "list", ordered: false, start: 1, items: [[text("하나")], [text("둘")]] },
      { t: "list", ordered: true, start: 3, items: [[text("셋")]] },
      { t: "heading", c: [text("제목")] },
    ]);
  });

  it("an open fence goes to the end, and quotes nest to a limit", () => {
    expect(parse("```\n<b>")).toEqual([{ t: "code", lang: "", s: "<b>" }]);
    expect(JSON.stringify(parse(">".repeat(5_000) + " x")).length).toBeLessThan(6_000);
  });
});

describe("links", () => {
  it("bare ones end before punctuation and Hangul", () => {
    expect(inlines("보세요 https://example.org/a?b=1#c, 그리고 https://gori.kr에서")).toEqual([
      text("보세요 "),
      { t: "link", href: "https://example.org/a?b=1#c", c: [text("https://example.org/a?b=1#c")] },
      text(", 그리고 "),
      { t: "link", href: "https://gori.kr/", c: [text("https://gori.kr")] },
      text("에서"),
    ]);
    expect(bareLink("https://en.wikipedia.org/wiki/Ring_(chat))")).toBe("https://en.wikipedia.org/wiki/Ring_(chat)".length);
  });

  it("named ones", () => {
    expect(inlines("[문서](https://example.org/x)")).toEqual([{ t: "link", href: "https://example.org/x", c: [text("문서")] }]);
  });

  it.each([
    "javascript:alert(1)", "JaVaScRiPt:alert(1)", " javascript:alert(1)", "java\nscript:alert(1)", "data:text/html,<script>", "vbscript:x",
    "file:///etc/passwd", "blob:https://a/b", "https:alert(1)", "https://user:pw@evil.example/", "https://evil.example\\@good.example",
    "//evil.example", "/local", "ftp://a.b", "http://", "https://\u0000a", "about:blank", "intent://x", "https://a b.c",
  ])("never lead to %j", (raw) => {
    expect(safeHref(raw)).toBeUndefined();
    expect(links(parse(`[x](${raw})`))).not.toContain(raw);
  });
});

describe("hostile texts", () => {
  const corpus = [
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg/onload=alert(1)>", "[a](javascript:alert(1))",
    "[![x](javascript:1)](javascript:2)", "[x](https://ok.example \"onmouseover=alert(1)\")", "`<b>`", "**<i>**", "&lt;script&gt;",
    "<a href=\"javascript:x\">", "[x](data:text/html;base64,PHNjcmlwdD4=)", "](https://a.b)[", "\u202Ehttps://evil.example", "<!--", "]]>",
    "{{constructor.constructor('alert(1)')()}}", "<iframe srcdoc='<script>'>", "https://a.b/\"onclick=\"alert(1)", "<style>*{}</style>",
  ];

  it.each(corpus)("%s is text or an http link", (raw) => {
    for (const href of links(parse(raw))) expect(href).toMatch(/^https?:\/\//);
    expect(JSON.stringify(parse(raw))).not.toMatch(/"t":"(html|image|raw)"/);
  });

  it("any text parses, and every link is http", () => {
    const piece = fc.constantFrom("*", "**", "_", "`", "```", "~~", "[", "](", ")", ">", "- ", "1. ", "\n", " ", "@", "가", "a", "https://a.b", "javascript:", "\\", "#", "<b>");
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.array(piece, { maxLength: 60 }).map((list) => list.join(""))), (raw) => {
        for (const href of links(parse(raw))) expect(href).toMatch(/^https?:\/\//);
      }),
      { numRuns: 500 },
    );
  });

  it.each(["*a ", "**", "_a", "`", "[", "[](", "~~a", "> ", "- ", "@", "https://", "](", "***a", "\\"])("100,000 characters of %j take no time", (unit) => {
    const raw = unit.repeat(Math.ceil(100_000 / unit.length));
    const start = process.cpuUsage(); // what else the host does counts for nothing
    parse(raw, [{ name: "김하늘", user: "1" }]);
    const { user, system } = process.cpuUsage(start);
    expect((user + system) / 1000).toBeLessThan(8_000);
  });
});

describe("mentions", () => {
  const names = [
    { name: "김하늘", user: "1" },
    { name: "김하늘 팀장", user: "2" },
    { name: "alex", user: "3" },
  ];

  it("are the longest name that fits, and not inside words or code", () => {
    expect(inlines("@김하늘 팀장 @김하늘님 a@alex `@alex`", names)).toEqual([
      { t: "mention", user: "2", s: "김하늘 팀장" },
      text(" "),
      { t: "mention", user: "1", s: "김하늘" },
      text("님 a@alex "),
      { t: "code", s: "@alex" },
    ]);
  });
});

describe("folding", () => {
  it("leaves short texts whole", () => {
    expect(foldOf("안녕하세요")).toBeUndefined();
    expect(foldOf(Array.from({ length: foldLines }, () => "줄").join("\n"))).toBeUndefined();
  });

  it("cuts at lines and at length, never inside a pair", () => {
    const lines = Array.from({ length: 90 }, (_, i) => `${i}`).join("\n");
    expect(foldOf(lines)?.split("\n").length).toBe(foldLines);
    const long = "가".repeat(100_000);
    expect(foldOf(long)?.length).toBe(foldChars);
    const pairs = foldOf("a" + "😀".repeat(50_000)) ?? "";
    expect(/[\ud800-\udbff]$/.test(pairs)).toBe(false);
  });
});
