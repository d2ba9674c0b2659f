import assert from "node:assert/strict";
import { serious } from "../axe.mjs";

async function furnished(world, options) {
  const [a, b] = await Promise.all([world.person("하나", options), world.person("Bora")]);
  await a.befriend(b);
  const id = await a.group("제품 팀", [b]);
  await b.open(id);
  await b.say("다들 내일 회의 몇 시에 볼까요?");
  await b.say("**10시** 어때요? `gori up` https://example.org");
  await b.sees("10시");
  await a.open(id);
  await a.composer().fill("좋아요 👍");
  await a.page.getByRole("button", { name: /^(Send|보내기)$/ }).click(); // on touch Enter is a new line
  await a.sees("좋아요");
  return { a, b, id };
}

const views = (id) => ["/", `/c/${id}`, `/c/${id}/members`, `/c/${id}/info`, "/people", "/settings/profile", "/settings/notifications",
  "/settings/appearance", "/settings/sessions", "/settings/programs"];

async function sweep(world, options) {
  const { a, id } = await furnished(world, options);
  const all = [];
  for (const path of views(id)) {
    await a.page.goto(world.url + path);
    await a.page.locator("main, nav").first().waitFor();
    await a.page.waitForTimeout(500);
    const found = await serious(a.page);
    all.push(...found.map((f) => `${path} ${f}`));
  }
  assert.deepEqual(all, []);
}

export const tests = {
  async "keys: Tab stops once in the list of conversations, and arrows move in it"(world) {
    const [a, b] = await Promise.all([world.person("Ada", { locale: "en-GB" }), world.person("Ben")]);
    const ids = [];
    for (const name of ["one", "two", "three"]) ids.push(await a.group(name, [b]));
    await a.open(ids[1]);
    const { page } = a;
    const onRow = () => page.evaluate(() => document.activeElement?.closest(".channel-row")?.querySelector(".channel-name")?.textContent ?? null);
    const stops = [];
    await page.locator('.channel-row[aria-current][tabindex="0"]').waitFor();
    await page.waitForFunction(() => document.querySelectorAll(".channel-row").length === 3);
    await page.getByRole("button", { name: "Start a conversation" }).focus();
    for (let i = 0; i < 12; i++) {
      await page.keyboard.press("Tab");
      if ((await onRow()) !== null) stops.push(await onRow());
      if (await page.evaluate(() => document.activeElement?.closest("main") !== null)) break;
    }
    assert.deepEqual(stops, ["two"], "the open one is the only stop");
    assert.ok(await page.evaluate(() => document.activeElement?.closest("main") !== null), "the conversation is a few stops away");
    await page.locator(".channel-row[aria-current]").focus();
    const order = await page.locator(".channel-row .channel-name").allTextContents();
    await page.keyboard.press("Home");
    assert.equal(await onRow(), order[0]);
    await page.keyboard.press("ArrowDown");
    assert.equal(await onRow(), order[1]);
    await page.keyboard.press("End");
    assert.equal(await onRow(), order.at(-1));
    await page.keyboard.press("Enter");
    await page.waitForFunction((name) => document.title.startsWith(name), order.at(-1));
  },
  async "axe finds nothing serious: English, light"(world) {
    await sweep(world, { locale: "en-GB", colorScheme: "light" });
  },
  async "axe finds nothing serious: Korean, dark"(world) {
    await sweep(world, { locale: "ko-KR", colorScheme: "dark" });
  },
  async "axe finds nothing serious: the door, in both languages and themes"(world) {
    for (const [locale, colorScheme] of [["en-GB", "light"], ["ko-KR", "dark"], ["ko-KR", "light"], ["en-GB", "dark"]]) {
      const p = await world.browserFor("Nobody", "nobody", { locale, colorScheme });
      const page = await p.tab();
      await page.locator("form input").first().waitFor();
      assert.deepEqual(await serious(page), []);
    }
  },
  async "phone width: list, conversation, back; nothing is wider than the screen"(world) {
    const { a, id } = await furnished(world, { locale: "ko-KR", viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
    for (const path of views(id)) {
      await a.page.goto(world.url + path);
      await a.page.locator("main, nav").first().waitFor();
      await a.page.waitForTimeout(300);
      const over = await a.page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      assert.ok(over <= 0, `${path} is ${over} px too wide`);
    }
    await a.page.goto(`${world.url}/`);
    await a.channelRow("제품 팀").click();
    await a.composer().waitFor();
    await a.sees("좋아요");
    await a.page.goBack();
    await a.channelRow("제품 팀").waitFor();
  },
  async "the page keeps its own policy: no inline script or style, no HTML from strings"(world) {
    const r = await fetch(`${world.url}/`);
    const policy = r.headers.get("content-security-policy") ?? "";
    for (const part of ["script-src 'self'", "style-src 'self'", "require-trusted-types-for 'script'"]) assert.ok(policy.includes(part), `${part} is missing in: ${policy}`);
    assert.ok(!policy.includes("unsafe"), policy);
    const html = await r.text();
    assert.ok(!/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/i.test(html), html);
  },
};
