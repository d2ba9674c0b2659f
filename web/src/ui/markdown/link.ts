const start = /^https?:\/\//i;
const trailing = /[.,:;!?'"“”‘’…。、)\]}>*_~]$/u;

/**
 * The address if it is one we let people follow: http and https with a host,
 * without hidden user names, control characters or odd schemes.
 */
export function safeHref(raw: string): string | undefined {
  if (raw.length > 2048 || !start.test(raw) || /[\u0000-\u0020\u007f\u00a0\u2028\u2029\\]/.test(raw)) return undefined;
  try {
    const url = new URL(raw);
    if (url.protocol !== "http:" && url.protocol !== "https:") return undefined;
    if (url.hostname === "" || url.username !== "" || url.password !== "") return undefined;
    return url.href;
  } catch {
    return undefined;
  }
}

/**
 * The length of the bare address at the start of text, 0 if there is none.
 * Punctuation at its end belongs to the sentence, a bracket only if it closes
 * one inside; Hangul ends it, as particles glue on: https://a.kr에서.
 */
export function bareLink(text: string): number {
  const found = /^https?:\/\/[^\s<>"'`\u3000\uac00-\ud7a3\u3131-\u318e]+/i.exec(text.slice(0, 2048));
  if (found === null) return 0;
  let url = found[0];
  while (trailing.test(url)) {
    const last = url.slice(-1);
    if (last === ")" && count(url, "(") >= count(url, ")")) break;
    url = url.slice(0, -1);
  }
  return safeHref(url) === undefined ? 0 : url.length;
}

function count(text: string, what: string): number {
  return text.split(what).length - 1;
}
