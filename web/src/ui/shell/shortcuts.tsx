import { t } from "../../i18n/index";
import { Dialog } from "../kit/dialog";
import { isApple } from "./layout";

/** All the keys on one sheet. */
export function ShortcutSheet({ onClose }: { onClose: () => void }) {
  const mod = isApple ? "⌘" : "Ctrl";
  const alt = isApple ? "⌥" : "Alt";
  const rows: readonly (readonly [string, readonly string[]])[] = [
    [t("keySwitch"), [mod, "K"]],
    [t("keyUnread"), [alt, "Shift", "↓"]],
    [t("keySend"), ["Enter"]],
    [t("keyBreak"), ["Shift", "Enter"]],
    [t("keyEditLast"), ["↑"]],
    [t("keyCancel"), ["Esc"]],
    [t("keyMove"), ["↑", "↓"]],
    [t("keyReply"), ["R"]],
    [t("keyReact"), ["E"]],
    [t("keyMenu"), ["Enter"]],
    [t("keyHelp"), ["?"]],
  ];
  return (
    <Dialog title={t("shortcuts")} onClose={onClose}>
      <dl class="keys">
        {rows.map(([what, keys]) => (
          <div key={what}>
            <dt>{what}</dt>
            <dd>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Dialog>
  );
}
