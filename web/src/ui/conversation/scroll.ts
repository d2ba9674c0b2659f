import { useCallback, useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { RefObject } from "preact";
import { isStill } from "../shell/layout";
import { nearEnd, placeOf, scrollFor, type Place, type RowBox } from "./anchor";

export interface ScrollOptions {
  /** Changes when the list is another one altogether. */
  readonly list: string;
  /** Changes whenever rows may have changed. */
  readonly rows: unknown;
  /** Whether the last row is the newest there is. */
  readonly newest: boolean;
  /** The last row if it is one's own: when one is added, the view follows. */
  readonly lastOwn: string | undefined;
  readonly onScroll: (view: { readonly top: number; readonly below: number; readonly lastKey: string | undefined }) => void;
}

export interface Scroll {
  readonly scroller: RefObject<HTMLDivElement>;
  readonly content: RefObject<HTMLDivElement>;
  readonly atEnd: boolean;
  readonly toEnd: () => void;
  readonly toKey: (key: string) => boolean;
}

/** All rows with their edges, in document coordinates of the scroller. */
function boxes(scroller: HTMLElement): RowBox[] {
  const base = scroller.getBoundingClientRect().top - scroller.scrollTop;
  return Array.from(scroller.querySelectorAll<HTMLElement>("[data-key]"), (el) => {
    const box = el.getBoundingClientRect();
    return { key: el.dataset.key ?? "", top: box.top - base, bottom: box.bottom - base };
  });
}

/** Goes to where reading had stopped, or to the end. True if there is such a line. */
function toLine(el: HTMLElement): boolean {
  const line = el.querySelector<HTMLElement>("[data-new]");
  el.scrollTop = line === null ? el.scrollHeight : Math.min(line.offsetTop - el.clientHeight / 4, el.scrollHeight);
  return line !== null;
}

/**
 * Keeps what the reader sees where it is while rows come and go at both ends,
 * grow, fold or load: the first visible row stays put, or the end does. Does
 * what scroll anchoring does in some browsers, in all of them.
 */
export function useScroll({ list, rows, newest, lastOwn, onScroll }: ScrollOptions): Scroll {
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const place = useRef<Place | null>(null);
  const own = useRef(lastOwn);
  const isNewest = useRef(newest);
  isNewest.current = newest;
  /** Whether the reader has not moved since the list was opened, and where the opening put the view. */
  const opened = useRef({ line: false, top: 0 });
  const report = useRef(onScroll);
  report.current = onScroll;
  const [atEnd, setAtEnd] = useState(true);

  const note = useCallback((): void => {
    const el = scroller.current;
    if (el === null || el.clientHeight === 0) return;
    const all = boxes(el);
    place.current = placeOf(all, el.scrollTop, el.clientHeight, el.scrollHeight, isNewest.current);
    const below = el.scrollHeight - el.scrollTop - el.clientHeight;
    setAtEnd(below <= nearEnd);
    const seen = all.findLast((row) => row.top < el.scrollTop + el.clientHeight - 8);
    report.current({ top: el.scrollTop, below, lastKey: seen?.key });
  }, []);

  const keep = useCallback((): void => {
    const el = scroller.current;
    if (el === null || place.current === null || el.clientHeight === 0) return;
    const to = scrollFor(place.current, place.current.at === "end" ? [] : boxes(el), el.clientHeight, el.scrollHeight);
    if (to !== undefined && Math.abs(to - el.scrollTop) >= 1) el.scrollTop = to;
  }, []);

  useLayoutEffect(() => {
    if (scroller.current === null) return;
    opened.current = { line: toLine(scroller.current), top: scroller.current.scrollTop };
    own.current = lastOwn;
    note();
  }, [list]);

  useLayoutEffect(() => {
    if (lastOwn !== undefined && lastOwn !== own.current) place.current = { at: "end" };
    own.current = lastOwn;
    const el = scroller.current;
    // What was kept here ended before the unread ones: when they come, the reader starts at the first of them.
    if (el !== null && !opened.current.line && Math.abs(el.scrollTop - opened.current.top) < 4 && el.querySelector("[data-new]") !== null) {
      opened.current = { line: toLine(el), top: el.scrollTop };
    } else {
      const still = el !== null && el.scrollTop === opened.current.top;
      keep();
      if (still && el !== null) opened.current.top = el.scrollTop;
    }
    note();
  }, [rows]);

  useEffect(() => {
    const el = scroller.current;
    if (el === null || content.current === null) return undefined;
    const watch = new ResizeObserver(keep);
    watch.observe(el);
    watch.observe(content.current);
    let asked = 0;
    const scrolled = (): void => {
      asked ||= requestAnimationFrame(() => {
        asked = 0;
        note();
      });
    };
    el.addEventListener("scroll", scrolled, { passive: true });
    document.addEventListener("visibilitychange", scrolled);
    return () => {
      document.removeEventListener("visibilitychange", scrolled);
      watch.disconnect();
      cancelAnimationFrame(asked);
      el.removeEventListener("scroll", scrolled);
    };
  }, [list]);

  const toEnd = useCallback((): void => {
    const el = scroller.current;
    if (el === null) return;
    place.current = { at: "end" };
    const far = el.scrollHeight - el.scrollTop > el.clientHeight * 4;
    el.scrollTo({ top: el.scrollHeight, behavior: isStill() || far ? "instant" : "smooth" });
  }, []);

  const toKey = useCallback((key: string): boolean => {
    const el = scroller.current;
    const row = el?.querySelector<HTMLElement>(`[data-key="${CSS.escape(key)}"]`);
    if (el === null || row === null || row === undefined) return false;
    const box = row.getBoundingClientRect();
    const room = Math.max(0, (el.clientHeight - box.height) / 2);
    el.scrollTop += box.top - el.getBoundingClientRect().top - Math.min(room, el.clientHeight / 3);
    note();
    row.classList.remove("flash");
    void row.offsetWidth;
    row.classList.add("flash");
    return true;
  }, []);

  return { scroller, content, atEnd, toEnd, toKey };
}
