// The words of the admin pages: a catalogue of their own, loaded with them.
import { adminEn, type AdminCatalogue } from "./admin-en";
import { adminKo } from "./admin-ko";
import { lang, type Lang } from "./index";

const catalogues: Record<Lang, AdminCatalogue> = { en: adminEn, ko: adminKo };

type Key = keyof AdminCatalogue;
type Args<K extends Key> = AdminCatalogue[K] extends (...args: infer A) => string ? A : [];

/** The words for key in the present language; components that call it follow a change. */
export function a<K extends Key>(key: K, ...args: Args<K>): string {
  const entry = catalogues[lang.value][key] as string | ((...given: unknown[]) => string);
  return typeof entry === "string" ? entry : entry(...args);
}

/** The word for a step of a move; one that is not known as it came. */
export function step(state: string): string {
  const key = `state_${state}`;
  return Object.hasOwn(adminEn, key) ? a(key as "state_planned") : state;
}
