import assert from "node:assert/strict";
import { PASSWORD } from "../person.mjs";

export const tests = {
  async "sign up by the form, log out, log in again"(world) {
    const p = await world.browserFor("Mina", `mina${process.pid}`);
    const page = await p.tab();
    await page.getByRole("button", { name: /create account/i }).last().or(page.getByRole("tab", { name: /create account/i })).first().click();
    await page.getByLabel("Your name").fill("Mina Kim");
    await page.getByLabel("Login name").fill(p.login);
    await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await page.locator("form button[type=submit]").click();
    await page.locator(".channel-list, nav").first().waitFor();
    await page.goto(`${world.url}/settings/sessions`);
    await page.reload();
    await page.goto(`${world.url}/settings`);
    await page.getByRole("button", { name: "Log out" }).first().click();
    await page.getByRole("dialog").getByRole("button", { name: "Log out" }).click();
    await page.getByLabel("Login name").waitFor();
    const names = await page.evaluate(async () => (await indexedDB.databases()).map((d) => d.name));
    assert.deepEqual(names, [], "logging out removes what the browser kept");
    await page.getByLabel("Login name").fill(p.login);
    await page.getByLabel("Password", { exact: true }).fill("wrong password");
    await page.locator("form button[type=submit]").click();
    await page.getByRole("alert").waitFor();
    await page.getByLabel("Password", { exact: true }).fill(PASSWORD);
    await page.locator("form button[type=submit]").click();
    await page.locator(".channel-list, nav").first().waitFor();
    p.faults = p.faults.filter((f) => !/401/.test(f));
  },

  async "two people chat; the unread badge and the read count fall to nothing"(world) {
    const [a, b] = await Promise.all([world.person("Ada"), world.person("Bora")]);
    const id = await a.direct(b);
    await a.open(id);
    await a.say("hello Bora");
    await a.sees("hello Bora");
    await b.channelRow("Ada").locator(".badge").waitFor();
    assert.equal((await b.channelRow("Ada").locator(".badge").innerText()).trim(), "1");
    await a.message("hello Bora").locator(".beside").getByText("1", { exact: true }).waitFor();
    await b.channelRow("Ada").click();
    await b.sees("hello Bora");
    await b.channelRow("Ada").locator(".badge").waitFor({ state: "detached" });
    await a.message("hello Bora").locator(".beside").getByText("1", { exact: true }).waitFor({ state: "detached" });
    await b.say("hello Ada");
    await a.sees("hello Ada");
    await b.composer().pressSequentially("typing…");
    await a.page.getByText("Bora is typing").first().waitFor();
  },

  async "a group of three: everyone hears everyone, in one order; the count goes 2, 1, nothing"(world) {
    const [a, b, c] = await Promise.all([world.person("Ada"), world.person("Bora"), world.person("Chan")]);
    const id = await a.group("Hikers", [b, c]);
    await a.open(id);
    await a.say("where to?");
    await a.message("where to?").locator(".beside").getByText("2", { exact: true }).waitFor();
    await b.open(id);
    await b.sees("where to?");
    await a.message("where to?").locator(".beside").getByText("1", { exact: true }).waitFor();
    await c.open(id);
    await a.message("where to?").locator(".beside").getByText("1", { exact: true }).waitFor({ state: "detached" });
    await Promise.all([a.say("one"), b.say("two"), c.say("three")]);
    for (const p of [a, b, c]) for (const text of ["one", "two", "three"]) await p.sees(text);
    const orders = await Promise.all([a, b, c].map((p) => p.texts()));
    assert.deepEqual(orders[1], orders[0]);
    assert.deepEqual(orders[2], orders[0]);
  },

  async "edit, react, reply, thread, delete"(world) {
    const [a, b] = await Promise.all([world.person("Ada"), world.person("Bora")]);
    const id = await a.group("Works", [b]);
    await a.open(id);
    await b.open(id);
    await a.say("teh plan");
    await b.sees("teh plan");
    const act = async (p, text, label) => {
      await p.message(text).first().locator(".bubble").first().hover();
      await p.message(text).first().locator(".hover-bar").getByRole("button", { name: label, exact: true }).click();
    };
    await act(a, "teh plan", "Edit");
    const box = a.page.locator("article.row textarea");
    await box.fill("the plan");
    await box.press("Enter");
    await b.sees("the plan");
    await b.message("the plan").getByText("edited").waitFor();

    await act(b, "the plan", "React");
    await b.page.locator(".emoji-button").first().click();
    await a.message("the plan").locator(".chip, .reaction, .reactions button").first().waitFor();

    await act(b, "the plan", "Reply");
    await b.say("I like it");
    await a.sees("I like it");

    await act(b, "the plan", "Reply in thread");
    const thread = b.page.getByPlaceholder("Reply in this thread");
    await thread.fill("a detail");
    await thread.press("Enter");
    await a.message("the plan").first().getByText("1 reply").waitFor();
    await a.message("the plan").first().getByText("1 reply").click();
    await a.page.locator("article.row").filter({ hasText: "a detail" }).waitFor();

    await a.page.keyboard.press("Escape");
    await a.message("the plan").first().locator(".bubble").first().hover();
    await a.message("the plan").first().locator(".hover-bar").getByRole("button", { name: "More" }).click();
    await a.page.getByRole("menuitem", { name: "Delete" }).click();
    await a.page.getByRole("button", { name: "Delete for everyone" }).click();
    await b.page.getByText("Deleted message").first().waitFor();
  },
};
