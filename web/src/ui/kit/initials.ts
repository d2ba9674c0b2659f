const hangul = /[가-힣]/;

function graphemes(text: string): string[] {
  return Array.from(new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(text), (s) => s.segment);
}

/**
 * What stands for a name in a small circle: 김민수 is 민수, 남궁민 is 궁민,
 * Mina Park is MP, 여름 여행 is 여행's first letters 여.
 */
export function initials(name: string, most = 2): string {
  const words = name.trim().split(/\s+/).filter((w) => w !== "");
  const first = words[0];
  if (first === undefined) return "?";
  const letters = graphemes(first);
  if (hangul.test(letters[0] ?? "")) {
    if (most === 1 || words.length > 1) return letters[0] ?? "?";
    return letters.length === 3 ? letters.slice(1).join("") : letters.slice(0, 2).join("");
  }
  const second = words[1] === undefined ? "" : (graphemes(words[1])[0] ?? "");
  const one = letters[0] ?? "?";
  return (most === 1 ? one : one + second).toLocaleUpperCase();
}
