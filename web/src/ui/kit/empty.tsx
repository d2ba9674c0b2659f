import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { Mark } from "./mark";

/** Nothing here yet, or something went wrong: what it is, what is safe, what to do. */
export function Empty({ title, text, children }: { title: string; text?: ComponentChildren | undefined; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <Mark size={40} />
      <h2>{title}</h2>
      {text !== undefined && <p>{text}</p>}
      {children !== undefined && <div class="empty-actions">{children}</div>}
    </div>
  );
}

/** Shows its children only after 150 ms: what comes sooner needs no skeleton. */
export function Later({ children, after = 150 }: { children: ComponentChildren; after?: number }) {
  const [shown, show] = useState(after === 0);
  useEffect(() => {
    const timer = setTimeout(() => show(true), after);
    return () => clearTimeout(timer);
  }, [after]);
  return shown ? <>{children}</> : null;
}

/** Rows in the shape of what is coming. */
export function Skeleton({ rows, kind }: { rows: number; kind: "channel" | "message" | "person" }) {
  return (
    <Later>
      <div class={`skeleton ${kind}`} role="status" aria-label={t("loading")}>
        {Array.from({ length: rows }, (_, i) => (
          <div key={i} class={`bone-row bone-${i % 5}`}>
            <span class="bone face" />
            <span class="bone-lines">
              <span class="bone" />
              <span class="bone" />
            </span>
          </div>
        ))}
      </div>
    </Later>
  );
}
