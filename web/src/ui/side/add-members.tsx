import { useState } from "preact/hooks";
import { t } from "../../i18n/index";
import type { ChannelID, User } from "../../model/types";
import { members } from "../../state/channels";
import { addMembers } from "../../sync/commands";
import { Button } from "../kit/button";
import { Dialog } from "../kit/dialog";
import { attempt } from "../kit/toast";
import { toggle } from "../channels/new-group";
import { PeoplePicker } from "../channels/people-picker";

/** Picks people and brings them into the group. */
export function AddMembers({ channel, onClose }: { channel: ChannelID; onClose: () => void }) {
  const [chosen, setChosen] = useState<readonly User[]>([]);
  const [busy, setBusy] = useState(false);
  const there = new Set((members.value.get(channel) ?? []).map((member) => member.user));
  const add = async (): Promise<void> => {
    setBusy(true);
    const done = await attempt(addMembers(channel, chosen.map((user) => user.id)));
    setBusy(false);
    if (done) onClose();
  };
  return (
    <Dialog
      title={t("addMembers")}
      onClose={onClose}
      footer={
        <>
          <span class="meta grow num">{chosen.length > 0 && t("chosenCount", chosen.length)}</span>
          <Button tone="accent" busy={busy} disabled={chosen.length === 0} onClick={() => void add()}>
            {t("add")}
          </Button>
        </>
      }
    >
      <PeoplePicker chosen={chosen} without={there} onToggle={(user) => setChosen(toggle(chosen, user))} />
    </Dialog>
  );
}
