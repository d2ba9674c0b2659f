import { useId, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { clockOf, minutesOf } from "../../model/push";
import type { PushSettings } from "../../model/types";
import { savePush } from "../../sync/commands";
import { Switch } from "../kit/field";
import { attempt } from "../kit/toast";

/** Ten in the evening to seven in the morning, until somebody says otherwise. */
const usual = { from: 22 * 60, to: 7 * 60 };

/** What notifications show, and when none are sent. Every change is kept at once. */
export function QuietSettings({ settings }: { settings: PushSettings }) {
  const [now, setNow] = useState(settings);
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const quiet = now.quiet_from >= 0 && now.quiet_to >= 0;
  const save = async (change: Partial<PushSettings>): Promise<void> => {
    const before = now;
    const next = { ...now, ...change, zone };
    setNow(next);
    if (!(await attempt(savePush(next)))) setNow(before);
  };
  return (
    <section class="settings-part">
      <h3>{t("pushHow")}</h3>
      <Switch label={<Lines title={t("pushHide")} text={t("pushHideText")} />} on={now.hide_body} onChange={(hide_body) => void save({ hide_body })} />
      <Switch
        label={<Lines title={t("pushQuiet")} text={t("pushQuietText", zone)} />}
        on={quiet}
        onChange={(on) => void save(on ? { quiet_from: usual.from, quiet_to: usual.to } : { quiet_from: -1, quiet_to: -1 })}
      />
      {quiet && (
        <div class="quiet-hours">
          <Clock label={t("pushQuietFrom")} value={now.quiet_from} onChange={(quiet_from) => void save({ quiet_from })} />
          <span aria-hidden="true">–</span>
          <Clock label={t("pushQuietTo")} value={now.quiet_to} onChange={(quiet_to) => void save({ quiet_to })} />
        </div>
      )}
    </section>
  );
}

function Lines({ title, text }: { title: string; text: string }) {
  return (
    <span class="switch-lines">
      <span>{title}</span>
      <span class="meta">{text}</span>
    </span>
  );
}

/** A time of the day. It is taken over when it is complete and the field is left, not with every key. */
function Clock({ label, value, onChange }: { label: string; value: number; onChange: (minutes: number) => void }) {
  const id = useId();
  const take = (text: string): void => {
    const minutes = minutesOf(text);
    if (minutes >= 0 && minutes !== value) onChange(minutes);
  };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      <div class="field-box">
        <input id={id} type="time" class="num" defaultValue={clockOf(value)} onBlur={(e) => take(e.currentTarget.value)} onChange={(e) => take(e.currentTarget.value)} />
      </div>
    </div>
  );
}
