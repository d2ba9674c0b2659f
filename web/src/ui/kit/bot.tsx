import { t } from "../../i18n/index";
import type { User } from "../../model/types";

/** Stands beside the name of a program's account. */
export function BotMark({ user }: { user: User | undefined }) {
  return user?.bot === true ? <span class="bot-mark">{t("bot")}</span> : null;
}
