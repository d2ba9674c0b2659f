import { useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { problemOf } from "../../model/problem";
import type { User } from "../../model/types";
import { createBot, dropBotWebhook, renameBot, setBotWebhook } from "../../sync/commands";
import { isLoginName } from "../auth/check";
import { Button } from "../kit/button";
import { Dialog } from "../kit/dialog";
import { Field } from "../kit/field";
import { words } from "../kit/problem";
import { attempt } from "../kit/toast";

/** The names of a new bot. */
export function NewBot({ onClose, onMade }: { onClose: () => void; onMade: (bot: User, token: string) => void }) {
  const [name, setName] = useState("");
  const [login, setLogin] = useState("");
  const [wrong, setWrong] = useState<{ readonly name?: string; readonly login?: string }>({});
  const [busy, setBusy] = useState(false);
  const make = async (): Promise<void> => {
    if (name.trim() === "") return setWrong({ name: t("errEmpty") });
    if (!isLoginName(login.trim())) return setWrong({ login: t("errLoginName") });
    setBusy(true);
    try {
      const { user, token } = await createBot({ login_name: login.trim(), display_name: name.trim() });
      onMade(user, token);
    } catch (err) {
      setWrong({ login: words(problemOf(err)) });
      setBusy(false);
    }
  };
  return (
    <FormDialog title={t("botNew")} yes={t("botCreate")} busy={busy} onClose={onClose} onSave={() => void make()}>
      <Field label={t("botName")} value={name} onValue={(v) => (setName(v), setWrong({}))} problem={wrong.name} maxLength={40} autoFocus autoComplete="off" />
      <Field label={t("botLogin")} hint={t("loginNameHint")} value={login} onValue={(v) => (setLogin(v), setWrong({}))} problem={wrong.login} maxLength={32} autoComplete="off" autoCapitalize="none" spellcheck={false} />
    </FormDialog>
  );
}

export function BotRename({ bot, onClose, onDone }: { bot: User; onClose: () => void; onDone: () => void }) {
  const [name, setName] = useState(bot.display_name);
  const [busy, setBusy] = useState(false);
  const save = async (): Promise<void> => {
    const to = name.trim();
    if (to === "" || to === bot.display_name) return onClose();
    setBusy(true);
    if (await attempt(renameBot(bot.id, to))) onDone();
    else setBusy(false);
  };
  return (
    <FormDialog title={t("botRename")} yes={t("save")} busy={busy} onClose={onClose} onSave={() => void save()}>
      <Field label={t("botName")} value={name} onValue={setName} maxLength={40} autoFocus autoComplete="off" />
    </FormDialog>
  );
}

/** Where a bot is told of what concerns it. The answer holds the secret that signs those calls. */
export function BotWebhook({ bot, onClose, onSet }: { bot: User; onClose: () => void; onSet: (secret: string) => void }) {
  const [url, setURL] = useState("");
  const [wrong, setWrong] = useState<string | undefined>();
  const [busy, setBusy] = useState(false);
  const save = async (): Promise<void> => {
    if (!/^https?:\/\/[^\s/]+/.test(url.trim())) return setWrong(t("errAddress"));
    setBusy(true);
    try {
      onSet(await setBotWebhook(bot.id, url.trim()));
    } catch (err) {
      const problem = problemOf(err);
      setWrong(problem.code === "bad_request" ? t("errAddress") : words(problem));
      setBusy(false);
    }
  };
  const drop = async (): Promise<void> => {
    if (await attempt(dropBotWebhook(bot.id), t("botWebhookRemoved"))) onClose();
  };
  return (
    <FormDialog
      title={t("botWebhookTitle", bot.display_name)}
      yes={t("botWebhookSet")}
      busy={busy}
      onClose={onClose}
      onSave={() => void save()}
      other={
        <Button tone="quiet" onClick={() => void drop()}>
          {t("botWebhookOff")}
        </Button>
      }
    >
      <p class="meta">{t("botWebhookText")}</p>
      <Field label={t("botWebhookURL")} type="url" inputMode="url" placeholder="https://" value={url} onValue={(v) => (setURL(v), setWrong(undefined))} problem={wrong} autoFocus autoComplete="off" spellcheck={false} />
    </FormDialog>
  );
}

interface FormDialogProps {
  readonly title: string;
  readonly yes: string;
  readonly busy: boolean;
  readonly onClose: () => void;
  readonly onSave: () => void;
  readonly other?: preact.ComponentChild;
  readonly children: preact.ComponentChildren;
}

function FormDialog({ title, yes, busy, onClose, onSave, other, children }: FormDialogProps) {
  return (
    <Dialog title={title} onClose={onClose}>
      <form
        class="form"
        noValidate
        onSubmit={(e) => {
          e.preventDefault();
          onSave();
        }}
      >
        {children}
        <div class="form-actions">
          {other}
          <Button tone="accent" type="submit" busy={busy}>
            {yes}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
