// A person at a browser, and the few things such a person does.
import { mkdirSync } from "node:fs";

export const PASSWORD = "correct horse battery";

/** Ends a wait for what does not come; a busy host may take its time. */
export const WAIT_MS = 90_000;

/** What a page may say on the console while the network is taken away on purpose. */
const NETWORK_NOISE = /net::ERR_|Failed to load resource|WebSocket connection/;

export class Person {
  constructor(world, name, login, context) {
    Object.assign(this, { world, name, login, context, id: "", node: "", sockets: [], faults: [] });
  }

  /** A new tab of this browser. */
  async tab(path = "/") {
    const page = await this.context.newPage();
    page.setDefaultTimeout(WAIT_MS);
    page.on("pageerror", (e) => this.faults.push(`${this.name}: ${e.message}`));
    page.on("console", (m) => {
      if (m.type() === "error" && !NETWORK_NOISE.test(m.text())) this.faults.push(`${this.name}: ${m.text()}`);
    });
    page.on("websocket", (ws) => {
      this.node = /\/n\/([^/]+)\/ws/.exec(ws.url())?.[1] ?? this.node;
      this.sockets.push({ node: this.node, at: Date.now() });
    });
    await page.goto(this.world.url + path, { waitUntil: "domcontentloaded" });
    this.page = page;
    return page;
  }

  /** Makes the account by the API (the form has a test of its own) and opens the app. */
  async signUp() {
    const a = await this.call("POST", "/signup", { login_name: this.login, password: PASSWORD, display_name: this.name, device_name: "e2e" });
    this.id = a.me.id;
    await this.remember();
    await this.tab();
    return this;
  }

  async logIn() {
    const a = await this.call("POST", "/login", { login_name: this.login, password: PASSWORD, device_name: "e2e" });
    this.id = a.me.id;
    await this.remember();
    await this.tab();
    return this;
  }

  /** The node that this browser's socket is on. */
  async onNode() {
    for (let i = 0; this.node === "" && i < WAIT_MS / 50; i++) await new Promise((done) => setTimeout(done, 50));
    return this.node;
  }

  async remember() {
    await this.context.addInitScript(`try { if (!sessionStorage.e2e) { sessionStorage.e2e = 1; localStorage.setItem("gori.account", "${this.id}"); } } catch {}`);
  }

  async call(method, path, data, headers = {}) {
    const r = await this.context.request.fetch(`${this.world.url}/api/v1${path}`, {
      timeout: WAIT_MS, method, headers: { Origin: this.world.url, ...headers }, ...(data === undefined ? {} : { data }),
    });
    if (!r.ok()) throw new Error(`${method} ${path}: ${r.status()} ${await r.text()}`);
    return r.status() === 204 ? null : r.json();
  }

  /** Sends as a program does. */
  async post(channel, data) {
    return this.call("POST", `/channels/${channel}/messages`, data, { "Idempotency-Key": crypto.randomUUID() });
  }

  async direct(other) {
    return (await this.call("POST", "/direct", { user: other.id })).id;
  }

  async group(name, others) {
    return (await this.call("POST", "/channels", { key: crypto.randomUUID(), name, members: others.map((o) => o.id) })).id;
  }

  async befriend(other) {
    await this.call("PUT", `/friends/${other.id}`, {});
    await other.call("PUT", `/friends/${this.id}`, {});
  }

  async open(channel, page = this.page) {
    await page.goto(`${this.world.url}/c/${channel}`, { waitUntil: "domcontentloaded" });
    await this.composer(page).waitFor();
  }

  composer(page = this.page) {
    return page.locator(".composer textarea").first();
  }

  async say(text, page = this.page) {
    const box = this.composer(page);
    await box.fill(text);
    await box.press("Enter");
  }

  /** The row of a stored message with this text. */
  message(text, page = this.page) {
    return page.locator("article.row:not(.waiting)").filter({ hasText: text });
  }

  waiting(text, page = this.page) {
    return page.locator("article.row.waiting").filter({ hasText: text });
  }

  async sees(text, page = this.page) {
    await this.message(text, page).first().waitFor();
  }

  /** The texts of the conversation in the order of the screen. */
  texts(page = this.page) {
    return page.locator(".timeline article.row .body, main article.row .body").allInnerTexts();
  }

  channelRow(name, page = this.page) {
    return page.locator(".channel-row").filter({ hasText: name }).first();
  }

  async shot(file, page = this.page) {
    mkdirSync(this.world.shots, { recursive: true });
    await page.screenshot({ path: `${this.world.shots}/${file}.png` });
  }
}

/** Waits until `look` gives something that `fits`. */
export async function eventually(look, fits, ms = WAIT_MS) {
  const until = Date.now() + ms;
  for (;;) {
    const seen = await look();
    if (fits(seen)) return seen;
    if (Date.now() > until) throw new Error(`waited ${ms / 1000} s, last seen: ${JSON.stringify(seen)}`);
    await new Promise((done) => setTimeout(done, 100));
  }
}
