import { josa } from "es-hangul";

type Pair = Parameters<typeof josa>[1];

/** How digits are read at the end of a word: 영, 일, 이 … */
const digits = ["영", "일", "이", "삼", "사", "오", "육", "칠", "팔", "구"] as const;

/**
 * A syllable that ends as the word sounds, so that particles of names in
 * other scripts are right too: "Sam이", "Mina가", "3이", "2가".
 */
function sound(word: string): string | undefined {
  const last = Array.from(word.replace(/[\s"'”’)\]}.!?…]+$/u, "")).pop();
  if (last === undefined) return undefined;
  if (last >= "가" && last <= "힣") return last;
  if (/[0-9]/.test(last)) return digits[Number(last)];
  if (/[lL]/.test(last)) return "을";
  if (/[mnMN]/.test(last)) return "은";
  if (/[a-zA-Z]/.test(last)) return "아";
  return undefined;
}

/** The word with its particle: withJosa("민수", "이/가") is "민수가". */
export function withJosa(word: string, pair: Pair): string {
  const as = sound(word);
  if (as === undefined) {
    const [first, second] = pair.split("/");
    return `${word}${second ?? ""}(${first ?? ""})`;
  }
  return word + josa(as, pair).slice(as.length);
}
