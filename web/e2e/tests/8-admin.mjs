import assert from "node:assert/strict";
import { serious } from "../axe.mjs";

/** A reshard is as fast as the machine. */
export const limitMs = 600_000;

const TABS = ["/admin", "/admin/shards", "/admin/channels", "/admin/reshard", "/admin/receipts", "/admin/nodes", "/admin/audit"];

async function sweep(world, options) {
  const admin = await world.admin(options);
  const all = [];
  await admin.page.goto(`${world.url}/admin`);
  for (const tab of TABS) {
    await admin.page.locator(`.admin-tabs a[href="${tab}"]`).click();
    await admin.page.locator(`.admin-tabs a[href="${tab}"][aria-current]`).waitFor();
    await admin.page.locator(".admin-body :is(.ring, .lanes, .empty, form, table, .admin-none)").first().waitFor();
    await admin.page.waitForTimeout(300);
    const over = await admin.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    if (over > 0) all.push(`${tab} is ${over} px too wide`);
    all.push(...(await serious(admin.page)).map((f) => `${tab} ${f}`));
  }
  assert.deepEqual(all, []);
}

/** Waits until no reshard is under way; one that stopped by itself is told to go on. */
async function settled(admin, ms) {
  const until = Date.now() + ms;
  for (;;) {
    const status = await admin.call("GET", "/admin/reshard");
    if (status.plan === undefined) return;
    if (Date.now() > until) throw new Error(`the reshard goes on: ${JSON.stringify({ ...status, pauses: status.pauses.length })}`);
    if (status.plan.paused) await admin.call("POST", "/admin/reshard", { action: "resume", version: status.version });
    await new Promise((done) => setTimeout(done, 500));
  }
}

export const tests = {
  async "admin: axe finds nothing serious on the admin pages: English, light"(world) {
    await sweep(world, { locale: "en-GB", colorScheme: "light" });
  },
  async "admin: nor on a phone: Korean, dark"(world) {
    await sweep(world, { locale: "ko-KR", colorScheme: "dark", viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  },
  async "admin: by keyboard: the tabs are near, each says in the title where one is, and nothing moves for who wants it still"(world) {
    const { page } = await world.admin({ locale: "en-GB", reducedMotion: "reduce" });
    await page.goto(`${world.url}/admin`);
    await page.locator(".ring").waitFor();
    let stops = 0;
    do await page.keyboard.press("Tab");
    while (++stops < 15 && !(await page.evaluate(() => document.activeElement?.matches(".admin-tab[aria-current]") === true)));
    assert.ok(stops < 15, "the tabs are far from the beginning");
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/admin/shards");
    await page.waitForFunction(() => document.title.includes("Shards · Administration"));
    await page.locator(".admin-body table, .admin-body .lanes").first().waitFor();
    const moving = await page.evaluate(() => document.getAnimations().filter((x) => x.playState === "running").length);
    assert.equal(moving, 0);
  },
  async "admin: others neither see the pages nor their data"(world) {
    await world.admin();
    const p = await world.person("Curious");
    await p.page.goto(`${world.url}/settings`);
    await p.page.getByRole("button", { name: "Log out" }).waitFor();
    assert.equal(await p.page.getByRole("button", { name: "Administration" }).count(), 0);
    await p.page.goto(`${world.url}/admin`);
    await p.page.getByText("This is for admins").waitFor();
    for (const path of ["/admin/ring", "/admin/audit", "/admin/receipts"]) await assert.rejects(p.call("GET", path), /403/);
    await assert.rejects(p.call("POST", "/admin/reshard", { action: "pause", version: 1 }), /403/);
  },
  async "admin: a shard is added from the page while people chat, and the page shows its partitions, its receipt and who ordered it"(world) {
    const admin = await world.admin();
    const [a, b] = [await world.person("Adam"), await world.person("Bea")];
    const id = await a.group("while it moves", [b]);
    await a.open(id);
    await b.open(id);
    const page = admin.page;
    await page.goto(`${world.url}/settings`);
    await page.getByRole("button", { name: "Administration" }).click();
    await page.getByText("2 shards keep 1,021 partitions").first().waitFor();
    await page.locator(".ring").focus();
    await page.keyboard.press("ArrowRight");
    await page.locator(".ring-told", { hasText: /Partition \d+: shard [ab]/ }).waitFor();
    await page.getByRole("link", { name: "Reshard" }).click();
    await page.getByRole("button", { name: "Preview" }).click();
    await page.getByText(/340 partitions move/).waitFor();
    await page.locator(".preview").getByRole("button", { name: "Start" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Start" }).click();
    // With so little to move it may be over before it was seen.
    await page.getByRole("heading", { name: "Shard c is joining" }).or(page.getByRole("heading", { name: "The last reshard" })).waitFor();
    for (let i = 0; i < 10; i++) await a.say(`meanwhile ${i}`);
    await b.sees("meanwhile 9");
    await settled(admin, 400_000);
    await page.getByRole("link", { name: "Overview" }).click();
    await page.getByText("3 shards keep 1,021 partitions").first().waitFor();
    const { seats, owner } = await admin.call("GET", "/admin/ring");
    assert.deepEqual(seats.map((s) => [s.id, s.partitions]), [["a", 340], ["b", 341], ["c", 340]]);
    assert.equal(owner.filter((o) => o === 2).length, 340);
    await page.getByRole("link", { name: "Receipts" }).click();
    await page.getByText("Every row equal on both sides, no gaps").first().waitFor();
    // It goes on when the page is left.
    await page.getByRole("button", { name: "Verify", exact: true }).first().click();
    await page.locator(".check").first().waitFor();
    await page.getByRole("link", { name: "Nodes" }).click();
    await page.getByRole("link", { name: "Receipts" }).click();
    await page.getByText(/All as it was: [\d,]+ messages? in [\d,]+ channels? compared again/).first().waitFor();
    await page.getByRole("link", { name: "Audit log" }).click();
    await page.getByText("added a shard").first().waitFor();
    await page.getByText("verified a receipt").first().waitFor();
    await b.say("and after");
    await a.sees("and after");
    const texts = (await b.texts()).filter((x) => x.startsWith("meanwhile"));
    assert.deepEqual(texts, Array.from({ length: 10 }, (_, i) => `meanwhile ${i}`));
  },
};
