import { computed, signal } from "@preact/signals";
import { en, type Catalogue } from "./en";
import { ko } from "./ko";

/** The languages the client speaks. */
export type Lang = "ko" | "en";

const catalogues: Record<Lang, Catalogue> = { ko, en };

/** What the browser asks for; English unless it prefers Korean. */
function browserLang(): Lang {
  const wanted = typeof navigator === "undefined" ? [] : navigator.languages;
  const first = wanted.find((tag) => /^(ko|en)\b/i.test(tag));
  return first !== undefined && /^ko\b/i.test(first) ? "ko" : "en";
}

/** The chosen language; "" means as the browser. */
const chosen = signal<Lang | "">("");

/** The language on the screen. */
export const lang = computed<Lang>(() => (chosen.value === "" ? browserLang() : chosen.value));

/** Chooses the language; anything unknown means as the browser. */
export function setLang(tag: string): void {
  chosen.value = tag === "ko" || tag === "en" ? tag : "";
}

/** The language chosen, "" if none. */
export function chosenLang(): Lang | "" {
  return chosen.value;
}

type Key = keyof Catalogue;
type Args<K extends Key> = Catalogue[K] extends (...args: infer A) => string ? A : [];

/** The words for key in the present language; components that call it follow a change. */
export function t<K extends Key>(key: K, ...args: Args<K>): string {
  return translate(lang.value, key, ...args);
}

/** The words for key in a given language. */
export function translate<K extends Key>(to: Lang, key: K, ...args: Args<K>): string {
  const entry = catalogues[to][key] as string | ((...given: unknown[]) => string);
  return typeof entry === "string" ? entry : entry(...args);
}

export type { Catalogue };
