import { useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { problemOf } from "../../model/problem";
import { me } from "../../state/me";
import { changePassword } from "../../sync/commands";
import { Button } from "../kit/button";
import { Field } from "../kit/field";
import { words } from "../kit/problem";
import { say } from "../kit/toast";

const least = 8;

/** A new password; every other device is logged out by it. */
export function PasswordSettings() {
  const [old, setOld] = useState("");
  const [next, setNext] = useState("");
  const [wrong, setWrong] = useState<{ readonly old?: string; readonly next?: string }>({});
  const [busy, setBusy] = useState(false);
  const save = async (): Promise<void> => {
    if (old === "") return setWrong({ old: t("errEmpty") });
    if (Array.from(next).length < least) return setWrong({ next: t("errPassword") });
    setBusy(true);
    try {
      await changePassword({ old, new: next });
      say(t("passwordChanged"));
      setOld("");
      setNext("");
    } catch (err) {
      const problem = problemOf(err);
      if (problem.code === "bad_credentials") setWrong({ old: words(problem) });
      else say(words(problem), true);
    }
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
      <input class="sr" type="text" autoComplete="username" value={me.value?.login_name ?? ""} readOnly tabIndex={-1} aria-hidden="true" />
      <Field label={t("oldPassword")} type="password" autoComplete="current-password" value={old} onValue={(v) => (setOld(v), setWrong({}))} problem={wrong.old} />
      <Field label={t("newPassword")} type="password" autoComplete="new-password" value={next} onValue={(v) => (setNext(v), setWrong({}))} hint={t("passwordHint")} problem={wrong.next} />
      <div class="form-actions">
        <Button tone="accent" type="submit" busy={busy}>
          {t("changePassword")}
        </Button>
      </div>
    </form>
  );
}
