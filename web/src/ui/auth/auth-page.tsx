import { useState } from "preact/hooks";
import { lang, t } from "../../i18n/index";
import { authEnd, serverConfig } from "../../state/me";
import { Mark } from "../kit/mark";
import { chooseLang } from "../shell/prefs";
import { LoginForm } from "./login";
import { SignupForm } from "./signup";

/** The door: log in, or make an account. */
export function AuthPage({ above }: { above?: preact.ComponentChild }) {
  const [chosen, setMaking] = useState<boolean | null>(location.pathname === "/signup" ? true : null);
  const first = serverConfig.value?.founded === false;
  const making = chosen ?? first;
  const end = authEnd.value;
  return (
    <main class="auth">
      <div class="auth-box">
        <div class="auth-mark">
          <Mark size={52} />
          <h1>{t("app")}</h1>
          <p class="meta">{t("tagline")}</p>
        </div>
        {above}
        {end !== null && (
          <p class="notice" role="alert">
            {end === "revoked" ? t("loggedOutElsewhere") : end === "disabled" ? t("accountDisabled") : t("mustUpdate")}
          </p>
        )}
        {first && making && (
          <p class="notice">
            <strong>{t("firstRunTitle")}</strong> {t("firstRunText")}
          </p>
        )}
        {making ? <SignupForm /> : <LoginForm />}
        <p class="auth-other">
          <span>{making ? t("haveAccount") : t("noAccountYet")}</span>{" "}
          <button type="button" class="text-button" onClick={() => setMaking(!making)}>
            {making ? t("logIn") : t("signUp")}
          </button>
        </p>
        <div class="auth-lang" role="group" aria-label={t("agreeLanguage")}>
          <button type="button" class="text-button" lang="ko" aria-pressed={lang.value === "ko"} onClick={() => chooseLang("ko")}>
            한국어
          </button>
          <span aria-hidden="true">·</span>
          <button type="button" class="text-button" lang="en" aria-pressed={lang.value === "en"} onClick={() => chooseLang("en")}>
            English
          </button>
        </div>
      </div>
    </main>
  );
}
