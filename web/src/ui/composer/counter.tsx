import { t } from "../../i18n/index";
import { limits } from "../../state/me";

/** Shown from nine tenths of the limit on. */
const from = 0.9;

/** How many characters are left, once it matters. */
export function Counter({ text }: { text: string }) {
  const most = limits.value.body_chars;
  if (text.length < most * from) return null;
  const left = most - Array.from(text).length;
  return (
    <span class={left < 0 ? "counter over num" : "counter num"} role="status" title={left < 0 ? t("charsOver", -left) : t("charsLeft", left)}>
      {left.toLocaleString()}
    </span>
  );
}
