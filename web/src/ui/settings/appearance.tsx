import { chosenLang, lang, t } from "../../i18n/index";
import { authState } from "../../state/me";
import { editProfile } from "../../sync/commands";
import { Segmented } from "../kit/field";
import { attempt } from "../kit/toast";
import { chooseLang, density, theme } from "../shell/prefs";

/** Language, theme and density. */
export function AppearanceSettings() {
  return (
    <div class="form">
      <LanguageChoice />
      <Segmented
        label={t("theme")}
        value={theme.value}
        choices={[
          { value: "system", label: t("themeSystem") },
          { value: "light", label: t("themeLight") },
          { value: "dark", label: t("themeDark") },
        ]}
        onChange={(to) => {
          theme.value = to;
        }}
      />
      <Segmented
        label={t("density")}
        value={density.value}
        choices={[
          { value: "comfortable", label: t("densityComfortable") },
          { value: "compact", label: t("densityCompact") },
        ]}
        onChange={(to) => {
          density.value = to;
        }}
      />
    </div>
  );
}

/** The language of the screen, kept with the account once one is logged in. */
export function LanguageChoice() {
  const now = lang.value;
  const value = chosenLang() === "" ? "" : now;
  return (
    <Segmented
      label={t("language")}
      value={value}
      choices={[
        { value: "", label: t("languageAuto") },
        { value: "ko", label: "한국어" },
        { value: "en", label: "English" },
      ]}
      onChange={(to) => {
        chooseLang(to);
        if (authState.value === "in") void attempt(editProfile({ lang: to }));
      }}
    />
  );
}
