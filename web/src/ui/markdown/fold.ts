/** How much of a long message is shown before it folds. */
export const foldLines = 40;
export const foldChars = 3_200;
/** About how many characters fill a line of a bubble. */
const lineChars = 80;

/**
 * The beginning of a long text, cut at a line or a word, never inside a
 * syllable; undefined if the text is short enough to be shown whole.
 */
export function foldOf(body: string): string | undefined {
  let lines = 0;
  let at = 0;
  while (at < body.length && at < foldChars && lines < foldLines) {
    const end = body.indexOf("\n", at);
    const stop = end < 0 ? body.length : end;
    lines += Math.max(1, Math.ceil((stop - at) / lineChars));
    at = stop + 1;
  }
  if (at >= body.length) {
    if (body.length <= foldChars) return undefined;
    at = foldChars;
  }
  const cut = Math.min(at, foldChars);
  // A little more than the limit is not worth a fold.
  if (body.length - cut < foldChars / 8 && lines < foldLines) return undefined;
  return tidy(body, cut);
}

function tidy(body: string, cut: number): string {
  const space = Math.max(body.lastIndexOf("\n", cut), body.lastIndexOf(" ", cut));
  let end = space > cut - 200 && space > 0 ? space : cut;
  const code = body.charCodeAt(end - 1);
  if (code >= 0xd800 && code <= 0xdbff) end--;
  return body.slice(0, end).trimEnd();
}
