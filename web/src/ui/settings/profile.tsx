import { useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { me } from "../../state/me";
import { editProfile } from "../../sync/commands";
import { Button } from "../kit/button";
import { Field } from "../kit/field";
import { attempt } from "../kit/toast";
import { PictureSettings } from "./picture";
import { PresenceSettings } from "./presence-to";

/** Name, picture, colour and status line. */
export function ProfileSettings() {
  const self = me.value;
  const [name, setName] = useState(self?.display_name ?? "");
  const [line, setLine] = useState(self?.status_line ?? "");
  const [problem, setProblem] = useState<string | undefined>();
  const [busy, setBusy] = useState(false);
  if (self === null) return null;
  const changed = name.trim() !== self.display_name || line.trim() !== (self.status_line ?? "");
  const save = async (): Promise<void> => {
    if (name.trim() === "") return setProblem(t("errEmpty"));
    setBusy(true);
    await attempt(editProfile({ display_name: name.trim(), status_line: line.trim() }), t("saved"));
    setBusy(false);
  };
  return (
    <form
      class="form"
      onSubmit={(e) => {
        e.preventDefault();
        void save();
      }}
    >
      <PictureSettings self={self} />
      <Field label={t("displayName")} hint={t("displayNameHint")} value={name} onValue={(v) => (setName(v), setProblem(undefined))} problem={problem} maxLength={40} autoComplete="name" />
      <Field label={t("statusLine")} placeholder={t("statusLineHint")} value={line} onValue={setLine} maxLength={120} />
      <div class="form-actions">
        <Button tone="accent" type="submit" busy={busy} disabled={!changed}>
          {t("save")}
        </Button>
      </div>
      <PresenceSettings self={self} />
    </form>
  );
}
