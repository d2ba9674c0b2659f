import { useEffect, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { problemOf } from "../../model/problem";
import type { InvitePreview, Problem } from "../../model/types";
import { authState } from "../../state/me";
import { joinInvite, previewInvite } from "../../sync/commands";
import { GroupAvatar } from "../kit/avatar";
import { Button } from "../kit/button";
import { Empty, Skeleton } from "../kit/empty";
import { words } from "../kit/problem";
import { go } from "../shell/route";
import { AuthPage } from "./auth-page";

/** Where an invite link leads: what one is invited to, and the way in. */
export function JoinPage({ code }: { code: string }) {
  const [preview, setPreview] = useState<InvitePreview | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const inside = authState.value === "in";
  const load = (): void => {
    setProblem(null);
    previewInvite(code).then(setPreview, (err: unknown) => setProblem(problemOf(err)));
  };
  useEffect(load, [code, inside]);
  if (!inside) return <AuthPage above={<Invited preview={preview} />} />;
  return (
    <main class="auth">
      <div class="auth-box">
        {problem !== null ? <Trouble problem={problem} onRetry={load} /> : preview === null ? <Skeleton rows={2} kind="person" /> : <JoinCard code={code} preview={preview} onProblem={setProblem} />}
      </div>
    </main>
  );
}

function Invited({ preview }: { preview: InvitePreview | null }) {
  return (
    <p class="notice">
      {preview !== null && <strong>{t("joinTitle", preview.name)} </strong>}
      {t("joinNeedsLogin")}
    </p>
  );
}

interface JoinCardProps {
  readonly code: string;
  readonly preview: InvitePreview;
  readonly onProblem: (problem: Problem) => void;
}

function JoinCard({ code, preview, onProblem }: JoinCardProps) {
  const [busy, setBusy] = useState(false);
  const join = async (): Promise<void> => {
    setBusy(true);
    try {
      go({ at: "channel", id: await joinInvite(code) }, true);
    } catch (err) {
      onProblem(problemOf(err));
    }
    setBusy(false);
  };
  return (
    <div class="join-card">
      <GroupAvatar id={preview.channel} name={preview.name} size="xl" />
      <h1>{t("joinTitle", preview.name)}</h1>
      <p class="meta num">{t("joinText", preview.member_count)}</p>
      <Button tone="accent" wide busy={busy} onClick={() => void join()}>
        {t("join")}
      </Button>
      <Button tone="quiet" wide onClick={() => go({ at: "home" }, true)}>
        {t("openChat")}
      </Button>
    </div>
  );
}

function Trouble({ problem, onRetry }: { problem: Problem; onRetry: () => void }) {
  const gone = problem.code === "invite_invalid" || problem.code === "not_found";
  return (
    <Empty title={gone ? t("joinGone") : words(problem)} text={gone ? t("joinGoneText") : undefined}>
      {!gone && <Button onClick={onRetry}>{t("retry")}</Button>}
      <Button tone="accent" onClick={() => go({ at: "home" }, true)}>
        {t("openChat")}
      </Button>
    </Empty>
  );
}
