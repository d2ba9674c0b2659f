import type { Inline, MentionName } from "./ast";
import { bareLink, safeHref } from "./link";

/** How far a closing mark is looked for, how many are tried, and how deep marks nest. */
const reach = 1_000;
const tries = 24;
const depths = 4;

const marks: readonly { readonly mark: string; readonly t: "strong" | "em" | "del" }[] = [
  { mark: "**", t: "strong" },
  { mark: "__", t: "strong" },
  { mark: "~~", t: "del" },
  { mark: "*", t: "em" },
  { mark: "_", t: "em" },
];

const special = /[`*_~[@\\]|https?:\/\//gi;
const wordy = /[\p{L}\p{N}]/u;

/** Reads the text between block marks; the time is linear in its length. */
export function parseInline(text: string, mentions: readonly MentionName[] = [], depth = 0): readonly Inline[] {
  const out: Inline[] = [];
  let plain = "";
  let at = 0;
  const flush = (): void => {
    if (plain !== "") out.push({ t: "text", s: plain });
    plain = "";
  };
  while (at < text.length) {
    special.lastIndex = at;
    const next = special.exec(text)?.index ?? text.length;
    plain += text.slice(at, next);
    at = next;
    if (at >= text.length) break;
    const hit = one(text, at, mentions, depth);
    if (hit.node === undefined) {
      plain += hit.plain ?? text.slice(at, at + hit.length);
    } else {
      flush();
      out.push(hit.node);
    }
    at += hit.length;
  }
  flush();
  return out;
}

interface Hit {
  readonly length: number;
  readonly node?: Inline;
  readonly plain?: string;
}

/** What starts at this place: a node, or so many characters of plain text. */
function one(text: string, at: number, mentions: readonly MentionName[], depth: number): Hit {
  switch (text[at]) {
    case "\\":
      return escaped(text, at);
    case "`":
      return code(text, at);
    case "@":
      return mention(text, at, mentions);
    case "[":
      return link(text, at, mentions, depth);
    case "h":
    case "H":
      return bare(text, at);
    default:
      return mark(text, at, mentions, depth);
  }
}

function escaped(text: string, at: number): Hit {
  const next = text[at + 1];
  if (next !== undefined && /[`*_~[\]@\\>#-]/.test(next)) return { length: 2, plain: next };
  return { length: 1 };
}

function code(text: string, at: number): Hit {
  let n = 1;
  while (text[at + n] === "`") n++;
  const fence = "`".repeat(n);
  const end = near(text, fence, at + n);
  if (end <= at + n) return { length: n };
  return { length: end + n - at, node: { t: "code", s: text.slice(at + n, end) } };
}

function mention(text: string, at: number, mentions: readonly MentionName[]): Hit {
  const before = text[at - 1];
  if (before !== undefined && wordy.test(before)) return { length: 1 };
  let best: MentionName | undefined;
  for (const m of mentions) {
    if (m.name.length > (best?.name.length ?? 0) && text.startsWith(m.name, at + 1)) best = m;
  }
  if (best === undefined) return { length: 1 };
  return { length: best.name.length + 1, node: { t: "mention", user: best.user, s: best.name } };
}

function bare(text: string, at: number): Hit {
  const before = text[at - 1];
  const n = before !== undefined && /[a-z0-9]/i.test(before) ? 0 : bareLink(text.slice(at, at + 2048));
  if (n === 0) return { length: 1 };
  const raw = text.slice(at, at + n);
  const href = safeHref(raw);
  return href === undefined ? { length: n } : { length: n, node: { t: "link", href, c: [{ t: "text", s: raw }] } };
}

function link(text: string, at: number, mentions: readonly MentionName[], depth: number): Hit {
  const middle = near(text, "](", at + 1);
  if (middle <= at + 1 || depth >= depths || text.slice(at + 1, middle).includes("[")) return { length: 1 };
  const end = near(text, ")", middle + 2);
  const href = end < 0 ? undefined : safeHref(text.slice(middle + 2, end));
  if (href === undefined) return { length: 1 };
  const inside = parseInline(text.slice(at + 1, middle), mentions, depths).filter((node) => node.t !== "link");
  if (inside.length === 0) return { length: 1 };
  return { length: end + 1 - at, node: { t: "link", href, c: inside } };
}

/** Bold, italic and struck text: the marks hug their words, and _ stands at the edges of words. */
function mark(text: string, at: number, mentions: readonly MentionName[], depth: number): Hit {
  const found = marks.find((m) => text.startsWith(m.mark, at));
  const sign = text[at] ?? "";
  let run = 1;
  while (text[at + run] === sign) run++;
  if (found === undefined || run > 3 || depth >= depths) return { length: run };
  const n = found.mark.length;
  const first = text[at + n];
  const before = text[at - 1];
  if (first === undefined || /\s/.test(first) || (sign === "_" && before !== undefined && wordy.test(before))) {
    return { length: run };
  }
  const end = closing(text, found.mark, at + n);
  if (end < 0) return { length: run };
  return {
    length: end + n - at,
    node: { t: found.t, c: parseInline(text.slice(at + n, end), mentions, depth + 1) },
  };
}

function closing(text: string, sign: string, from: number): number {
  const c = sign[0] ?? "";
  const near = text.slice(from, from + reach);
  let left = tries;
  for (let end = near.indexOf(sign, 1); end >= 0 && left-- > 0; end = near.indexOf(sign, end + 1)) {
    let run = 0;
    while (near[end + run] === c) run++;
    const after = text[from + end + run];
    const fits = run === sign.length || run === 3;
    const hugs = !/\s/.test(near[end - 1] ?? " ");
    const edge = c !== "_" || after === undefined || !wordy.test(after);
    if (fits && hugs && edge) return from + (run === 3 ? end + (3 - sign.length) : end);
    end += run - 1;
  }
  return -1;
}

function near(text: string, what: string, from: number): number {
  const found = text.slice(from, from + reach).indexOf(what);
  return found < 0 ? -1 : from + found;
}
