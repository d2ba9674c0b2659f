import { Bell, BellOff, BellRing } from "lucide-preact";
import { useEffect, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { problemOf } from "../../model/problem";
import type { Problem } from "../../model/types";
import { disablePush, enablePush, pushView, type PushHere, type PushView } from "../../sync/commands";
import { Button } from "../kit/button";
import { Empty, Skeleton } from "../kit/empty";
import { Icon } from "../kit/icon";
import { words } from "../kit/problem";
import { say } from "../kit/toast";
import { PushDevices } from "./push-devices";
import { QuietSettings } from "./quiet";
import { SoundSettings } from "./sounds";

/** How new messages reach the person: on this device, on the others, by sound. */
export function NotificationSettings() {
  const [view, setView] = useState<PushView | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const load = (): void => {
    setProblem(null);
    pushView().then(setView, (err: unknown) => setProblem(problemOf(err)));
  };
  useEffect(load, []);
  // The person may have been to the browser's settings meanwhile.
  useEffect(() => {
    const back = (): void => void (document.visibilityState === "visible" && load());
    document.addEventListener("visibilitychange", back);
    return () => document.removeEventListener("visibilitychange", back);
  }, []);
  if (problem !== null && view === null) {
    return (
      <Empty title={words(problem)}>
        <Button onClick={load}>{t("retry")}</Button>
      </Empty>
    );
  }
  if (view === null) return <Skeleton rows={3} kind="person" />;
  return (
    <div class="form wide">
      <Here here={view.here} changed={load} />
      <PushDevices devices={view.devices} own={view.here.device} changed={load} />
      <QuietSettings settings={view.settings} />
      <SoundSettings />
      <p class="meta">{t("alertsPerChannel")}</p>
    </div>
  );
}

/** Whether this browser is told, and what stands in the way if it cannot be. */
function Here({ here, changed }: { here: PushHere; changed: () => void }) {
  const [busy, setBusy] = useState(false);
  const run = async (what: Promise<unknown>): Promise<void> => {
    setBusy(true);
    try {
      await what;
    } catch (err) {
      say(words(problemOf(err)), true);
    }
    setBusy(false);
    changed();
  };
  const state = stateOf(here);
  const [title, text] = told[state];
  return (
    <section class="push-here" aria-label={t("pushHere")}>
      <span class={state === "on" ? "push-bell on" : "push-bell"}>
        <Icon of={state === "on" ? BellRing : state === "off" ? Bell : BellOff} size={22} />
      </span>
      <div class="grow">
        <h3>{t(title)}</h3>
        <p class="meta">{t(text)}</p>
      </div>
      {state === "off" && (
        <Button tone="accent" busy={busy} onClick={() => void run(enablePush())}>
          {t("pushTurnOn")}
        </Button>
      )}
      {state === "on" && (
        <Button busy={busy} onClick={() => void run(disablePush())}>
          {t("pushTurnOff")}
        </Button>
      )}
    </section>
  );
}

const told = {
  on: ["pushOn", "pushOnText"],
  off: ["pushOff", "pushOffText"],
  denied: ["pushDenied", "pushDeniedText"],
  install: ["pushInstall", "pushInstallText"],
  insecure: ["pushInsecure", "pushInsecureText"],
  none: ["pushNone", "pushNoneText"],
} as const;

function stateOf(here: PushHere): keyof typeof told {
  if (here.support !== "ok") return here.support;
  if (here.permission === "denied") return "denied";
  return here.device !== null && here.permission === "granted" ? "on" : "off";
}
