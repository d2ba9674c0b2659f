import { useEffect } from "preact/hooks";
import { t } from "../../i18n/index";
import { closeChannel, closeThread, jumpTo, openChannel, openThread } from "../../sync/commands";
import { channelList } from "../../state/channels";
import { link } from "../../state/link";
import { authEnd } from "../../state/me";
import { Welcome } from "../channels/list";
import { ChannelPane } from "../channels/pane";
import { Overlays, watchKeys } from "./overlays";
import { Conversation } from "../conversation/conversation";
import { PeoplePage } from "../people/page";
import { SettingsPage } from "../settings/page";
import { SidePane } from "../side/side-pane";
import { Empty } from "../kit/empty";
import { AdminDoor } from "./admin-door";
import { Announcer } from "./announcer";
import { Banner } from "./banner";
import { layoutOf } from "./layout";
import { go, route, side } from "./route";
import { isApple } from "./layout";

/** The panes: conversations, the one that is open, and what belongs to it. */
export function Shell() {
  const at = route.value;
  const layout = layoutOf();
  useEffect(watchKeys, []);
  useFollow();
  const main = at.at !== "home";
  const showMain = layout !== "narrow" || main;
  const showList = layout !== "narrow" || !main || at.at === "people" || at.at === "settings";
  return (
    <div class={`shell ${layout}${side.value === undefined ? "" : " with-side"}`} data-ended={authEnd.value ?? undefined}>
      <Banner />
      <div class="panes">
        {showList && <ChannelPane tabsOnly={layout === "narrow" && main} />}
        {showMain && (
          <main class="main-pane" inert={layout === "narrow" && side.value !== undefined}>
            {layout === "narrow" && <h1 class="sr">{t("app")}</h1>}
            <Main />
          </main>
        )}
        {at.at === "channel" && at.side !== undefined && <SidePane channel={at.id} side={at.side} />}
      </div>
      <Announcer />
      <Overlays />
    </div>
  );
}

function Main() {
  const at = route.value;
  switch (at.at) {
    case "channel":
      return <Conversation key={at.id} id={at.id} />;
    case "people":
      return <PeoplePage />;
    case "settings":
      return <SettingsPage tab={at.tab} />;
    case "admin":
      return <AdminDoor tab={at.tab} />;
    default:
      return <NoConversation />;
  }
}

function NoConversation() {
  if (channelList.value.length === 0) return link.value.state === "connecting" || link.value.state === "catching-up" ? null : <Welcome />;
  const [before, after] = t("noConversationText").split("{key}");
  return (
    <Empty
      title={t("noConversation")}
      text={
        <>
          {before}
          <kbd>{isApple ? "⌘ K" : "Ctrl K"}</kbd>
          {after}
        </>
      }
    />
  );
}

/** Opens in the data what the address says is open. */
function useFollow(): void {
  const at = route.value;
  const id = at.at === "channel" ? at.id : undefined;
  const root = at.at === "channel" && at.side?.kind === "thread" ? at.side.root : undefined;
  useEffect(() => {
    if (id === undefined) return undefined;
    openChannel(id);
    return closeChannel;
  }, [id]);
  useEffect(() => {
    if (id === undefined || root === undefined) return undefined;
    openThread(root);
    return closeThread;
  }, [id, root]);
  const message = at.at === "channel" ? at.message : undefined;
  useEffect(() => {
    if (id === undefined || message === undefined) return;
    jumpTo(message, root);
    const side = at.at === "channel" ? at.side : undefined;
    go({ at: "channel", id, ...(side === undefined ? {} : { side }) }, true);
  }, [id, root, message]);
}
