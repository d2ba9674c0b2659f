import type { LucideIcon } from "lucide-preact";

/** An icon beside words or inside a named control; readers skip it. */
export function Icon({ of: Shape, size = 20 }: { of: LucideIcon; size?: number }) {
  return <Shape size={size} strokeWidth={1.75} aria-hidden="true" focusable="false" />;
}
