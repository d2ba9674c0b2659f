import { useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { problemOf } from "../../model/problem";
import { login } from "../../sync/commands";
import { Button } from "../kit/button";
import { Field } from "../kit/field";
import { words } from "../kit/problem";

/** Name and password. */
export function LoginForm() {
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const enter = async (): Promise<void> => {
    if (name.trim() === "" || password === "") return setProblem(t("errCredentials"));
    setBusy(true);
    setProblem("");
    try {
      await login({ login_name: name.trim(), password });
    } catch (err) {
      setProblem(words(problemOf(err)));
      setBusy(false);
    }
  };
  return (
    <form
      class="form"
      noValidate
      onSubmit={(e) => {
        e.preventDefault();
        void enter();
      }}
    >
      <Field label={t("loginName")} value={name} onValue={setName} autoComplete="username" autoCapitalize="none" spellcheck={false} autoFocus maxLength={32} />
      <Field label={t("password")} type="password" value={password} onValue={setPassword} autoComplete="current-password" />
      {problem !== "" && (
        <p class="notice bad" role="alert">
          {problem}
        </p>
      )}
      <Button tone="accent" type="submit" wide busy={busy}>
        {t("logIn")}
      </Button>
    </form>
  );
}
