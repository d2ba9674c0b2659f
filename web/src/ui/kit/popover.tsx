import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

/** Where a floating thing hangs: an element, or a point. */
export type Anchor = Element | { readonly x: number; readonly y: number };

export interface PopoverProps {
  readonly anchor: Anchor;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
  readonly label: string;
  readonly role?: "dialog" | "menu" | "listbox";
  readonly align?: "start" | "end";
  readonly above?: boolean;
}

const margin = 8;

/** A floating box in the browser's top layer; Esc and a press elsewhere close it. */
export function Popover({ anchor, onClose, children, label, role = "dialog", align = "start", above = false }: PopoverProps) {
  const el = useRef<HTMLDivElement>(null);
  const close = useRef(onClose);
  close.current = onClose;
  useLayoutEffect(() => {
    const box = el.current;
    if (box === null) return;
    const before = document.activeElement;
    box.showPopover();
    const put = (): void => place(box, anchor, align, above);
    put();
    const watch = new ResizeObserver(put);
    watch.observe(box);
    window.addEventListener("resize", put);
    const toggled = (e: Event): void => {
      if ((e as ToggleEvent).newState === "closed") close.current();
    };
    box.addEventListener("toggle", toggled);
    return () => {
      const inside = box.contains(document.activeElement) || document.activeElement === document.body;
      box.removeEventListener("toggle", toggled);
      watch.disconnect();
      window.removeEventListener("resize", put);
      if (inside && before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, [anchor, align, above]);
  return (
    <div ref={el} class="popover" popover="auto" role={role} aria-label={label}>
      {children}
    </div>
  );
}

function place(box: HTMLElement, anchor: Anchor, align: "start" | "end", above: boolean): void {
  const at = anchor instanceof Element ? anchor.getBoundingClientRect() : new DOMRect(anchor.x, anchor.y, 0, 0);
  const { offsetWidth: w, offsetHeight: h } = box;
  const roomBelow = window.innerHeight - at.bottom - margin;
  const roomAbove = at.top - margin;
  const up = above ? roomAbove >= h || roomAbove > roomBelow : roomBelow < h && roomAbove > roomBelow;
  const y = up ? at.top - h - margin / 2 : at.bottom + margin / 2;
  const x = align === "end" ? at.right - w : at.left;
  box.style.top = `${Math.round(clamp(y, margin, window.innerHeight - h - margin))}px`;
  box.style.left = `${Math.round(clamp(x, margin, window.innerWidth - w - margin))}px`;
}

function clamp(n: number, low: number, high: number): number {
  return Math.max(low, Math.min(n, Math.max(low, high)));
}
