import { X } from "lucide-preact";
import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef } from "preact/hooks";
import { t } from "../../i18n/index";
import { IconButton } from "./button";

export interface DialogProps {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
  readonly footer?: ComponentChildren;
  /** sheet: from the bottom on phones. top: near the top, for pickers. */
  readonly kind?: "middle" | "sheet" | "top";
  readonly bare?: boolean;
  readonly wide?: boolean;
}

/** A modal dialog: the browser keeps the focus inside, Esc and a click beside close it. */
export function Dialog({ title, onClose, children, footer, kind = "middle", bare = false, wide = false }: DialogProps) {
  const el = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = el.current;
    const before = document.activeElement;
    if (dialog !== null && !dialog.open) dialog.showModal();
    return () => {
      if (before instanceof HTMLElement && before.isConnected) before.focus({ preventScroll: true });
    };
  }, []);
  return (
    <dialog
      ref={el}
      class={`dialog ${kind}${wide ? " wide" : ""}`}
      aria-labelledby={id}
      onCancel={(e) => {
        e.preventDefault();
        onClose();
      }}
      onPointerDown={(e) => {
        if (e.target === el.current) onClose();
      }}
    >
      <div class="dialog-box" {...(kind === "sheet" ? { tabIndex: -1, autofocus: true } : {})}>
        <header class={bare ? "sr" : "dialog-head"}>
          <h2 id={id}>{title}</h2>
          {!bare && <IconButton icon={X} label={t("close")} onClick={onClose} />}
        </header>
        <div class="dialog-body">{children}</div>
        {footer !== undefined && <footer class="dialog-foot">{footer}</footer>}
      </div>
    </dialog>
  );
}
