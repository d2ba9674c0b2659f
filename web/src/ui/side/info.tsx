import { LogOut, Pencil, Users } from "lucide-preact";
import { useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { KIND_DIRECT, LEVEL_ALL, LEVEL_MENTIONS, LEVEL_NONE, ROLE_ADMIN, type ChannelID } from "../../model/types";
import { channels, entries } from "../../state/channels";
import { rename, setPreference } from "../../sync/commands";
import { Avatar, GroupAvatar } from "../kit/avatar";
import { Button, IconButton } from "../kit/button";
import { Field, Segmented, Switch } from "../kit/field";
import { Icon } from "../kit/icon";
import { attempt } from "../kit/toast";
import { channelName, personOf } from "../shell/names";
import { showSide } from "../shell/route";
import { IncomingHooks } from "./hooks";
import { InviteLinks } from "./invites";
import { leaveGroup } from "./members";

/** What this conversation is and how it reaches the reader. */
export function InfoPane({ channel }: { channel: ChannelID }) {
  const entry = entries.value.get(channel);
  const known = channels.value.get(channel);
  const direct = entry?.kind === KIND_DIRECT;
  const leads = !direct && (known?.role ?? 0) >= ROLE_ADMIN;
  return (
    <div class="side-scroll info">
      <div class="info-face">
        {direct ? <Avatar user={personOf(entry.peer)} size="xl" /> : <GroupAvatar id={channel} name={channelName(entry, channel)} size="xl" />}
        <Name channel={channel} leads={leads} />
        {direct && <p class="meta">{personOf(entry.peer)?.status_line}</p>}
      </div>
      {!direct && (
        <button type="button" class="info-line" onClick={() => showSide({ kind: "members" })}>
          <Icon of={Users} />
          <span class="grow">{t("members")}</span>
          <span class="meta num">{known?.member_count ?? ""}</span>
        </button>
      )}
      {entry !== undefined && (
        <section class="info-section">
          <Segmented
            label={t("notifications")}
            value={entry.level}
            choices={[
              { value: LEVEL_ALL, label: t("levelAll") },
              { value: LEVEL_MENTIONS, label: t("levelMentions") },
              { value: LEVEL_NONE, label: t("levelNone") },
            ]}
            onChange={(level) => void attempt(setPreference(channel, { level }))}
          />
          <Switch label={t("pinToTop")} on={entry.pinned} onChange={(pinned) => void attempt(setPreference(channel, { pinned }))} />
        </section>
      )}
      {leads && <InviteLinks channel={channel} />}
      {leads && <IncomingHooks channel={channel} />}
      {!direct && (
        <div class="side-foot">
          <Button tone="quiet" icon={LogOut} onClick={() => void leaveGroup(channel)}>
            {t("leave")}
          </Button>
        </div>
      )}
    </div>
  );
}

function Name({ channel, leads }: { channel: ChannelID; leads: boolean }) {
  const name = channelName(entries.value.get(channel), channel);
  const [edited, setEdited] = useState<string | null>(null);
  if (edited === null) {
    return (
      <div class="info-name">
        <h3>{name}</h3>
        {leads && <IconButton small icon={Pencil} label={t("renameGroup")} onClick={() => setEdited(name)} />}
      </div>
    );
  }
  const save = async (): Promise<void> => {
    const to = edited.trim();
    if (to === "" || to === name || (await attempt(rename(channel, to)))) setEdited(null);
  };
  return (
    <form
      class="info-rename"
      onSubmit={(e) => {
        e.preventDefault();
        void save();
      }}
    >
      <Field label={t("groupName")} value={edited} onValue={setEdited} maxLength={80} autoFocus />
      <div class="form-actions">
        <Button small tone="quiet" onClick={() => setEdited(null)}>
          {t("cancel")}
        </Button>
        <Button small tone="accent" type="submit">
          {t("save")}
        </Button>
      </div>
    </form>
  );
}
