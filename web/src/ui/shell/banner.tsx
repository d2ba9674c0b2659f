import { CloudOff } from "lucide-preact";
import { useEffect, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { link, notLiveSince } from "../../state/link";
import { authEnd } from "../../state/me";
import { waitingCount } from "../../state/timeline";
import { reconnect } from "../../sync/commands";
import { Button } from "../kit/button";
import { Icon } from "../kit/icon";
import { Mark } from "../kit/mark";

/** How long a loss of connection stays untold: most are over by then. */
const patience = 3_000;

/** Says that messages are not flowing, what that means, and what can be done. */
export function Banner() {
  const shown = useShown();
  if (authEnd.value === "outdated" || link.value.reason === "unsupported") return <UpdateBanner />;
  if (!shown) return null;
  const state = link.value;
  const working = state.state === "connecting" || state.state === "catching-up";
  const title =
    state.state === "catching-up" ? t("bannerCatchingUp") : working && state.reason !== "offline" ? t("bannerConnecting") : t("bannerOffline");
  return (
    <div class="banner" role="status">
      {working ? <Mark size={18} turning /> : <Icon of={CloudOff} size={18} />}
      <p class="grow">
        <strong>{title}</strong> <span>{t("bannerWaiting", waitingCount.value)}</span>
      </p>
      {!working && (
        <Button small onClick={reconnect}>
          {t("bannerRetry")}
        </Button>
      )}
    </div>
  );
}

function UpdateBanner() {
  return (
    <div class="banner" role="status">
      <p class="grow">{t("mustUpdate")}</p>
      <Button small onClick={() => location.reload()}>
        {t("reload")}
      </Button>
    </div>
  );
}

function useShown(): boolean {
  const since = notLiveSince.value;
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (since === 0) return undefined;
    const timer = setTimeout(() => setNow(Date.now()), Math.max(0, since + patience - Date.now()) + 20);
    return () => clearTimeout(timer);
  }, [since]);
  return since !== 0 && now - since >= patience;
}
