import { t } from "../../i18n/index";
import type { Self } from "../../model/types";
import { editProfile } from "../../sync/commands";
import { Segmented } from "../kit/field";
import { attempt } from "../kit/toast";

/** Who may see whether one is here. */
export function PresenceSettings({ self }: { self: Self }) {
  return (
    <section class="settings-part">
      <Segmented
        label={t("presenceTo")}
        value={self.presence_to ?? "everyone"}
        choices={[
          { value: "everyone", label: t("presenceEveryone") },
          { value: "friends", label: t("presenceFriends") },
          { value: "nobody", label: t("presenceNobody") },
        ]}
        onChange={(presence_to) => void attempt(editProfile({ presence_to }))}
      />
      <p class="meta">{t("presenceText")}</p>
    </section>
  );
}
