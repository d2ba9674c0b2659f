// Checks of untrusted JSON. A check returns what it was given, or throws BadShape saying where it differs.

export class BadShape extends Error {}

export type Check<T = unknown> = (x: unknown, at: string) => T;

/** What a check lets through. */
export type Checked<C> = C extends Check<infer T> ? T : never;

function bad(at: string, want: string): never {
  throw new BadShape(`${at} is not ${want}`);
}

export const text: Check<string> = (x, at) => (typeof x === "string" ? x : bad(at, "a text"));
export const number: Check<number> = (x, at) => (typeof x === "number" && Number.isFinite(x) ? x : bad(at, "a number"));
export const boolean: Check<boolean> = (x, at) => (typeof x === "boolean" ? x : bad(at, "true or false"));
export const idText: Check<string> = (x, at) => (typeof x === "string" && /^[0-9]{1,19}$/.test(x) ? x : bad(at, "an id"));

export function oneOf(...values: readonly string[]): Check {
  return (x, at) => (typeof x === "string" && values.includes(x) ? x : bad(at, values.join(" or ")));
}

/** An absent field stays absent. */
export function opt<T>(check: Check<T>): Check<T | undefined> {
  return (x, at) => (x === undefined ? x : check(x, at));
}

/** null reads as absent. */
export function nullable(check: Check): Check {
  return (x, at) => (x === null ? undefined : check(x, at));
}

/** null reads as the empty list. */
export function array<T>(check: Check<T>): Check<readonly T[]> {
  return (x, at) => {
    if (x === null) return [];
    if (!Array.isArray(x)) return bad(at, "a list");
    for (let i = 0; i < x.length; i++) x[i] = check(x[i], `${at}[${i}]`);
    return x;
  };
}

/** An object whose values all pass the same check. */
export function record<T>(check: Check<T>): Check<Readonly<Record<string, T>>> {
  return (x, at) => {
    if (typeof x !== "object" || x === null || Array.isArray(x)) return bad(at, "an object");
    for (const [name, value] of Object.entries(x)) check(value, `${at}.${name}`);
    return x as Readonly<Record<string, T>>;
  };
}

type Optional<F> = { [K in keyof F]: undefined extends Checked<F[K]> ? (unknown extends Checked<F[K]> ? never : K) : never }[keyof F];
type Shape<F> = { readonly [K in Exclude<keyof F, Optional<F>>]: Checked<F[K]> } & { readonly [K in Optional<F>]?: Exclude<Checked<F[K]>, undefined> };

export function object<F extends Readonly<Record<string, Check>>>(fields: F): Check<Shape<F>> {
  const list = Object.entries(fields);
  return (x, at) => {
    if (typeof x !== "object" || x === null || Array.isArray(x)) return bad(at, "an object");
    const o = x as Record<string, unknown>;
    for (const [name, check] of list) {
      const value = check(o[name], `${at}.${name}`);
      if (value === undefined) delete o[name];
      else o[name] = value;
    }
    return o as Shape<F>;
  };
}
