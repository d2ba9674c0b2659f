import { signal } from "@preact/signals";
import { problemOf } from "../../model/problem";
import { words } from "./problem";

interface Toast {
  readonly id: number;
  readonly text: string;
  readonly bad: boolean;
}

const toasts = signal<readonly Toast[]>([]);
let last = 0;

/** Says something in passing. At most three stand at once, four seconds each. */
export function say(text: string, bad = false): void {
  const id = ++last;
  toasts.value = [...toasts.value.filter((other) => other.text !== text).slice(-2), { id, text, bad }];
  setTimeout(() => {
    toasts.value = toasts.value.filter((other) => other.id !== id);
  }, bad ? 6_000 : 4_000);
}

/** Does something that may be refused, and says so if it is. True if it went well. */
export async function attempt(what: Promise<unknown>, done?: string): Promise<boolean> {
  try {
    await what;
    if (done !== undefined) say(done);
    return true;
  } catch (err) {
    say(words(problemOf(err)), true);
    return false;
  }
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map((toast) => (
        <p key={toast.id} class={toast.bad ? "toast bad" : "toast"}>
          {toast.text}
        </p>
      ))}
    </div>
  );
}
