import { t } from "../../i18n/index";
import { SYSTEM, type InboxEntry, type System } from "../../model/types";
import { KIND_GROUP } from "../../model/types";
import { isMe, nameOf, systemLine } from "./names";

/** The last line of a conversation for the list. */
export function previewOf(entry: InboxEntry): string {
  if (entry.last_seq === 0) return t("nothingYet");
  if (entry.preview_kind === SYSTEM) return systemLine(systemOf(entry.preview));
  const text = plain(entry.preview ?? "");
  if (text === "") return t("messageDeleted");
  if (isMe(entry.last_sender)) return t("previewMine", text);
  return entry.kind === KIND_GROUP ? t("previewFrom", nameOf(entry.last_sender), text) : text;
}

/** A system message's preview is its content as JSON; anything else tells nothing. */
function systemOf(preview: string | undefined): System | undefined {
  try {
    const value: unknown = JSON.parse(preview ?? "");
    return typeof value === "object" && value !== null && "event" in value && "actor" in value ? (value as System) : undefined;
  } catch {
    return undefined;
  }
}

/** One line of a text without the marks of Markdown. */
export function plain(text: string): string {
  return text
    .replace(/^```\S*$/gm, "")
    .replace(/(\*\*|__|~~|`+)(?=\S)([^\n]*?\S)\1/g, "$2")
    .replace(/^ {0,3}(>|#{1,3}|[-*•]) +/gm, "")
    .replace(/\s+/g, " ")
    .trim();
}
