import { t } from "../../i18n/index";
import { Segmented } from "../kit/field";
import { chooseSound, soundOf } from "../shell/sound";

/** The sound of this browser; choosing one lets it be heard. */
export function SoundSettings() {
  return (
    <section class="settings-part">
      <Segmented
        label={t("sound")}
        value={soundOf()}
        choices={[
          { value: "off", label: t("soundOff") },
          { value: "soft", label: t("soundSoft") },
          { value: "bright", label: t("soundBright") },
        ]}
        onChange={chooseSound}
      />
      <p class="meta">{t("soundText")}</p>
    </section>
  );
}
