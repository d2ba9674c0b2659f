import { useState } from "preact/hooks";
import { lang, t } from "../../i18n/index";
import { problemOf } from "../../model/problem";
import { serverConfig } from "../../state/me";
import { signup } from "../../sync/commands";
import { Button } from "../kit/button";
import { Field } from "../kit/field";
import { words } from "../kit/problem";
import { checkSignup, placeOfProblem, type SignupDraft, type SignupProblems } from "./check";

const blank: SignupDraft = { login_name: "", display_name: "", password: "", invite: "" };

/** A name to log in with, a name to be seen by, a password, and an invite code where one is asked for. */
export function SignupForm() {
  const [draft, setDraft] = useState(blank);
  const [problems, setProblems] = useState<SignupProblems>({});
  const [asked, setAsked] = useState(false);
  const [busy, setBusy] = useState(false);
  const invited = asked || serverConfig.value?.signup === "invite";
  const set = (part: Partial<SignupDraft>): void => {
    setDraft({ ...draft, ...part });
    setProblems({});
  };
  const make = async (): Promise<void> => {
    const found = checkSignup(draft, invited);
    setProblems(found);
    if (Object.keys(found).length > 0) return;
    setBusy(true);
    try {
      await signup({
        login_name: draft.login_name.trim(),
        display_name: draft.display_name.trim(),
        password: draft.password,
        lang: lang.value,
        ...(draft.invite.trim() === "" ? {} : { invite: draft.invite.trim() }),
      });
    } catch (err) {
      const problem = problemOf(err);
      if (problem.code === "invite_needed") setAsked(true);
      setProblems({ [placeOfProblem(problem)]: words(problem) });
      setBusy(false);
    }
  };
  return (
    <form
      class="form"
      noValidate
      onSubmit={(e) => {
        e.preventDefault();
        void make();
      }}
    >
      <Field label={t("displayName")} hint={t("displayNameHint")} value={draft.display_name} onValue={(v) => set({ display_name: v })} problem={problems.display_name} autoComplete="name" maxLength={40} autoFocus />
      <Field label={t("loginName")} hint={t("loginNameHint")} value={draft.login_name} onValue={(v) => set({ login_name: v })} problem={problems.login_name} autoComplete="username" autoCapitalize="none" spellcheck={false} maxLength={32} />
      <Field label={t("password")} type="password" hint={t("passwordHint")} value={draft.password} onValue={(v) => set({ password: v })} problem={problems.password} autoComplete="new-password" />
      {invited && <Field label={t("inviteCode")} hint={t("inviteCodeHint")} value={draft.invite} onValue={(v) => set({ invite: v })} problem={problems.invite} autoCapitalize="none" spellcheck={false} />}
      {problems.form !== undefined && (
        <p class="notice bad" role="alert">
          {problems.form}
        </p>
      )}
      <Button tone="accent" type="submit" wide busy={busy}>
        {t("signUp")}
      </Button>
    </form>
  );
}
