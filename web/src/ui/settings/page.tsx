import { ArrowLeft, Bell, BotMessageSquare, ChevronRight, CircleGauge, KeyRound, LogOut, MonitorSmartphone, Palette, UserRound } from "lucide-preact";
import type { LucideIcon } from "lucide-preact";
import { t } from "../../i18n/index";
import { me } from "../../state/me";
import { waitingCount } from "../../state/timeline";
import { logout } from "../../sync/commands";
import { ask } from "../kit/ask";
import { IconButton } from "../kit/button";
import { Icon } from "../kit/icon";
import { attempt } from "../kit/toast";
import { Avatar } from "../kit/avatar";
import { layoutOf } from "../shell/layout";
import { go, goBack, type SettingsTab } from "../shell/route";
import { AppearanceSettings } from "./appearance";
import { NotificationSettings } from "./notifications";
import { PasswordSettings } from "./password";
import { ProfileSettings } from "./profile";
import { ProgramSettings } from "./programs";
import { SessionSettings } from "./sessions";

/** Settings: on phones a list that leads to pages, elsewhere the list beside the page. */
export function SettingsPage({ tab }: { tab?: SettingsTab | undefined }) {
  const narrow = layoutOf() === "narrow";
  const shown = tab ?? (narrow ? undefined : "profile");
  const title = shown !== undefined && narrow ? tabName(shown) : t("settings");
  return (
    <div class="page settings">
      <header class="page-head">
        {narrow && shown !== undefined && <IconButton icon={ArrowLeft} label={t("back")} onClick={() => goBack({ at: "settings" })} />}
        <h2>{title}</h2>
      </header>
      <div class="page-body settings-body">
        {(!narrow || shown === undefined) && <SettingsMenu shown={shown} />}
        {shown !== undefined && <div class="settings-page">{pageOf(shown)}</div>}
      </div>
    </div>
  );
}

function SettingsMenu({ shown }: { shown: SettingsTab | undefined }) {
  const self = me.value ?? undefined;
  return (
    <nav class="settings-menu" aria-label={t("settings")}>
      <div class="settings-me">
        <Avatar user={self} size="l" />
        <span class="person-lines">
          <strong class="cut">{self?.display_name}</strong>
          <span class="meta cut">@{self?.login_name}</span>
        </span>
      </div>
      <Entry tab="profile" icon={UserRound} shown={shown} />
      <Entry tab="notifications" icon={Bell} shown={shown} />
      <Entry tab="appearance" icon={Palette} shown={shown} />
      <Entry tab="security" icon={KeyRound} shown={shown} />
      <Entry tab="sessions" icon={MonitorSmartphone} shown={shown} />
      <Entry tab="programs" icon={BotMessageSquare} shown={shown} />
      {self?.admin === true && (
        <button type="button" class="settings-entry" onClick={() => go({ at: "admin" })}>
          <Icon of={CircleGauge} />
          <span class="grow">{t("administration")}</span>
          {layoutOf() === "narrow" && <Icon of={ChevronRight} size={18} />}
        </button>
      )}
      <button type="button" class="settings-entry" onClick={() => void leave()}>
        <Icon of={LogOut} />
        <span class="grow">{t("logOut")}</span>
      </button>
    </nav>
  );
}

function Entry({ tab, icon, shown }: { tab: SettingsTab; icon: LucideIcon; shown: SettingsTab | undefined }) {
  const narrow = layoutOf() === "narrow";
  return (
    <button type="button" class="settings-entry" {...(tab === shown ? { "aria-current": "page" as const } : {})} onClick={() => go({ at: "settings", tab }, !narrow)}>
      <Icon of={icon} />
      <span class="grow">{tabName(tab)}</span>
      {narrow && <Icon of={ChevronRight} size={18} />}
    </button>
  );
}

function tabName(tab: SettingsTab): string {
  return t(tab === "notifications" ? "alerts" : tab);
}

function pageOf(tab: SettingsTab) {
  switch (tab) {
    case "profile":
      return <ProfileSettings />;
    case "notifications":
      return <NotificationSettings />;
    case "programs":
      return <ProgramSettings />;
    case "appearance":
      return <AppearanceSettings />;
    case "security":
      return <PasswordSettings />;
    case "sessions":
      return <SessionSettings />;
  }
}

/** Logs out after asking; messages that still wait would be lost, so that is said. */
async function leave(): Promise<void> {
  const waiting = waitingCount.value;
  const yes = await ask({
    title: t("logOutTitle"),
    text: waiting > 0 ? t("logOutWaiting", waiting) : t("logOutText"),
    yes: t("logOut"),
    danger: waiting > 0,
  });
  if (!yes) return;
  if (await attempt(logout())) go({ at: "home" }, true);
}
