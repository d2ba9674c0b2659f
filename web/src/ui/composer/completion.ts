import { findEmoji } from "../emoji/data";
import { fits } from "../channels/search";
import type { User } from "../../model/types";
import { everyone } from "./mentions";

/** What is being completed at the caret: a name after @ or an emoji after a colon. */
export interface Asked {
  readonly kind: "mention" | "emoji";
  readonly query: string;
  /** Where the sign stands. */
  readonly from: number;
  readonly to: number;
}

export interface Offer {
  readonly key: string;
  /** What takes the place of the sign and the letters after it. */
  readonly insert: string;
  readonly label: string;
  readonly hint: string;
  readonly user?: User;
  readonly emoji?: string;
}

const most = 6;

/** Reads what stands before the caret; the same while an input method composes. */
export function askedAt(text: string, caret: number): Asked | undefined {
  const start = Math.max(0, caret - 40);
  const before = text.slice(start, caret);
  const mention = /(?:^|[\s([{'"“‘,.])@([\p{L}\p{N}._-]{0,32})$/u.exec(before);
  if (mention !== null) {
    const query = mention[1] ?? "";
    return { kind: "mention", query, from: caret - query.length - 1, to: caret };
  }
  const emoji = /(?:^|[\s([{])[:：]([\p{L}\p{N}_+-]{1,24})$/u.exec(before);
  if (emoji === null) return undefined;
  const query = emoji[1] ?? "";
  const syllables = /[ㄱ-힣]/.test(query);
  if (!syllables && query.length < 2) return undefined;
  return { kind: "emoji", query, from: caret - query.length - 1, to: caret };
}

/** The best few for what was asked. */
export function offersFor(asked: Asked, users: readonly User[], withAll: boolean, words: { all: string; allHint: string }): readonly Offer[] {
  if (asked.kind === "emoji") {
    return findEmoji(asked.query, most).map((one) => ({
      key: one.char,
      insert: one.char,
      label: one.char,
      hint: `:${one.names[0] ?? ""}`,
      emoji: one.char,
    }));
  }
  const scored = users
    .map((user) => ({ user, score: Math.max(fits(user.display_name, asked.query), fits(user.login_name, asked.query)) }))
    .filter((one) => one.score > 0)
    .sort((a, b) => b.score - a.score);
  const people: Offer[] = scored.slice(0, most).map(({ user }) => ({
    key: user.id,
    insert: `@${user.display_name} `,
    label: user.display_name,
    hint: `@${user.login_name}`,
    user,
  }));
  const all = withAll && [words.all, ...everyone].some((word) => word.startsWith(asked.query.toLowerCase()));
  return all ? [...people.slice(0, most - 1), { key: "*", insert: `@${words.all} `, label: `@${words.all}`, hint: words.allHint }] : people;
}
