import { signal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { Button } from "../kit/button";
import { Empty, Later } from "../kit/empty";
import { Mark } from "../kit/mark";
import type { AdminTab } from "./route";

const page = signal<ComponentType<{ tab?: AdminTab | undefined }> | null>(null);

/** The admin pages, whose code most people never load. */
export function AdminDoor({ tab }: { tab?: AdminTab | undefined }) {
  const [failed, setFailed] = useState(false);
  const load = (): void => {
    setFailed(false);
    import("../admin/page").then((m) => (page.value = m.AdminPage), () => setFailed(true));
  };
  useEffect(() => {
    if (page.value === null) load();
  }, []);
  const Page = page.value;
  if (Page !== null) return <Page tab={tab} />;
  if (failed) {
    return (
      <Empty title={t("errNetwork")}>
        <Button onClick={load}>{t("retry")}</Button>
      </Empty>
    );
  }
  return (
    <Later>
      <div class="starting" role="status" aria-label={t("loading")}>
        <Mark size={40} turning />
      </div>
    </Later>
  );
}
