import { Trash2, Webhook } from "lucide-preact";
import { useEffect, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { ago } from "../../i18n/time";
import { problemOf } from "../../model/problem";
import type { ChannelID, Hook } from "../../model/types";
import { createHook, deleteHook, listHooks } from "../../sync/commands";
import { ask } from "../kit/ask";
import { Button, IconButton } from "../kit/button";
import { Skeleton } from "../kit/empty";
import { Field } from "../kit/field";
import { Icon } from "../kit/icon";
import { Once } from "../kit/once";
import { words } from "../kit/problem";
import { attempt, say } from "../kit/toast";

/** Addresses by which programs write into the conversation; a new one is shown only once. */
export function IncomingHooks({ channel }: { channel: ChannelID }) {
  const [hooks, setHooks] = useState<readonly Hook[] | null>(null);
  const [fresh, setFresh] = useState<Hook | null>(null);
  const [name, setName] = useState("");
  const [wrong, setWrong] = useState<string | undefined>();
  const [busy, setBusy] = useState(false);
  const load = (): void => {
    listHooks(channel).then(setHooks, (err: unknown) => {
      setHooks([]);
      say(words(problemOf(err)), true);
    });
  };
  useEffect(load, [channel]);
  const make = async (): Promise<void> => {
    if (name.trim() === "") return setWrong(t("errEmpty"));
    setBusy(true);
    try {
      setFresh(await createHook(channel, name.trim()));
      setName("");
      load();
    } catch (err) {
      setWrong(words(problemOf(err)));
    }
    setBusy(false);
  };
  const remove = async (hook: Hook): Promise<void> => {
    const yes = await ask({ title: t("hookDeleteTitle", hook.name), text: t("hookDeleteText"), yes: t("hookDelete"), danger: true });
    if (!yes || !(await attempt(deleteHook(channel, hook.id)))) return;
    if (fresh?.id === hook.id) setFresh(null);
    load();
  };
  return (
    <section class="info-section">
      <h3>{t("hooks")}</h3>
      <p class="meta">{t("hooksText")}</p>
      {fresh?.url !== undefined && <Once label={t("hookURL", fresh.name)} value={new URL(fresh.url, location.origin).href} />}
      {hooks === null ? (
        <Skeleton rows={1} kind="person" />
      ) : (
        <ul class="invite-list">
          {hooks.map((hook) => (
            <li key={hook.id}>
              <Icon of={Webhook} size={18} />
              <span class="grow cut">{hook.name}</span>
              {(hook.created_at ?? 0) > 0 && <span class="meta num">{ago(hook.created_at ?? 0)}</span>}
              <IconButton small icon={Trash2} label={`${t("hookDelete")}: ${hook.name}`} onClick={() => void remove(hook)} />
            </li>
          ))}
          {hooks.length === 0 && <li class="meta">{t("hooksNone")}</li>}
        </ul>
      )}
      <form
        class="hook-new"
        onSubmit={(e) => {
          e.preventDefault();
          void make();
        }}
      >
        <Field label={t("hookName")} placeholder={t("hookNameHint")} value={name} onValue={(v) => (setName(v), setWrong(undefined))} problem={wrong} maxLength={40} autoComplete="off" />
        <Button type="submit" icon={Webhook} busy={busy} wide>
          {t("hookNew")}
        </Button>
      </form>
    </section>
  );
}
