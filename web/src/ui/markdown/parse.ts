import type { Block, Inline, MentionName } from "./ast";
import { parseInline } from "./inline";

const quoteDepth = 3;

interface Reader {
  readonly lines: readonly string[];
  readonly mentions: readonly MentionName[];
  readonly depth: number;
  at: number;
}

/** Reads a message's light Markdown. Whatever is no mark stays the text it is; line breaks stay. */
export function parse(text: string, mentions: readonly MentionName[] = [], depth = 0): readonly Block[] {
  const reader: Reader = { lines: text.replace(/\r\n?/g, "\n").split("\n"), mentions, depth, at: 0 };
  const out: Block[] = [];
  while (reader.at < reader.lines.length) {
    const block = fence(reader) ?? quote(reader) ?? list(reader) ?? heading(reader) ?? paragraph(reader);
    if (block !== undefined) out.push(block);
  }
  return out;
}

function here(reader: Reader): string {
  return reader.lines[reader.at] ?? "";
}

function fence(reader: Reader): Block | undefined {
  const open = /^ {0,3}(`{3,}|~{3,})\s*([^\s`]*)[^`]*$/.exec(here(reader));
  if (open === null) return undefined;
  const sign = open[1] ?? "```";
  const body: string[] = [];
  reader.at++;
  while (reader.at < reader.lines.length) {
    const line = here(reader);
    reader.at++;
    if (line.trim().startsWith(sign) && line.trim().replace(/[`~]/g, "") === "") break;
    body.push(line);
  }
  return { t: "code", lang: (open[2] ?? "").slice(0, 24), s: body.join("\n") };
}

function quote(reader: Reader): Block | undefined {
  if (reader.depth >= quoteDepth || !/^ {0,3}>/.test(here(reader))) return undefined;
  const body: string[] = [];
  while (reader.at < reader.lines.length && /^ {0,3}>/.test(here(reader))) {
    body.push(here(reader).replace(/^ {0,3}> ?/, ""));
    reader.at++;
  }
  return { t: "quote", c: parse(body.join("\n"), reader.mentions, reader.depth + 1) };
}

const bullet = /^ {0,3}[-*•] +(?=\S)/;
const number = /^ {0,3}(\d{1,9})[.)] +(?=\S)/;

function list(reader: Reader): Block | undefined {
  const ordered = number.exec(here(reader));
  const sign = ordered !== null ? number : bullet;
  if (!sign.test(here(reader))) return undefined;
  const items: (readonly Inline[])[] = [];
  while (reader.at < reader.lines.length && sign.test(here(reader))) {
    let item = here(reader).replace(sign, "");
    reader.at++;
    while (/^ {2,}\S/.test(here(reader)) && !bullet.test(here(reader)) && !number.test(here(reader))) {
      item += "\n" + here(reader).trim();
      reader.at++;
    }
    items.push(parseInline(item, reader.mentions));
  }
  return { t: "list", ordered: ordered !== null, start: Number(ordered?.[1] ?? 1), items };
}

function heading(reader: Reader): Block | undefined {
  const found = /^#{1,3} +(.+)$/.exec(here(reader));
  if (found === null) return undefined;
  reader.at++;
  return { t: "heading", c: parseInline(found[1] ?? "", reader.mentions) };
}

function starts(line: string, depth: number): boolean {
  return (
    /^ {0,3}(`{3,}|~{3,})\s*[^\s`]*[^`]*$/.test(line) ||
    (depth < quoteDepth && /^ {0,3}>/.test(line)) ||
    bullet.test(line) ||
    number.test(line) ||
    /^#{1,3} +./.test(line)
  );
}

function paragraph(reader: Reader): Block | undefined {
  const body: string[] = [];
  while (reader.at < reader.lines.length && (body.length === 0 || !starts(here(reader), reader.depth))) {
    const line = here(reader);
    reader.at++;
    if (line.trim() === "") {
      if (body.length > 0) break;
      continue;
    }
    body.push(line);
  }
  const text = body.join("\n").replace(/^\s*\n|\s+$/g, "");
  return text === "" ? undefined : { t: "p", c: parseInline(text, reader.mentions) };
}
