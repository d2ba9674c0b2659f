import { signal } from "@preact/signals";

const key = "gori.emoji";
const kept = 18;
const usual = ["👍", "❤️", "😂", "😮", "😢", "🙏"] as const;

function load(): readonly string[] {
  try {
    const value: unknown = JSON.parse(localStorage.getItem(key) ?? "[]");
    return Array.isArray(value) ? value.filter((one): one is string => typeof one === "string" && one.length <= 16).slice(0, kept) : [];
  } catch {
    return [];
  }
}

const list = signal<readonly string[]>(typeof localStorage === "undefined" ? [] : load());

/** Emoji this browser used last, the newest first. */
export function recent(): readonly string[] {
  return list.value;
}

/** The six offered at once: the usual ones, so that their places do not move. */
export function quick(): readonly string[] {
  return usual;
}

export function used(emoji: string): void {
  list.value = [emoji, ...list.value.filter((other) => other !== emoji)].slice(0, kept);
  try {
    localStorage.setItem(key, JSON.stringify(list.value));
  } catch {
    // Kept until the page is closed.
  }
}
