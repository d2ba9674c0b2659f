import { disassemble, getChoseong } from "es-hangul";

/**
 * How well a name fits what was typed: 0 not at all, greater is better. Knows
 * first consonants (ㅎㄱㄷ finds 홍길동) and a syllable still being typed (홍기 finds 홍길동).
 */
export function fits(name: string, query: string): number {
  const q = fold(query);
  if (q === "") return 1;
  const n = fold(name);
  if (n.startsWith(q)) return 5;
  if (n.includes(q)) return 4;
  if (/^[ㄱ-ㅎ]+$/.test(q)) {
    const first = getChoseong(n).replace(/\s/g, "");
    return first.startsWith(q) ? 3 : first.includes(q) ? 2 : 0;
  }
  if (!/[가-힣]/.test(q)) return 0;
  const letters = disassemble(q);
  const whole = disassemble(n);
  return whole.startsWith(letters) ? 3 : whole.includes(letters) ? 1 : 0;
}

function fold(text: string): string {
  return text.normalize("NFC").toLocaleLowerCase().replace(/\s+/g, "");
}
