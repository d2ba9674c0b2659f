import { useEffect } from "preact/hooks";
import "../styles/main.css";
import { authState } from "../state/me";
import { AuthPage } from "./auth/auth-page";
import { JoinPage } from "./auth/join";
import { Later } from "./kit/empty";
import { Mark } from "./kit/mark";
import { Toasts } from "./kit/toast";
import { Asking } from "./kit/ask";
import { t } from "../i18n/index";
import { watchClock } from "./shell/clock";
import { watchLayout } from "./shell/layout";
import { applyPrefs } from "./shell/prefs";
import { route, watchRoute } from "./shell/route";
import { Shell } from "./shell/shell";
import { watchSound } from "./shell/sound";
import { watchTitle } from "./shell/title";
import { Guard } from "./shell/guard";

/** The whole client: who is not in sees the door, who is in sees the conversations. */
export function App() {
  useEffect(() => {
    const stops = [applyPrefs(), watchLayout(), watchRoute(), watchClock(), watchTitle(), watchSound()];
    return () => stops.forEach((stop) => stop());
  }, []);
  return (
    <Guard>
      <Screen />
      <Asking />
      <Toasts />
    </Guard>
  );
}

function Screen() {
  const at = route.value;
  if (authState.value === "starting") return <Starting />;
  if (at.at === "join") return <JoinPage code={at.code} />;
  return authState.value === "out" ? <AuthPage /> : <Shell />;
}

function Starting() {
  return (
    <Later>
      <div class="starting" role="status" aria-label={t("loading")}>
        <Mark size={44} turning />
      </div>
    </Later>
  );
}
