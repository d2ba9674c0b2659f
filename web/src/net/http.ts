// The HTTP part of the protocol: one call, typed errors.
import { Refused, readReason } from "../model/problem";
import type { Problem, Reason } from "../model/types";

export interface Request {
  readonly method?: "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
  readonly body?: unknown;
  readonly blob?: Blob;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  /** Gives up after this long; default 15 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

export type Http = <T>(path: string, read: (x: unknown) => T, request?: Request) => Promise<T>;

/** For answers without a body. */
export const nothing = (): void => undefined;

/** Calls under /api/v1 of our own origin. `onUnauthenticated` is told when the login has ended. */
export function makeHttp(fetcher: typeof fetch, onUnauthenticated: () => void): Http {
  return async (path, read, request = {}) => {
    const answer = await call(fetcher, path, request);
    if (answer.status === 204) return read(null);
    const body: unknown = await answer.json().catch(() => null);
    if (answer.ok) {
      try {
        return read(body);
      } catch (err) {
        throw new Refused({ code: "bad_answer", message: String(err), retry: false });
      }
    }
    const problem = problemFrom(answer, body);
    if (problem.code === "unauthenticated") onUnauthenticated();
    throw new Refused(problem);
  };
}

async function call(fetcher: typeof fetch, path: string, r: Request): Promise<Response> {
  const query = Object.entries(r.query ?? {}).filter(([, v]) => v !== undefined);
  const search = query.length > 0 ? `?${new URLSearchParams(query.map(([k, v]) => [k, String(v)]))}` : "";
  const stop = AbortSignal.timeout(r.timeoutMs ?? 15_000);
  const init: RequestInit = {
    method: r.method ?? "GET",
    credentials: "same-origin",
    cache: "no-store",
    signal: r.signal ? AbortSignal.any([r.signal, stop]) : stop,
  };
  if (r.blob) init.body = r.blob;
  else if (r.body !== undefined) {
    init.body = JSON.stringify(r.body);
    init.headers = { "Content-Type": "application/json" };
  }
  try {
    return await fetcher(`/api/v1${path}${search}`, init);
  } catch (err) {
    if (r.signal?.aborted) throw new Refused({ code: "aborted", message: "no longer wanted", retry: false });
    const timeout = err instanceof DOMException && err.name === "TimeoutError";
    throw new Refused({ code: timeout ? "timeout" : "offline", message: timeout ? "no answer in time" : "no connection", retry: true });
  }
}

function problemFrom({ status, headers }: Response, body: unknown): Problem {
  const pause = pauseOf(headers.get("Retry-After"));
  const e = (body as { error?: Partial<Problem> } | null)?.error;
  if (e && typeof e.code === "string") {
    const p: Problem = { code: e.code, message: typeof e.message === "string" ? e.message : "", retry: e.retry === true, ...reasonFrom(e.reason) };
    return typeof e.after_ms === "number" ? { ...p, after_ms: e.after_ms } : { ...p, ...pause };
  }
  // No JSON of ours: a proxy answered, so the node is away.
  const busy = status >= 500 || status === 429;
  return { code: busy ? "overloaded" : "bad_answer", message: `status ${status}`, retry: busy, ...pause };
}

function reasonFrom(reason: unknown): { reason?: Reason } {
  try {
    return reason === undefined ? {} : { reason: readReason(reason, "reason") };
  } catch {
    return {}; // what cannot be read is left to the message
  }
}

/** Retry-After in seconds; its other form, a date, is not used between these parties. */
function pauseOf(header: string | null): { after_ms?: number } {
  const seconds = header !== null && /^[0-9]{1,5}$/.test(header) ? Number(header) : 0;
  return seconds > 0 ? { after_ms: seconds * 1000 } : {};
}
