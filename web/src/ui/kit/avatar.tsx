import type { ChannelID, PresenceName, User } from "../../model/types";
import { initials } from "./initials";
import { t } from "../../i18n/index";

export type AvatarSize = "xs" | "s" | "m" | "l" | "xl";

/** A person's picture, or their colour and initials; with a dot for whether they are there. */
export function Avatar({ user, size = "m", presence }: { user: User | undefined; size?: AvatarSize; presence?: PresenceName | undefined }) {
  const version = user?.avatar_version ?? 0;
  return (
    <span class={`avatar ${size} face-${(user?.avatar_color ?? 11) % 12}`}>
      {user !== undefined && version > 0 ? (
        <img src={`/api/v1/users/${user.id}/avatar?v=${version}`} alt="" loading="lazy" decoding="async" draggable={false} />
      ) : (
        <span aria-hidden="true">{initials(user?.display_name ?? "?")}</span>
      )}
      {presence !== undefined && <PresenceDot state={presence} />}
    </span>
  );
}

/** The picture of a group: a rounded square, so that groups and people differ at a glance. */
export function GroupAvatar({ id, name, size = "m" }: { id: ChannelID; name: string; size?: AvatarSize }) {
  return (
    <span class={`avatar group ${size} face-${hueOf(id)}`}>
      <span aria-hidden="true">{initials(name, 1)}</span>
    </span>
  );
}

export function PresenceDot({ state }: { state: PresenceName }) {
  const words = state === "online" ? t("online") : state === "away" ? t("away") : t("offline");
  return <span class={`presence ${state}`} role="img" aria-label={words} title={words} />;
}

function hueOf(id: string): number {
  let sum = 0;
  for (const c of id) sum = (sum * 31 + c.charCodeAt(0)) % 9973;
  return sum % 12;
}
