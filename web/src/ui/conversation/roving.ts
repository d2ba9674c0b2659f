import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";

interface Roving {
  readonly onKeyDown: (e: KeyboardEvent) => void;
}

/**
 * Arrow keys move between messages; letters do what the message's own keys say
 * (they are handled by the message). Only one message is in the tab order: the
 * one that had the focus last, or the newest.
 */
export function useRoving(scroller: RefObject<HTMLElement>, rows: unknown): Roving {
  const all = (): HTMLElement[] => Array.from(scroller.current?.querySelectorAll<HTMLElement>("[data-key]") ?? []);
  useEffect(() => {
    const list = all();
    const newest = list[list.length - 1];
    const holder = list.find((one) => one.tabIndex === 0);
    if (newest === undefined || (holder !== undefined && holder === document.activeElement)) return;
    if (holder !== undefined) holder.tabIndex = -1;
    newest.tabIndex = 0;
  }, [rows]);
  return {
    onKeyDown: (e) => {
      const target = e.target;
      if (!(target instanceof HTMLElement) || !target.matches("[data-key]")) return;
      const list = all();
      const i = list.indexOf(target);
      const to = { ArrowUp: i - 1, ArrowDown: i + 1, Home: 0, End: list.length - 1 }[e.key];
      if (to === undefined || e.altKey || e.ctrlKey || e.metaKey) return;
      e.preventDefault();
      const next = list[Math.max(0, Math.min(list.length - 1, to))];
      if (next === undefined) return;
      target.tabIndex = -1;
      next.tabIndex = 0;
      next.focus();
    },
  };
}
