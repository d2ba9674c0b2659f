// Builds the parts and renders the app; the only place that knows all of them.
import { render } from "preact";
import { App } from "./ui/App";

async function start(root: HTMLElement): Promise<void> {
  if (import.meta.env.DEV && location.search.includes("fixture")) {
    const { installFixture } = await import("./dev/fixture");
    installFixture(location.search);
  }
  render(<App />, root);
}

const root = document.getElementById("app");
if (root) void start(root);
