// Builds the parts and renders the app; the only place that knows all of them.
import { render } from "preact";
import { pathTo } from "./model/push";
import { realClock } from "./net/clock";
import { deviceName, watchPage } from "./net/page";
import { browserPush } from "./net/push";
import { browserDial } from "./net/wire";
import { App as Sync } from "./sync/app";
import { openBus } from "./sync/bus";
import { installCommands } from "./sync/commands";
import { electByLock } from "./sync/leader";
import { App } from "./ui/App";
import { goToMessage, shows } from "./ui/shell/route";

const ACCOUNT = "gori.account";

/** localStorage may be forbidden; then the browser forgets, and asks to log in again. */
const memory = {
  get: () => {
    try {
      return localStorage.getItem(ACCOUNT);
    } catch {
      return null;
    }
  },
  set: (account: string | null) => {
    try {
      if (account === null) localStorage.removeItem(ACCOUNT);
      else localStorage.setItem(ACCOUNT, account);
    } catch {
      // nothing to remember it with
    }
  },
};

async function start(root: HTMLElement): Promise<void> {
  if (import.meta.env.DEV && location.search.includes("fixture")) {
    const { installFixture } = await import("./dev/fixture");
    installFixture(location.search);
    render(<App />, root);
    return;
  }
  const page = watchPage(realClock.now);
  const sync = new Sync({
    clock: realClock, page, fetcher: fetch.bind(globalThis), dial: browserDial, openBus, elect: electByLock, memory,
    deviceName: deviceName(navigator.userAgent), push: browserPush, reload: () => location.reload(),
  });
  installCommands(sync.commands());
  page.hook({
    visibility: () => sync.visibilityChanged(), online: () => sync.online(), offline: () => sync.offline(), closing: () => sync.closing(),
  });
  browserPush.heard((m, answer) => {
    if (m.t === "open") goToMessage(pathTo(m));
    else if (m.t === "shows") answer(page.visible() && shows(m.channel, m.thread));
  });
  addEventListener("storage", (e) => {
    if (e.key === ACCOUNT) void sync.accountChanged(e.newValue);
  });
  await sync.start();
  render(<App />, root);
}

const root = document.getElementById("app");
if (root) void start(root);
