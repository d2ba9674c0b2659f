import { Link } from "lucide-preact";
import { useEffect, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { until } from "../../i18n/time";
import { problemOf } from "../../model/problem";
import type { ChannelID, Invite } from "../../model/types";
import { createInvite, listInvites, revokeInvite } from "../../sync/commands";
import { Button } from "../kit/button";
import { Skeleton } from "../kit/empty";
import { Segmented } from "../kit/field";
import { Once } from "../kit/once";
import { words } from "../kit/problem";
import { attempt, say } from "../kit/toast";

const day = 24 * 60 * 60_000;

/** Links by which people may join; the code of a new one is shown only once. */
export function InviteLinks({ channel }: { channel: ChannelID }) {
  const [invites, setInvites] = useState<readonly Invite[] | null>(null);
  const [fresh, setFresh] = useState("");
  const [days, setDays] = useState(7);
  const [busy, setBusy] = useState(false);
  const load = (): void => {
    listInvites(channel).then(setInvites, (err: unknown) => {
      setInvites([]);
      say(words(problemOf(err)), true);
    });
  };
  useEffect(load, [channel]);
  const make = async (): Promise<void> => {
    setBusy(true);
    try {
      const invite = await createInvite(channel, days === 0 ? {} : { expires_at: Date.now() + days * day });
      setFresh(`${location.origin}/join/${encodeURIComponent(invite.code ?? "")}`);
      load();
    } catch (err) {
      say(words(problemOf(err)), true);
    }
    setBusy(false);
  };
  return (
    <section class="info-section">
      <h3>{t("inviteLinks")}</h3>
      {fresh !== "" && <Once label={t("inviteNew")} value={fresh} />}
      <Segmented
        label={t("inviteExpiry")}
        value={days}
        choices={[
          { value: 1, label: t("inviteDay") },
          { value: 7, label: t("inviteWeek") },
          { value: 0, label: t("inviteAlways") },
        ]}
        onChange={setDays}
      />
      <Button icon={Link} busy={busy} wide onClick={() => void make()}>
        {t("inviteNew")}
      </Button>
      {invites === null ? (
        <Skeleton rows={1} kind="person" />
      ) : (
        <ul class="invite-list">
          {invites.map((invite) => (
            <li key={invite.id}>
              <span class="grow meta num">
                {invite.expires_at === undefined || invite.expires_at === 0 ? t("inviteForever") : t("inviteExpires", until(invite.expires_at))}
                {" · "}
                {t("inviteUses", invite.uses)}
              </span>
              <Button small tone="quiet" onClick={() => void attempt(revokeInvite(channel, invite.id)).then(load)}>
                {t("inviteRevoke")}
              </Button>
            </li>
          ))}
          {invites.length === 0 && fresh === "" && <li class="meta">{t("inviteNone")}</li>}
        </ul>
      )}
    </section>
  );
}
