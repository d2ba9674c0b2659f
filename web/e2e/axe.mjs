// Accessibility of a page as it stands.
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

// The page allows no scripts from elsewhere, so axe is run as the debugger would, not injected into it.
const axe = createRequire(import.meta.url).resolve("axe-core/axe.min.js");

/** What axe finds that is serious or worse. */
export async function serious(page) {
  const cdp = await page.context().newCDPSession(page);
  const run = async (expression) => {
    const { result, exceptionDetails } = await cdp.send("Runtime.evaluate", { expression, awaitPromise: true, returnByValue: true });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  // What is on its way in is not yet to be judged.
  await run(`Promise.all(document.getAnimations().filter((a) => a.effect?.getComputedTiming().endTime !== Infinity).map((a) => a.finished.catch(() => 0))).then(() => 1)`);
  await run(`if (!window.axe) { ${await readFile(axe, "utf8")} }; 1`);
  const found = await run(
    `axe.run(document, { resultTypes: ["violations"] }).then((r) => r.violations.filter((v) => v.impact === "serious" || v.impact === "critical")
      .map((v) => v.id + ": " + v.nodes.slice(0, 3).map((n) => n.target.join(" ") + " — " + (n.any[0]?.message ?? n.all[0]?.message ?? n.none[0]?.message ?? "")).join(" | ")))`,
  );
  await cdp.detach();
  return found;
}
