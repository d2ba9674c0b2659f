import { effect, signal } from "@preact/signals";
import { chosenLang, lang, setLang } from "../../i18n/index";
import { authState, me } from "../../state/me";
import { speakPush } from "../../sync/commands";

export type Theme = "system" | "light" | "dark";
export type Density = "comfortable" | "compact";

const themeKey = "gori.theme";
const densityKey = "gori.density";
const langKey = "gori.lang";

function read(key: string): string {
  try {
    return localStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}

function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // A browser that keeps nothing still shows the choice until it is closed.
  }
}

const savedTheme = read(themeKey);
export const theme = signal<Theme>(savedTheme === "light" || savedTheme === "dark" ? savedTheme : "system");
export const density = signal<Density>(read(densityKey) === "compact" ? "compact" : "comfortable");

setLang(read(langKey));

/** Chooses the language of this browser. The account's own choice comes with the profile. */
export function chooseLang(tag: string): void {
  setLang(tag);
  write(langKey, chosenLang());
}

/** Puts the choices on the page and keeps them. Returns the way to stop. */
export function applyPrefs(): () => void {
  const stops = [
    effect(() => {
      const root = document.documentElement;
      if (theme.value === "system") delete root.dataset.theme;
      else root.dataset.theme = theme.value;
      write(themeKey, theme.value);
    }),
    effect(() => {
      document.documentElement.dataset.density = density.value;
      write(densityKey, density.value);
    }),
    effect(() => {
      document.documentElement.lang = lang.value;
    }),
    effect(() => {
      if (authState.value === "in") speakPush(lang.value);
    }),
    effect(() => {
      const own = me.value?.lang;
      if (own === "ko" || own === "en") chooseLang(own);
    }),
  ];
  return () => stops.forEach((stop) => stop());
}
