const one = /^(?:\p{Regional_Indicator}{2}|\p{Emoji}(?:\ufe0f)?(?:\u20e3)?(?:\p{Emoji_Modifier})?(?:\u200d\p{Emoji}(?:\ufe0f)?(?:\p{Emoji_Modifier})?)*)$/u;

/** Whether a text is one to three emoji and nothing else: it is then shown large. */
export function onlyEmoji(text: string): boolean {
  const bare = text.replace(/\s/g, "");
  if (bare === "" || bare.length > 40 || /^[\d#*]/.test(bare)) return false;
  const parts = Array.from(new Intl.Segmenter(undefined, { granularity: "grapheme" }).segment(bare), (s) => s.segment);
  return parts.length <= 3 && parts.every((part) => one.test(part) && !/^[\d#*©®™]$/.test(part));
}
