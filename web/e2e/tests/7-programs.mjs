import assert from "node:assert/strict";
import { eventually } from "../person.mjs";

export const tests = {
  async "a webhook made in the side pane writes into the conversation; taken away it does not"(world) {
    const [a, b] = await Promise.all([world.person("Ada"), world.person("Bora")]);
    const id = await a.group("Works", [b]);
    await b.open(id);
    await a.page.goto(`${world.url}/c/${id}/info`);
    await a.page.getByLabel("Name of the webhook").fill("Builds");
    await a.page.getByRole("button", { name: "New webhook" }).click();
    const url = await a.page.getByLabel("Address of Builds").inputValue();
    assert.ok(url.startsWith(world.url), url);
    const post = (text) => fetch(url, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ text }) });
    assert.equal((await post("build 7 is green")).status, 201);
    await b.sees("build 7 is green");
    await b.page.locator("article.row").filter({ hasText: "build 7 is green" }).locator(".bot-mark").waitFor();
    await a.page.getByRole("button", { name: "Delete: Builds" }).click();
    await a.page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await a.page.getByText("None yet").waitFor();
    // The other nodes may take it for a moment more (P7).
    await eventually(() => post("build 8").then((r) => r.status), (status) => status >= 400);
  },

  async "a bot is made, speaks by its token, gets a new one, and is deleted"(world) {
    const [a, b] = await Promise.all([world.person("Ada"), world.person("Bora")]);
    await a.page.goto(`${world.url}/settings/programs`);
    await a.page.getByRole("button", { name: "New bot" }).click();
    const form = a.page.getByRole("dialog");
    await form.getByLabel("Name of the bot", { exact: true }).fill("Helper");
    await form.getByLabel("Login name of the bot").fill(`bot${process.pid}`);
    await form.getByRole("button", { name: "Create bot" }).click();
    const token = await a.page.getByLabel("Token of Helper").inputValue();
    const call = async (method, path, data, secret = token) => {
      const r = await fetch(`${world.url}/api/v1${path}`, {
        method, headers: { Authorization: `Bearer ${secret}`, "Content-Type": "application/json", "Idempotency-Key": crypto.randomUUID() }, body: JSON.stringify(data),
      });
      return { status: r.status, body: await r.json().catch(() => null) };
    };
    const { body: direct } = await call("POST", "/direct", { user: b.id });
    assert.equal((await call("POST", `/channels/${direct.id}/messages`, { body: "hello from a program" })).status, 201);
    await b.open(direct.id);
    await b.sees("hello from a program");

    const pick = async (item) => {
      await a.page.getByRole("button", { name: "Helper: More" }).click();
      await a.page.getByRole("menuitem", { name: item }).click();
    };
    await pick("New token");
    await a.page.getByRole("dialog").getByRole("button", { name: "New token" }).click();
    const next = a.page.getByLabel("Token of Helper");
    await a.page.waitForFunction((old) => document.querySelector(".fresh-row input")?.value !== old, token);
    await eventually(() => call("POST", `/channels/${direct.id}/messages`, { body: "with the old one" }).then((r) => r.status), (status) => status === 401);
    assert.equal((await call("POST", `/channels/${direct.id}/messages`, { body: "with the new one" }, await next.inputValue())).status, 201);
    await pick("Delete");
    await a.page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
    await a.page.getByText("No bots yet").waitFor();
  },
};
