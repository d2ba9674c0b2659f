import { Copy } from "lucide-preact";
import { t } from "../../i18n/index";
import { copy } from "../conversation/copy";
import { IconButton } from "./button";

/** A secret that is shown once, to be copied. */
export function Once({ label, value }: { label: string; value: string }) {
  return (
    <div class="fresh-link" role="status">
      <p class="meta">
        <strong>{label}</strong> {t("shownOnce")}
      </p>
      <div class="fresh-row">
        <input readOnly value={value} aria-label={label} onFocus={(e) => e.currentTarget.select()} />
        <IconButton icon={Copy} label={t("copy")} onClick={() => void copy(value)} />
      </div>
    </div>
  );
}
