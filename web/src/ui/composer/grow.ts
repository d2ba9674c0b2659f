/** How much of the visible height a text may take before it scrolls. */
const share = 0.4;

/** Gives a text area the height of its text, up to 40 % of the screen. */
export function grow(el: HTMLTextAreaElement | null): void {
  if (el === null) return;
  const most = (window.visualViewport?.height ?? window.innerHeight) * share;
  el.style.height = "auto";
  const wanted = el.scrollHeight;
  el.style.height = `${Math.min(wanted, most)}px`;
  el.style.overflowY = wanted > most ? "auto" : "hidden";
}
