import { ArrowLeft } from "lucide-preact";
import { useEffect, useRef } from "preact/hooks";
import { a } from "../../i18n/admin";
import { t } from "../../i18n/index";
import { me } from "../../state/me";
import { IconButton } from "../kit/button";
import { Empty, Skeleton } from "../kit/empty";
import { layoutOf } from "../shell/layout";
import { adminTabs, go, goBack, type AdminTab } from "../shell/route";
import { pageName } from "../shell/title";
import "../../styles/admin.css";
import { Audit } from "./audit";
import { Channels } from "./channels";
import { Nodes } from "./nodes";
import { Overview } from "./overview";
import { Receipts } from "./receipts";
import { Reshard } from "./reshard";
import { Shards } from "./shards";

/** Where data lives, and who answers: for admins. */
export function AdminPage({ tab }: { tab?: AdminTab | undefined }) {
  const shown = tab ?? "overview";
  const tabs = useRef<HTMLElement>(null);
  useEffect(() => intoView(tabs.current), [shown, me.value?.admin]);
  const name = `${a(shown)} · ${a("admin")}`;
  useEffect(() => {
    pageName.value = name;
    return () => void (pageName.value = "");
  }, [name]);
  return (
    <div class="page admin">
      <header class="page-head">
        {layoutOf() === "narrow" && <IconButton icon={ArrowLeft} label={t("back")} onClick={() => goBack({ at: "settings" })} />}
        <h2>{a("admin")}</h2>
      </header>
      {me.value === null ? (
        <Skeleton rows={6} kind="person" />
      ) : me.value.admin === true ? (
        <>
          <nav class="admin-tabs" ref={tabs} aria-label={a("admin")}>
            {adminTabs.map((one) => (
              <a
                key={one}
                href={one === "overview" ? "/admin" : `/admin/${one}`}
                class="admin-tab"
                {...(one === shown ? { "aria-current": "page" as const } : {})}
                onClick={(e) => {
                  if (e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
                  e.preventDefault();
                  go(one === "overview" ? { at: "admin" } : { at: "admin", tab: one }, true);
                }}
              >
                {a(one)}
              </a>
            ))}
          </nav>
          <div class="admin-body" key={shown}>
            {viewOf(shown)}
          </div>
        </>
      ) : (
        <Empty title={a("onlyAdmins")} text={a("onlyAdminsText")} />
      )}
    </div>
  );
}

/** The tabs scroll on a phone: the present one is in sight. */
function intoView(row: HTMLElement | null): void {
  const tab = row?.querySelector<HTMLElement>("[aria-current]");
  if (row === null || tab === null || tab === undefined) return;
  const over = tab.offsetLeft + tab.offsetWidth - row.offsetLeft - row.clientWidth;
  if (over > row.scrollLeft) row.scrollLeft = over + 16;
  else if (tab.offsetLeft - row.offsetLeft < row.scrollLeft) row.scrollLeft = tab.offsetLeft - row.offsetLeft - 16;
}

function viewOf(tab: AdminTab) {
  switch (tab) {
    case "overview":
      return <Overview />;
    case "shards":
      return <Shards />;
    case "channels":
      return <Channels />;
    case "reshard":
      return <Reshard />;
    case "receipts":
      return <Receipts />;
    case "nodes":
      return <Nodes />;
    case "audit":
      return <Audit />;
  }
}
