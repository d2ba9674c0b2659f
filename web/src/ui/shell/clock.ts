import { signal } from "@preact/signals";

/** The time, as often as relative times need it: every half minute. */
export const tick = signal(Date.now());

/** Keeps the clock going. Returns the way to stop. */
export function watchClock(): () => void {
  const timer = setInterval(() => {
    tick.value = Date.now();
  }, 30_000);
  return () => clearInterval(timer);
}
