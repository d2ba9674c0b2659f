// Checks of untrusted JSON. A check returns what it was given, or throws BadShape saying where it differs.

export class BadShape extends Error {}

export type Check = (x: unknown, at: string) => unknown;

function bad(at: string, want: string): never {
  throw new BadShape(`${at} is not ${want}`);
}

export const text: Check = (x, at) => (typeof x === "string" ? x : bad(at, "a text"));
export const number: Check = (x, at) => (typeof x === "number" && Number.isFinite(x) ? x : bad(at, "a number"));
export const boolean: Check = (x, at) => (typeof x === "boolean" ? x : bad(at, "true or false"));
export const idText: Check = (x, at) => (typeof x === "string" && /^[0-9]{1,19}$/.test(x) ? x : bad(at, "an id"));

export function oneOf(...values: readonly string[]): Check {
  return (x, at) => (typeof x === "string" && values.includes(x) ? x : bad(at, values.join(" or ")));
}

/** An absent field stays absent. */
export function opt(check: Check): Check {
  const f: Check = (x, at) => (x === undefined ? x : check(x, at));
  return f;
}

/** null reads as absent. */
export function nullable(check: Check): Check {
  return (x, at) => (x === null ? undefined : check(x, at));
}

/** null reads as the empty list. */
export function array(check: Check): Check {
  return (x, at) => {
    if (x === null) return [];
    if (!Array.isArray(x)) return bad(at, "a list");
    for (let i = 0; i < x.length; i++) x[i] = check(x[i], `${at}[${i}]`);
    return x;
  };
}

export function object(fields: Readonly<Record<string, Check>>): Check {
  const list = Object.entries(fields);
  return (x, at) => {
    if (typeof x !== "object" || x === null || Array.isArray(x)) return bad(at, "an object");
    const o = x as Record<string, unknown>;
    for (const [name, check] of list) {
      const value = check(o[name], `${at}.${name}`);
      if (value === undefined) delete o[name];
      else o[name] = value;
    }
    return o;
  };
}
