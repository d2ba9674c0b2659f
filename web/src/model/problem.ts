import { object, opt, record, text, type Check } from "./check";
import type { Problem, Reason } from "./types";

export const readReason: Check<Reason> = object({ code: text, args: opt(record(text)), text: opt(text) });

/** What a command is rejected with: the server's code, or `offline`, `timeout`, `aborted` or `bad_answer` of ours. */
export class Refused extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(`${problem.code}: ${problem.message}`);
    this.name = "Refused";
    this.problem = problem;
  }
}

/** The problem behind anything thrown; a fault of our own becomes `internal`. */
export function problemOf(err: unknown): Problem {
  if (err instanceof Refused) return err.problem;
  return { code: "internal", message: err instanceof Error ? err.message : "unknown", retry: false };
}
