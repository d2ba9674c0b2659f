import { t } from "../../i18n/index";
import { say } from "../kit/toast";

/** Puts text on the clipboard and says so. */
export async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    say(t("copied"));
  } catch {
    say(t("errGeneric"), true);
  }
}
