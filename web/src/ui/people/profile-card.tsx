import { Ban, MessageCircle, UserMinus, UserPlus } from "lucide-preact";
import { useEffect, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { ago } from "../../i18n/time";
import type { PresenceState, User, UserID } from "../../model/types";
import { friends, presence } from "../../state/people";
import { askPresence, befriend, block, needPeople, unblock, unfriend } from "../../sync/commands";
import { openDirect } from "../channels/new-direct";
import { Avatar } from "../kit/avatar";
import { ask } from "../kit/ask";
import { BotMark } from "../kit/bot";
import { Button } from "../kit/button";
import { Dialog } from "../kit/dialog";
import { attempt } from "../kit/toast";
import { tick } from "../shell/clock";
import { isMe, nameOf, personOf } from "../shell/names";
import { go } from "../shell/route";

/** Who someone is, and what can be done about it. */
export function ProfileCard({ user: id, onClose }: { user: UserID; onClose: () => void }) {
  const [asked, setAsked] = useState<PresenceState>();
  useEffect(() => {
    let shown = true;
    needPeople([id]);
    // Without an answer nothing is said of how they are.
    askPresence([id]).then(([state]) => shown && setAsked(state), () => undefined);
    return () => void (shown = false);
  }, [id]);
  const user = personOf(id);
  const name = nameOf(id);
  const there = presence.value.get(id) ?? asked;
  const last = there?.last_active_at ?? user?.last_active_at ?? 0;
  const words =
    there?.state === "online" ? t("online") : there?.state === "away" ? t("away") : last > 0 ? t("lastSeen", ago(last, tick.value)) : undefined;
  return (
    <Dialog title={t("profileOf", name)} bare kind="sheet" onClose={onClose}>
      <div class="profile-card">
        <Avatar user={user} size="xl" presence={there?.state === "offline" ? undefined : there?.state} />
        <h3>
          {name} <BotMark user={user} />
        </h3>
        {user !== undefined && <p class="meta">@{user.login_name}</p>}
        {user?.status_line !== undefined && user.status_line !== "" && <p class="profile-status">{user.status_line}</p>}
        {words !== undefined && !isMe(id) && <p class="meta">{words}</p>}
        {user !== undefined && (isMe(id) ? <OwnActions onClose={onClose} /> : <Actions user={user} onClose={onClose} />)}
      </div>
    </Dialog>
  );
}

function OwnActions({ onClose }: { onClose: () => void }) {
  return (
    <Button
      wide
      onClick={() => {
        onClose();
        go({ at: "settings", tab: "profile" });
      }}
    >
      {t("settings")}
    </Button>
  );
}

function Actions({ user, onClose }: { user: User; onClose: () => void }) {
  const friend = friends.value.get(user.id);
  const blocked = friend?.state === "blocked";
  return (
    <div class="profile-actions">
      {!blocked && (
        <Button
          tone="accent"
          icon={MessageCircle}
          wide
          onClick={() => {
            onClose();
            void openDirect(user);
          }}
        >
          {t("message")}
        </Button>
      )}
      <div class="profile-more">
        {friend === undefined && (
          <Button icon={UserPlus} onClick={() => void attempt(befriend(user.id), t("requestSent"))}>
            {t("addFriend")}
          </Button>
        )}
        {friend?.state === "received" && (
          <Button icon={UserPlus} onClick={() => void attempt(befriend(user.id))}>
            {t("accept")}
          </Button>
        )}
        {(friend?.state === "accepted" || friend?.state === "sent") && (
          <Button tone="quiet" icon={UserMinus} onClick={() => void attempt(unfriend(user.id))}>
            {friend.state === "sent" ? t("withdraw") : t("unfriend")}
          </Button>
        )}
        <Button tone="quiet" icon={Ban} onClick={() => void (blocked ? attempt(unblock(user.id)) : blockAsked(user))}>
          {blocked ? t("unblock") : t("block")}
        </Button>
      </div>
    </div>
  );
}

async function blockAsked(user: User): Promise<void> {
  const yes = await ask({ title: t("blockTitle", user.display_name), text: t("blockText"), yes: t("block"), danger: true });
  if (yes) await attempt(block(user.id));
}
