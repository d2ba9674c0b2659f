import { Component, type ComponentChildren } from "preact";
import { t } from "../../i18n/index";
import { Button } from "../kit/button";
import { Empty } from "../kit/empty";

/** When a screen breaks, says so and offers to reload instead of going blank. */
export class Guard extends Component<{ children: ComponentChildren }, { broken: boolean }> {
  override state = { broken: false };

  static override getDerivedStateFromError(): { broken: boolean } {
    return { broken: true };
  }

  override componentDidCatch(err: unknown): void {
    console.error(err);
  }

  override render() {
    if (!this.state.broken) return this.props.children;
    return (
      <main class="starting">
        <Empty title={t("crashTitle")} text={t("crashText")}>
          <Button tone="accent" onClick={() => location.reload()}>
            {t("reload")}
          </Button>
        </Empty>
      </main>
    );
  }
}
