import { BotMessageSquare, Ellipsis, KeyRound, Pencil, Trash2, Webhook } from "lucide-preact";
import { useEffect, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { problemOf } from "../../model/problem";
import type { Problem, User } from "../../model/types";
import { deleteBot, listBots, renewBotToken } from "../../sync/commands";
import { ask } from "../kit/ask";
import { Avatar } from "../kit/avatar";
import { Button, IconButton } from "../kit/button";
import { Empty, Skeleton } from "../kit/empty";
import { Menu } from "../kit/menu";
import { Once } from "../kit/once";
import type { Anchor } from "../kit/popover";
import { words } from "../kit/problem";
import { attempt, say } from "../kit/toast";
import { BotRename, BotWebhook, NewBot } from "./bot-forms";

/** A secret just made, and what it is. */
interface Fresh {
  readonly label: string;
  readonly value: string;
}

/** The accounts of the person's own programs. */
export function ProgramSettings() {
  const [bots, setBots] = useState<readonly User[] | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [fresh, setFresh] = useState<Fresh | null>(null);
  const [making, setMaking] = useState(false);
  const load = (): void => {
    setProblem(null);
    listBots().then(setBots, (err: unknown) => setProblem(problemOf(err)));
  };
  useEffect(load, []);
  if (problem !== null && bots === null) {
    return (
      <Empty title={words(problem)}>
        <Button onClick={load}>{t("retry")}</Button>
      </Empty>
    );
  }
  if (bots === null) return <Skeleton rows={2} kind="person" />;
  const alive = bots.filter((bot) => bot.disabled !== true);
  return (
    <div class="form wide">
      <section class="settings-part">
        <h3>{t("bots")}</h3>
        <p class="meta">{t("botsText")}</p>
        {fresh !== null && <Once label={fresh.label} value={fresh.value} />}
        <ul class="session-list">
          {alive.map((bot) => (
            <BotRow key={bot.id} bot={bot} changed={load} show={setFresh} />
          ))}
          {alive.length === 0 && <li class="meta">{t("botsNone")}</li>}
        </ul>
        <div class="form-actions start">
          <Button icon={BotMessageSquare} onClick={() => setMaking(true)}>
            {t("botNew")}
          </Button>
        </div>
      </section>
      {making && (
        <NewBot
          onClose={() => setMaking(false)}
          onMade={(bot, token) => {
            setMaking(false);
            setFresh({ label: t("botToken", bot.display_name), value: token });
            load();
          }}
        />
      )}
    </div>
  );
}

function BotRow({ bot, changed, show }: { bot: User; changed: () => void; show: (fresh: Fresh | null) => void }) {
  const [menu, setMenu] = useState<Anchor | null>(null);
  const [form, setForm] = useState<"rename" | "webhook" | null>(null);
  const name = bot.display_name;
  const close = (): void => setForm(null);
  return (
    <li class="person-row">
      <Avatar user={bot} />
      <span class="person-lines">
        <span class="cut">{name}</span>
        <span class="meta cut">@{bot.login_name}</span>
      </span>
      <IconButton small icon={Ellipsis} label={`${name}: ${t("more")}`} aria-haspopup="menu" onClick={(e) => setMenu(e.currentTarget)} />
      {menu !== null && (
        <Menu
          anchor={menu}
          label={name}
          onClose={() => setMenu(null)}
          items={[
            { label: t("botRename"), icon: Pencil, onPick: () => setForm("rename") },
            { label: t("botWebhook"), icon: Webhook, onPick: () => setForm("webhook") },
            { label: t("botTokenNew"), icon: KeyRound, onPick: () => void renew(bot, show) },
            { label: t("botDelete"), icon: Trash2, danger: true, onPick: () => void remove(bot, show, changed) },
          ]}
        />
      )}
      {form === "rename" && <BotRename bot={bot} onClose={close} onDone={() => (close(), changed())} />}
      {form === "webhook" && <BotWebhook bot={bot} onClose={close} onSet={(value) => (close(), show({ label: t("botSecret", name), value }))} />}
    </li>
  );
}

async function renew(bot: User, show: (fresh: Fresh) => void): Promise<void> {
  const name = bot.display_name;
  if (!(await ask({ title: t("botTokenTitle", name), text: t("botTokenText"), yes: t("botTokenNew"), danger: true }))) return;
  try {
    show({ label: t("botToken", name), value: await renewBotToken(bot.id) });
  } catch (err) {
    say(words(problemOf(err)), true);
  }
}

async function remove(bot: User, show: (fresh: null) => void, changed: () => void): Promise<void> {
  const yes = await ask({ title: t("botDeleteTitle", bot.display_name), text: t("botDeleteText"), yes: t("botDelete"), danger: true });
  if (!yes || !(await attempt(deleteBot(bot.id)))) return;
  show(null);
  changed();
}
