import { useEffect, useState } from "preact/hooks";
import { a, auditAction } from "../../i18n/admin";
import { ago, fullTime } from "../../i18n/time";
import type { AuditLine, AuditPage } from "../../model/admin";
import { problemOf } from "../../model/problem";
import { asUserID, type Problem } from "../../model/types";
import { people } from "../../state/people";
import { admin, needPeople } from "../../sync/commands";
import { Button } from "../kit/button";
import { Empty, Skeleton } from "../kit/empty";
import { words } from "../kit/problem";
import { t } from "../../i18n/index";
import { Table } from "./parts";

/** Who did what, newest first. */
export function Audit() {
  const [lines, setLines] = useState<readonly AuditLine[] | null>(null);
  const [last, setLast] = useState<AuditPage | null>(null);
  const [problem, setProblem] = useState<Problem | null>(null);
  const [busy, setBusy] = useState(false);
  const load = async (before?: string): Promise<void> => {
    setBusy(true);
    setProblem(null);
    try {
      const page = await (await admin()).audit(before);
      needPeople([...new Set(page.lines.map((l) => l.actor).filter((x) => x !== undefined))]);
      setLines((old) => (before === undefined ? page.lines : [...(old ?? []), ...page.lines]));
      setLast(page);
    } catch (err) {
      setProblem(problemOf(err));
    }
    setBusy(false);
  };
  useEffect(() => void load(), []);
  if (problem !== null && lines === null) {
    return (
      <Empty title={words(problem)}>
        <Button onClick={() => void load()}>{t("retry")}</Button>
      </Empty>
    );
  }
  if (lines === null) return <Skeleton rows={6} kind="person" />;
  if (lines.length === 0) return <p class="admin-none">{a("auditNone")}</p>;
  return (
    <section class="admin-part">
      {last !== null && last.missing.length > 0 && <p class="notice">{a("auditMissing", last.missing.join(", "))}</p>}
      <Table
        label={a("audit")}
        rows={lines}
        id={(l) => l.id}
        columns={[
          { key: "at", head: a("when"), cell: (l) => <time dateTime={new Date(l.at).toISOString()} title={fullTime(l.at)}>{ago(l.at)}</time> },
          { key: "who", head: a("who"), cell: (l) => (l.actor === undefined ? a("nobody") : (people.value.get(l.actor)?.display_name ?? l.actor)) },
          { key: "action", head: a("action"), cell: (l) => <span title={l.action}>{auditAction(l.action)}</span> },
          { key: "subject", head: a("subject"), cell: (l) => <span title={l.subject}>{subjectOf(l)}</span> },
          { key: "address", head: a("addressFrom"), wide: true, cell: (l) => <code>{l.address === "" ? a("nobody") : l.address}</code> },
          { key: "shard", head: a("shard"), wide: true, cell: (l) => l.shard },
        ]}
      />
      {last?.more === true && (
        <div class="form-actions start">
          <Button busy={busy} onClick={() => void load(lines[lines.length - 1]?.id)}>
            {a("auditMore")}
          </Button>
        </div>
      )}
    </section>
  );
}

/** A person's name where the subject is one who is known; the number of a login says nothing to people. */
function subjectOf({ action, subject }: AuditLine): string {
  if (action.startsWith("login.") && /^\d{16,}$/.test(subject)) return a("nobody");
  if (subject === "ring") return a("theRing");
  return (/^\d{1,19}$/.test(subject) ? people.value.get(asUserID(subject))?.display_name : undefined) ?? subject;
}
