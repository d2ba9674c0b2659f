import type { LucideIcon } from "lucide-preact";
import { useEffect, useRef } from "preact/hooks";
import { Dialog } from "./dialog";
import { Icon } from "./icon";
import { Popover, type Anchor } from "./popover";
import { layoutOf } from "../shell/layout";

export interface MenuItem {
  readonly label: string;
  readonly icon: LucideIcon;
  readonly onPick: () => void;
  readonly danger?: boolean;
  readonly hint?: string;
  readonly checked?: boolean;
}

export interface MenuProps {
  readonly anchor: Anchor;
  readonly label: string;
  readonly items: readonly MenuItem[];
  readonly onClose: () => void;
  readonly align?: "start" | "end";
}

/** A menu beside its anchor; on phones a sheet from the bottom. */
export function Menu({ anchor, label, items, onClose, align = "end" }: MenuProps) {
  if (layoutOf() === "narrow") {
    return (
      <Dialog kind="sheet" bare title={label} onClose={onClose}>
        <MenuList items={items} onClose={onClose} label={label} />
      </Dialog>
    );
  }
  return (
    <Popover anchor={anchor} onClose={onClose} label={label} align={align}>
      <MenuList items={items} onClose={onClose} label={label} />
    </Popover>
  );
}

function MenuList({ items, onClose, label }: { items: readonly MenuItem[]; onClose: () => void; label: string }) {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    list.current?.querySelector<HTMLElement>("button")?.focus({ preventScroll: true });
  }, []);
  const onKeyDown = (e: KeyboardEvent): void => {
    const all = Array.from(list.current?.querySelectorAll<HTMLElement>("button") ?? []);
    const i = all.indexOf(document.activeElement as HTMLElement);
    const to = { ArrowDown: i + 1, ArrowUp: i - 1, Home: 0, End: all.length - 1 }[e.key];
    if (to === undefined) {
      if (e.key === "Tab") onClose();
      return;
    }
    e.preventDefault();
    all[(to + all.length) % all.length]?.focus();
  };
  return (
    <div ref={list} class="menu" role="menu" aria-label={label} onKeyDown={onKeyDown}>
      {items.map((item) => (
        <button
          key={item.label}
          type="button"
          tabIndex={-1}
          role={item.checked === undefined ? "menuitem" : "menuitemradio"}
          {...(item.checked === undefined ? {} : { "aria-checked": item.checked })}
          class={item.danger === true ? "menu-item danger" : "menu-item"}
          onClick={() => {
            onClose();
            item.onPick();
          }}
        >
          <Icon of={item.icon} />
          <span class="grow">{item.label}</span>
          {item.hint !== undefined && <kbd>{item.hint}</kbd>}
        </button>
      ))}
    </div>
  );
}
