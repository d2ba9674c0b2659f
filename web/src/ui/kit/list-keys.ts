import { useEffect, useState } from "preact/hooks";

export interface ListKeys {
  readonly at: number;
  readonly setAt: (i: number) => void;
  readonly onKeyDown: (e: KeyboardEvent) => void;
}

/**
 * Arrow keys and Enter for a list under an input. While an input method
 * composes, the keys are its own. A new question starts at the top.
 */
export function useListKeys(length: number, onPick: (i: number) => void, question: string): ListKeys {
  const [at, setAt] = useState(0);
  useEffect(() => setAt(0), [question]);
  const now = Math.min(at, Math.max(0, length - 1));
  return {
    at: now,
    setAt,
    onKeyDown: (e) => {
      if (e.isComposing || length === 0) return;
      if (e.key === "ArrowDown" || e.key === "ArrowUp") {
        e.preventDefault();
        setAt((now + (e.key === "ArrowDown" ? 1 : length - 1)) % length);
      } else if (e.key === "Enter") {
        e.preventDefault();
        onPick(now);
      }
    },
  };
}
