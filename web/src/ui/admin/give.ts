import { a, because, known } from "../../i18n/admin";
import type { Order } from "../../model/admin";
import { problemOf } from "../../model/problem";
import type { Problem } from "../../model/types";
import { admin } from "../../sync/commands";
import { words } from "../kit/problem";
import { say } from "../kit/toast";

/** Gives an order and says what came of it. */
export async function give(order: Order, done: string): Promise<boolean> {
  try {
    await (await admin()).order(order);
    say(done);
    return true;
  } catch (err) {
    const problem = problemOf(err);
    say(told(problem), true);
    return false;
  }
}

/** What a refused order means. Where there are no words for it, what the server says is added, in English. */
export function told(problem: Problem): string {
  if (known(problem.reason)) return because(problem.reason);
  if (problem.code === "no_instance") return a("addressNeeded");
  return problem.code === "conflict" || problem.code === "bad_request" ? `${a("conflict")} (${problem.message})` : words(problem);
}
