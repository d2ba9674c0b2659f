import { ArrowRightLeft, MessageCircle, Plus, Settings, UserPlus, Users } from "lucide-preact";
import { useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { friends } from "../../state/people";
import { badge } from "../../state/alerts";
import { me } from "../../state/me";
import { IconButton } from "../kit/button";
import { Icon } from "../kit/icon";
import { Mark } from "../kit/mark";
import { Menu } from "../kit/menu";
import { isApple, layoutOf } from "../shell/layout";
import { overlay } from "../shell/overlays";
import { go, route } from "../shell/route";
import { ChannelList } from "./list";
import { Avatar } from "../kit/avatar";

/** The pane of conversations; on phones it is the home, and only its tabs stay under other pages. */
export function ChannelPane({ tabsOnly }: { tabsOnly: boolean }) {
  const at = route.value.at;
  if (tabsOnly) return at === "channel" ? null : <Tabs />;
  // Alone on a phone it is the main thing; beside a conversation it leads there.
  const Pane = layoutOf() === "narrow" ? "main" : "nav";
  return (
    <Pane class="channel-pane" aria-label={t("channels")}>
      <Head />
      <button type="button" class="go-to" onClick={() => overlay({ is: "switcher" })}>
        <Icon of={ArrowRightLeft} size={18} />
        <span class="grow cut">{t("switcherTitle")}</span>
        <kbd>{isApple ? "⌘K" : "Ctrl K"}</kbd>
      </button>
      <ChannelList />
      <Tabs />
    </Pane>
  );
}

function Head() {
  const [anchor, setAnchor] = useState<Element | null>(null);
  return (
    <header class="channel-head">
      <span class="wordmark">
        <Mark size={24} />
        <h1>{t("app")}</h1>
      </span>
      <IconButton icon={Plus} label={t("newSomething")} aria-haspopup="menu" onClick={(e) => setAnchor(e.currentTarget)} />
      {anchor !== null && (
        <Menu
          anchor={anchor}
          label={t("newSomething")}
          onClose={() => setAnchor(null)}
          items={[
            { label: t("newDirect"), icon: MessageCircle, onPick: () => overlay({ is: "direct" }) },
            { label: t("newGroup"), icon: Users, onPick: () => overlay({ is: "group" }) },
            { label: t("findPeople"), icon: UserPlus, onPick: () => go({ at: "people" }) },
          ]}
        />
      )}
    </header>
  );
}

function Tabs() {
  const at = route.value.at;
  const asked = [...friends.value.values()].filter((friend) => friend.state === "received").length;
  return (
    <nav class="tabs" aria-label={t("app")}>
      <Tab label={t("channels")} icon={<Icon of={MessageCircle} />} on={at === "home" || at === "channel"} to={() => at !== "channel" && go({ at: "home" })} dot={at !== "home" && at !== "channel" && badge.value.unread > 0} />
      <Tab label={t("people")} icon={<Icon of={Users} />} on={at === "people"} to={() => go({ at: "people" })} dot={asked > 0} />
      <Tab label={t("settings")} icon={me.value === null ? <Icon of={Settings} /> : <Avatar user={me.value} size="xs" />} on={at === "settings"} to={() => go({ at: "settings" })} />
    </nav>
  );
}

interface TabProps {
  readonly label: string;
  readonly icon: preact.ComponentChild;
  readonly on: boolean;
  readonly to: () => void;
  readonly dot?: boolean;
}

function Tab({ label, icon, on, to, dot = false }: TabProps) {
  return (
    <button type="button" class="tab" onClick={to} {...(on ? { "aria-current": "page" as const } : {})}>
      <span class="tab-icon">
        {icon}
        {dot && <span class="dot corner" />}
      </span>
      <span>{label}</span>
    </button>
  );
}
