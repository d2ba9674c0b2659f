import assert from "node:assert/strict";
import { eventually } from "../person.mjs";
import { fakeSubscription, startPushService, worker } from "../push-service.mjs";

async function withPush(world, options = {}) {
  const service = await startPushService();
  const a = await world.browserFor("Ada", `push${process.pid}${Math.floor(Math.random() * 1e6)}`, options);
  await a.context.grantPermissions(["notifications"], { origin: world.url });
  await a.context.addInitScript(fakeSubscription(service.subscription));
  await a.signUp();
  return { a, service };
}

const push = (channel, seq, more = {}) =>
  ({ v: 1, kind: "message", channel, seq, title: "Bora", sender: "Bora", body: `line ${seq}`, count: 1, badge: 1, at: Date.now(), ...more });

export const tests = {
  async "notifications are turned on by a person, pushes are shown once, cleared by reading, and lead to their message"(world) {
    const { a, service } = await withPush(world);
    const b = await world.person("Bora");
    try {
      const id = await a.direct(b);
      for (let i = 1; i <= 14; i++) await b.post(id, { body: `line ${i} of many` });
      const page = a.page;
      await page.waitForFunction(() => document.title.startsWith("(14)"));
      assert.equal(await page.locator('link[rel="icon"]').getAttribute("href"), "/icon-unread.svg");
      assert.equal(await page.evaluate(async () => (await navigator.serviceWorker.getRegistrations()).length), 0, "nothing is set up unasked");

      await page.goto(`${world.url}/settings/notifications`);
      await page.getByRole("button", { name: "Turn on" }).click();
      await page.getByText("Notifications are on").waitFor();
      await page.locator(".session-list").getByText("This device").waitFor();
      await page.getByRole("button", { name: /^Send a test/ }).click();
      const test = await service.next((d) => d.kind === "test");
      const sw = await worker(page);
      await sw.push(test);
      await page.getByText("The test has arrived.").waitFor();

      await page.goto(`${world.url}/people`);
      await page.getByRole("heading", { name: "People" }).first().waitFor();
      await sw.push(push(id, 5));
      await sw.push(push(id, 9, { count: 2 }));
      await sw.push(push(id, 7));
      const about = (n) => n.tag === `c/${id}`;
      const shown = await eventually(sw.notes, (list) => list.some((n) => about(n) && n.data.seq === 9));
      assert.deepEqual(shown.filter(about), [{ title: "Bora (2)", body: "line 9", tag: `c/${id}`, data: { channel: id, seq: 9, path: `/c/${id}/m/9` } }]);

      await sw.touch(`c/${id}`);
      await page.waitForURL(`${world.url}/c/${id}`);
      const target = page.locator("article.row.flash").filter({ hasText: "line 9 of many" });
      await target.waitFor();
      assert.ok(await target.evaluate((el) => {
        const box = el.getBoundingClientRect();
        return box.top >= 0 && box.bottom <= innerHeight;
      }));

      // While the conversation is before one's eyes there is nothing to tell.
      await sw.push(push(id, 15));
      await page.waitForTimeout(1_500);
      await page.goto(`${world.url}/c/${id}/m/3`);
      await page.locator("article.row.flash").filter({ hasText: "line 3 of many" }).waitFor();
      assert.deepEqual((await sw.notes()).filter(about), []);

      // What is read here needs no notification.
      await page.goto(`${world.url}/people`);
      await b.post(id, { body: "line 15, at last" });
      await sw.push(push(id, 16));
      await eventually(sw.notes, (list) => list.some(about));
      await b.post(id, { body: "line 16, at last" });
      await a.open(id);
      await a.sees("line 16, at last");
      await page.keyboard.press("End");
      await eventually(sw.notes, (list) => !list.some(about));
      await page.waitForFunction(() => !document.title.startsWith("("));
      assert.equal(await page.locator('link[rel="icon"]').getAttribute("href"), "/icon.svg");
    } finally {
      await service.stop();
    }
  },

  async "a message to somebody who is away comes as a push, once, in their language, and opens; logging out ends it"(world) {
    const { a, service } = await withPush(world, { locale: "ko-KR" });
    const b = await world.person("Bora");
    try {
      const id = await b.direct(a);
      const page = a.page;
      await page.goto(`${world.url}/settings/notifications`);
      await page.getByRole("button", { name: "알림 켜기" }).click();
      await page.getByText("알림을 받고 있어요").waitFor();
      const sw = await worker(page);
      await page.goto(`${world.url}/sw.js`); // the app is closed, the browser is not
      await b.post(id, { body: "어디예요?" });
      const data = await service.next((d) => d.kind === "message");
      assert.equal(data.channel, id);
      assert.equal(data.body, "어디예요?");
      await sw.push(data);
      const [note] = await eventually(sw.notes, (list) => list.length > 0);
      assert.deepEqual([note.title, note.body], ["Bora", "어디예요?"]);
      await page.goto(world.url + note.data.path);
      await page.locator("article.row.flash").filter({ hasText: "어디예요?" }).waitFor();
      assert.equal(service.got.filter((p) => p.data.kind === "message").length, 1);

      await page.goto(`${world.url}/settings/profile`);
      await page.getByRole("button", { name: "로그아웃" }).click();
      await page.getByRole("dialog").getByRole("button", { name: "로그아웃" }).click();
      await page.getByLabel("아이디").waitFor();
      assert.deepEqual(await page.evaluate(async () => [localStorage.getItem("e2e.push"), (await indexedDB.databases()).map((d) => d.name)]), [null, []]);
    } finally {
      await service.stop();
    }
  },
};
