import { t } from "../../i18n/index";
import type { User } from "../../model/types";
import { startDirect } from "../../sync/commands";
import { problemOf } from "../../model/problem";
import { words } from "../kit/problem";
import { Dialog } from "../kit/dialog";
import { say } from "../kit/toast";
import { go } from "../shell/route";
import { PeoplePicker } from "./people-picker";

/** Picks a person and opens the conversation with them. */
export function NewDirect({ onClose }: { onClose: () => void }) {
  const start = async (user: User): Promise<void> => {
    onClose();
    await openDirect(user);
  };
  return (
    <Dialog kind="top" title={t("newDirect")} onClose={onClose}>
      <PeoplePicker single chosen={[]} onToggle={(user) => void start(user)} />
    </Dialog>
  );
}

/** Opens the conversation with a person, made if there was none. */
export async function openDirect(user: User): Promise<void> {
  try {
    go({ at: "channel", id: await startDirect(user.id) });
  } catch (err) {
    say(words(problemOf(err)), true);
  }
}
