import { computed, signal } from "@preact/signals";

/** wide: three panes; middle: two, the side pane slides over; narrow: one. */
export type Layout = "wide" | "middle" | "narrow";

const width = signal(typeof window === "undefined" ? 1440 : window.innerWidth);

const layout = computed<Layout>(() => (width.value >= 1100 ? "wide" : width.value >= 720 ? "middle" : "narrow"));

/** The layout of the moment; components that ask follow a change. */
export function layoutOf(): Layout {
  return layout.value;
}

/**
 * Follows the window. Where a keyboard covers the page rather than shrinking
 * it, the page takes the height that stays visible. Returns the way to stop.
 */
export function watchLayout(): () => void {
  const view = window.visualViewport;
  const root = document.documentElement;
  const changed = (): void => {
    width.value = window.innerWidth;
    const covered = view === null ? 0 : window.innerHeight - view.height * view.scale;
    if (view !== null && covered > 80 && view.scale === 1) {
      root.style.setProperty("--view-h", `${view.height}px`);
      window.scrollTo(0, 0);
    } else {
      root.style.removeProperty("--view-h");
    }
  };
  changed();
  window.addEventListener("resize", changed);
  view?.addEventListener("resize", changed);
  return () => {
    window.removeEventListener("resize", changed);
    view?.removeEventListener("resize", changed);
  };
}

/** Whether the pointer is a finger: actions come by long press, and Enter breaks lines on touch keyboards. */
export function isTouch(): boolean {
  return typeof matchMedia === "function" && matchMedia("(pointer: coarse)").matches;
}

/** Whether movement is unwelcome. */
export function isStill(): boolean {
  return typeof matchMedia === "function" && matchMedia("(prefers-reduced-motion: reduce)").matches;
}

/** Whether this is an Apple machine, whose modifier key is ⌘. */
export const isApple = typeof navigator !== "undefined" && /Mac|iPhone|iPad/.test(navigator.platform);
