import { Monitor, Smartphone } from "lucide-preact";
import { useEffect, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { ago } from "../../i18n/time";
import { problemOf } from "../../model/problem";
import type { Login, Problem } from "../../model/types";
import { listLogins, revokeLogin, revokeOtherLogins } from "../../sync/commands";
import { Button } from "../kit/button";
import { Empty, Skeleton } from "../kit/empty";
import { Icon } from "../kit/icon";
import { words } from "../kit/problem";
import { attempt } from "../kit/toast";

/** Where this account is logged in; any place can be logged out from here. */
export function SessionSettings() {
  const [logins, setLogins] = useState<readonly Login[] | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const load = (): void => {
    setProblem(null);
    listLogins().then(setLogins, (err: unknown) => setProblem(problemOf(err)));
  };
  useEffect(load, []);
  if (problem !== null) {
    return (
      <Empty title={words(problem)}>
        <Button onClick={load}>{t("retry")}</Button>
      </Empty>
    );
  }
  if (logins === null) return <Skeleton rows={3} kind="person" />;
  const sorted = [...logins].sort((a, b) => Number(b.current) - Number(a.current) || b.last_used_at - a.last_used_at);
  const end = (login: Login): void => void attempt(revokeLogin(login.id), t("sessionRevoked")).then(load);
  return (
    <div class="form">
      <ul class="session-list">
        {sorted.map((login) => (
          <li key={login.id} class="person-row">
            <span class="person-icon">
              <Icon of={/iphone|android|mobile/i.test(login.device_name) ? Smartphone : Monitor} />
            </span>
            <span class="person-lines">
              <span class="cut">{login.device_name}</span>
              <span class="meta cut">{login.current ? t("sessionCurrent") : t("sessionUsed", ago(login.last_used_at))}</span>
            </span>
            {!login.current && (
              <Button small tone="quiet" onClick={() => end(login)}>
                {t("sessionRevoke")}
              </Button>
            )}
          </li>
        ))}
      </ul>
      {logins.length > 1 && (
        <div class="form-actions start">
          <Button onClick={() => void attempt(revokeOtherLogins(), t("sessionRevoked")).then(load)}>{t("sessionRevokeOthers")}</Button>
        </div>
      )}
    </div>
  );
}
