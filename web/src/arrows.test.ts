import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

const SRC = dirname(fileURLToPath(import.meta.url));

/** Who may import whom. main.tsx knows all; tests and their fakes may look anywhere. */
const ALLOWED: Readonly<Record<string, readonly string[]>> = {
  model: [],
  net: ["model"],
  db: ["model"],
  state: ["model"],
  sync: ["model", "net", "db", "state"],
  i18n: ["model"],
  ui: ["model", "state", "sync", "i18n", "styles"],
  worker: ["model", "db", "i18n"],
  dev: ["model", "state", "sync"],
};

function* files(dir: string): Generator<string> {
  for (const e of readdirSync(dir, { withFileTypes: true })) {
    const path = join(dir, e.name);
    if (e.isDirectory()) yield* files(path);
    else if (/\.tsx?$/.test(e.name) && !/\.test\.tsx?$/.test(e.name)) yield path;
  }
}

const folderOf = (path: string): string => relative(SRC, path).split("/")[0] ?? "";

const sources = [...files(SRC)].map((path) => ({ path, name: relative(SRC, path), text: readFileSync(path, "utf8") }));

it("imports follow the arrows", () => {
  const wrong: string[] = [];
  for (const { path, name, text } of sources) {
    const from = folderOf(path);
    const allowed = ALLOWED[from];
    if (!allowed) continue;
    for (const m of text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]*)"/g)) {
      const to = folderOf(normalize(join(dirname(path), m[1] ?? "")));
      if (to !== from && !allowed.includes(to)) wrong.push(`${name} imports ${m[1]}`);
    }
  }
  expect(wrong).toEqual([]);
});

it("views call commands and nothing else of sync, and never write the state", () => {
  const wrong = sources.filter(({ name, text }) =>
    name.startsWith("ui/") && (/sync\/(?!commands")/.test(text) || /\bwrite(Me|Link|Channels|People|Timeline)\b/.test(text)));
  expect(wrong.map((s) => s.name)).toEqual([]);
});

it("the browser's doors are opened in few places", () => {
  const wrong = sources.filter(({ name, text }) =>
    !name.startsWith("net/") && name !== "main.tsx" && name !== "worker/worker.ts" && /\bnew WebSocket\b|(?:await|return|=|window\.|globalThis\.)\s*fetch\(/.test(text)).map((s) => s.name);
  expect(wrong).toEqual([]);
});

it("text is never taken for HTML, and nothing is evaluated", () => {
  const wrong = sources.filter(({ text }) => /innerHTML|outerHTML|insertAdjacentHTML|document\.write\b|\beval\(|new Function\(|dangerouslySet/.test(text));
  expect(wrong.map((s) => s.name)).toEqual([]);
});

it("no any, no default exports, no file beyond 400 lines", () => {
  const wrong: string[] = [];
  for (const { name, text } of sources) {
    if (/:\s*any\b|\bas any\b|<any>/.test(text)) wrong.push(`${name}: any`);
    if (/^export default/m.test(text)) wrong.push(`${name}: default export`);
    if (text.split("\n").length > 400) wrong.push(`${name}: ${text.split("\n").length} lines`);
  }
  expect(wrong).toEqual([]);
});
