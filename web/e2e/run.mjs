// The browser client against a real system, in Debian's Chromium: `npm run e2e [part of a test's name]`.
// CHROMIUM and GORI_BIN say where the programs are.
import { readdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { PASSWORD, Person } from "./person.mjs";
import { startServer } from "./server.mjs";

/** Ends what hangs; a busy host may take its time. */
const LIMIT_MS = 300_000;
const only = process.argv[2] ?? "";
const here = fileURLToPath(new URL(".", import.meta.url));

async function load() {
  const tests = [];
  for (const file of (await readdir(`${here}tests`)).sort()) {
    if (!file.endsWith(".mjs")) continue;
    const m = await import(`./tests/${file}`);
    for (const [name, run] of Object.entries(m.tests)) if (`${file} ${name}`.includes(only)) tests.push({ name, run, limit: m.limitMs ?? LIMIT_MS });
  }
  return tests;
}

let made = 0;
const loginOf = (n) => `p${process.pid}.${n}`;

/** What a test gets: people with browsers of their own, thrown away afterwards. */
function worldOf(browser, server) {
  const { url } = server;
  const people = [];
  const world = {
    url, server, browser, people, shots: `${here}../test-results`,
    async browserFor(name, login, options = {}) {
      const context = await browser.newContext({ locale: "en-GB", viewport: { width: 1280, height: 800 }, ...options });
      const p = new Person(world, name, login, context);
      people.push(p);
      return p;
    },
    async person(name, options) {
      const p = await world.browserFor(name, loginOf(++made), options);
      return p.signUp();
    },
    async admin(options) {
      const p = await world.browserFor("Admin", loginOf(1), options);
      return p.logIn();
    },
    /** The same account in another browser: another device. */
    async device(person, options) {
      const p = await world.browserFor(`${person.name}'s other device`, person.login, options);
      return p.logIn();
    },
  };
  return world;
}

async function runOne(browser, server, test) {
  const world = worldOf(browser, server);
  const begun = Date.now();
  let timer;
  const limit = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`took more than ${test.limit / 1000} s`)), test.limit);
  });
  let error;
  try {
    await Promise.race([test.run(world), limit]);
    const faults = world.people.flatMap((p) => p.faults);
    if (faults.length > 0) throw new Error(`the page complained:\n  ${faults.slice(0, 5).join("\n  ")}`);
  } catch (err) {
    error = err;
    for (const [i, p] of world.people.entries()) {
      if (p.page) await p.shot(`failed-${test.name.replace(/\W+/g, "-")}-${i}`).catch(() => {});
    }
  }
  clearTimeout(timer);
  for (const p of world.people) await p.context.close().catch(() => {});
  const s = ((Date.now() - begun) / 1000).toFixed(1);
  console.log(`${error ? "FAIL" : "  ok"}  ${test.name} (${s} s)`);
  if (error) console.log(`      ${String(error.stack ?? error).split("\n").slice(0, 14).join("\n      ")}`);
  return !error;
}

const begun = Date.now();
const tests = await load();
const server = await startServer();
// Whoever comes first is the admin, whichever test runs first.
const first = await fetch(`${server.url}/api/v1/signup`, {
  method: "POST",
  headers: { "Content-Type": "application/json", Origin: server.url },
  body: JSON.stringify({ login_name: loginOf(++made), password: PASSWORD, display_name: "Admin", device_name: "e2e" }),
});
if (!first.ok) throw new Error(`the admin's account: ${first.status} ${await first.text()}`);
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
  ],
});
let failed = 0;
try {
  for (const t of tests) if (!(await runOne(browser, server, t))) failed++;
} finally {
  await browser.close();
  if (failed > 0) console.log(`      gori up said at last:\n${server.output()}`);
  await server.stop();
}
console.log(`e2e: ${tests.length - failed} of ${tests.length} passed in ${((Date.now() - begun) / 1000).toFixed(0)} s`);
process.exit(failed > 0 || tests.length === 0 ? 1 : 0);
