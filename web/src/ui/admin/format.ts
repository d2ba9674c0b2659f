import { lang, type Lang } from "../../i18n/index";

/** Bytes in the decimal units of disks: 1.2 GB. */
export function bytes(n: number, to: Lang = lang.value): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let i = 0;
  let v = Math.max(0, n);
  while (v >= 999.5 && i < units.length - 1) {
    v /= 1000;
    i++;
  }
  return `${v.toLocaleString(to, { maximumFractionDigits: v < 10 && i > 0 ? 1 : 0 })} ${units[i]}`;
}

/** A count as short as it stays telling: 950, 12.3K and 1.2만, 4.5M. */
export function count(n: number, to: Lang = lang.value): string {
  if (Math.abs(n) < 10_000) return Math.round(n).toLocaleString(to);
  return new Intl.NumberFormat(to, { notation: "compact", maximumFractionDigits: 1 }).format(n);
}

export function whole(n: number, to: Lang = lang.value): string {
  return Math.round(n).toLocaleString(to);
}

/** Microseconds as milliseconds: 0.25 ms, 9.2 ms, 12 ms. */
export function millis(us: number, to: Lang = lang.value): string {
  const ms = us / 1000;
  return `${ms.toLocaleString(to, { maximumFractionDigits: ms < 1 ? 2 : ms < 10 ? 1 : 0 })} ms`;
}

export function share(part: number, to: Lang = lang.value): string {
  return part.toLocaleString(to, { style: "percent", minimumFractionDigits: 1, maximumFractionDigits: 1 });
}

export function ratio(x: number, to: Lang = lang.value): string {
  return x.toLocaleString(to, { minimumFractionDigits: 3, maximumFractionDigits: 3 });
}

/** How long something takes, in its two largest units: 2 min 5 s, 1시간 3분. */
export function duration(ms: number, to: Lang = lang.value): string {
  const s = Math.max(0, Math.round(ms / 1000));
  const [h, m, rest] = [Math.floor(s / 3600), Math.floor((s % 3600) / 60), s % 60];
  const unit = to === "ko" ? { h: "시간", m: "분", s: "초", gap: "" } : { h: "h", m: "min", s: "s", gap: " " };
  const say = (v: number, u: string): string => `${v}${unit.gap}${u}`;
  if (h > 0) return m > 0 ? `${say(h, unit.h)} ${say(m, unit.m)}` : say(h, unit.h);
  if (m > 0) return rest > 0 ? `${say(m, unit.m)} ${say(rest, unit.s)}` : say(m, unit.m);
  return say(rest, unit.s);
}
