import { useEffect, useRef, useState } from "preact/hooks";
import { problemOf } from "../../model/problem";
import type { Problem } from "../../model/types";
import { admin, type AdminCommands } from "../../sync/commands";

export interface Polled<T> {
  readonly data: T | null;
  /** Why the latest question was not answered; what is shown is older. */
  readonly problem: Problem | null;
  /** Asks at once. */
  readonly again: () => void;
}

/** Asks again and again while the page is in sight, one question at a time. */
export function usePoll<T>(ask: (admin: AdminCommands, signal: AbortSignal) => Promise<T>, everyMs: number): Polled<T> {
  const [data, setData] = useState<T | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const kick = useRef<() => void>(() => undefined);
  useEffect(() => {
    const end = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let asking = false;
    const round = async (): Promise<void> => {
      if (asking || end.signal.aborted || document.visibilityState !== "visible") return;
      asking = true;
      clearTimeout(timer);
      try {
        const answer = await ask(await admin(), end.signal);
        if (end.signal.aborted) return;
        setData(answer);
        setProblem(null);
      } catch (err) {
        if (end.signal.aborted) return;
        setProblem(problemOf(err));
      } finally {
        asking = false;
      }
      timer = setTimeout(() => void round(), everyMs);
    };
    const seen = (): void => void round();
    kick.current = seen;
    document.addEventListener("visibilitychange", seen);
    void round();
    return () => {
      end.abort();
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", seen);
    };
  }, [everyMs]);
  return { data, problem, again: () => kick.current() };
}
