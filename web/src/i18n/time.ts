import { lang, translate, type Lang } from "./index";

const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

const formats = new Map<string, Intl.DateTimeFormat>();

function format(to: Lang, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = to + JSON.stringify(options);
  let found = formats.get(key);
  if (found === undefined) {
    found = new Intl.DateTimeFormat(to, options);
    formats.set(key, found);
  }
  return found;
}

/** The calendar day of a time, as a number that grows by one a day. */
export function dayOf(at: number): number {
  const d = new Date(at);
  return Math.floor(Date.UTC(d.getFullYear(), d.getMonth(), d.getDate()) / day);
}

/** The clock time: 오후 3:05, 3:05 PM. */
export function clock(at: number, to: Lang = lang.value): string {
  const time = format(to, { hour: "numeric", minute: "2-digit", hour12: true });
  if (to !== "ko") return time.format(at);
  // Some engines write AM and PM in Korean too.
  const half = new Date(at).getHours() < 12 ? "오전" : "오후";
  return time.formatToParts(at).map((part) => (part.type === "dayPeriod" ? half : part.value)).join("");
}

/** The day for a separator: today, yesterday, or the date in full. */
export function dayName(at: number, now = Date.now(), to: Lang = lang.value): string {
  const ago = dayOf(now) - dayOf(at);
  if (ago === 0) return translate(to, "today");
  if (ago === 1) return translate(to, "yesterday");
  const sameYear = new Date(at).getFullYear() === new Date(now).getFullYear();
  return format(to, {
    ...(sameYear ? {} : { year: "numeric" }),
    month: "long",
    day: "numeric",
    weekday: "long",
  }).format(at);
}

/** The short time of a list row: clock today, weekday this week, date before. */
export function shortTime(at: number, now = Date.now(), to: Lang = lang.value): string {
  const ago = dayOf(now) - dayOf(at);
  if (now - at < minute && ago === 0) return translate(to, "now");
  if (ago <= 0) return clock(at, to);
  if (ago === 1) return translate(to, "yesterday");
  if (ago < 7) return format(to, { weekday: to === "ko" ? "long" : "short" }).format(at);
  if (new Date(at).getFullYear() === new Date(now).getFullYear()) {
    return format(to, { month: to === "ko" ? "long" : "short", day: "numeric" }).format(at);
  }
  return format(to, { year: "numeric", month: "numeric", day: "numeric" }).format(at);
}

/** How long ago: 3분 전, 2 days ago; the date beyond four weeks. */
export function ago(at: number, now = Date.now(), to: Lang = lang.value): string {
  const past = Math.max(0, now - at);
  const words = new Intl.RelativeTimeFormat(to, { numeric: "auto" });
  if (past < minute) return translate(to, "justNow");
  if (past < hour) return words.format(-Math.floor(past / minute), "minute");
  if (past < day) return words.format(-Math.floor(past / hour), "hour");
  if (past < 28 * day) return words.format(-Math.floor(past / day), "day");
  return format(to, { year: "numeric", month: "short", day: "numeric" }).format(at);
}

/** A day and a clock time for something to come: 11월 29일 오후 3:30. */
export function until(at: number, to: Lang = lang.value): string {
  return `${format(to, { month: to === "ko" ? "long" : "short", day: "numeric" }).format(at)} ${clock(at, to)}`;
}

/** Date and clock time in full, for titles. */
export function fullTime(at: number, to: Lang = lang.value): string {
  return format(to, { dateStyle: "full", timeStyle: "short" }).format(at);
}
