import { useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { problemOf } from "../../model/problem";
import type { User } from "../../model/types";
import { createGroup } from "../../sync/commands";
import { Button } from "../kit/button";
import { Dialog } from "../kit/dialog";
import { Field } from "../kit/field";
import { words } from "../kit/problem";
import { go } from "../shell/route";
import { PeoplePicker } from "./people-picker";

/** A name and people make a group. */
export function NewGroup({ onClose }: { onClose: () => void }) {
  const [name, setName] = useState("");
  const [chosen, setChosen] = useState<readonly User[]>([]);
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | undefined>();
  const make = async (): Promise<void> => {
    if (name.trim() === "") return setProblem(t("errEmpty"));
    setBusy(true);
    try {
      const id = await createGroup({ name: name.trim(), members: chosen.map((user) => user.id) });
      onClose();
      go({ at: "channel", id });
    } catch (err) {
      setProblem(words(problemOf(err)));
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={t("newGroup")}
      onClose={onClose}
      footer={
        <>
          <span class="meta grow num">{chosen.length > 0 && t("chosenCount", chosen.length)}</span>
          <Button tone="quiet" onClick={onClose}>
            {t("cancel")}
          </Button>
          <Button tone="accent" busy={busy} onClick={() => void make()}>
            {t("createGroup")}
          </Button>
        </>
      }
    >
      <Field label={t("groupName")} placeholder={t("groupNameHint")} value={name} onValue={(v) => (setName(v), setProblem(undefined))} maxLength={80} problem={problem} autoFocus />
      <PeoplePicker chosen={chosen} onToggle={(user) => setChosen(toggle(chosen, user))} />
    </Dialog>
  );
}

/** The list with the person in it, or without if they were. */
export function toggle(list: readonly User[], user: User): readonly User[] {
  return list.some((other) => other.id === user.id) ? list.filter((other) => other.id !== user.id) : [...list, user];
}
