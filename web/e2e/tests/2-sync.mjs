import assert from "node:assert/strict";
import { WAIT_MS, eventually } from "../person.mjs";

const waits = (person, text, page) => person.waiting(text, page).first().waitFor();

export const tests = {
  async "offline: messages wait and are sent in order when the network is back"(world) {
    const [a, b] = await Promise.all([world.person("Ada"), world.person("Bora")]);
    const id = await a.direct(b);
    await a.open(id);
    await b.open(id);
    await a.say("before");
    await b.sees("before");
    await a.context.setOffline(true);
    for (const text of ["first", "second", "third"]) await a.say(text);
    await waits(a, "third");
    await b.say("meanwhile");
    await b.sees("meanwhile");
    assert.equal(await b.message("first").count(), 0);
    await a.context.setOffline(false);
    for (const p of [a, b]) for (const text of ["first", "second", "third", "meanwhile"]) await p.sees(text);
    await a.waiting("").first().waitFor({ state: "detached" });
    const own = (await a.texts()).filter((t) => ["first", "second", "third"].includes(t.trim())).map((t) => t.trim());
    assert.deepEqual(own, ["first", "second", "third"]);
    assert.deepEqual(await a.texts(), await b.texts());
  },

  async "a reload keeps what waits; the cache is there without a network"(world) {
    const [a, b] = await Promise.all([world.person("Ada"), world.person("Bora")]);
    const id = await a.direct(b);
    await a.open(id);
    await b.open(id);
    await a.say("kept");
    await a.sees("kept");
    // The page itself must load while the API is away, so the API alone is cut.
    await a.context.route(/\/api\/v1\//, (r) => r.abort());
    await a.context.setOffline(true);
    await a.say("waits through a reload");
    await waits(a, "waits through a reload");
    await a.context.setOffline(false);
    await a.page.reload();
    await a.sees("kept");
    await waits(a, "waits through a reload");
    await a.context.unroute(/\/api\/v1\//);
    await b.sees("waits through a reload");
    await a.sees("waits through a reload");
    assert.equal(await b.message("waits through a reload").count(), 1);
  },

  async "two devices of one person converge"(world) {
    const [a, b] = await Promise.all([world.person("Ada"), world.person("Bora")]);
    const id = await a.direct(b);
    const phone = await world.device(a);
    await a.open(id);
    await a.say("from the desk");
    await phone.open(id);
    await phone.sees("from the desk");
    await phone.say("from the phone");
    await a.sees("from the phone");
    await phone.page.goto(`${world.url}/`);
    await b.open(id);
    await b.say("to both");
    await a.sees("to both");
    // Read on one device: the badge is gone on the other.
    await phone.channelRow("Bora").getByText("to both").waitFor();
    await phone.channelRow("Bora").locator(".badge").waitFor({ state: "detached" });
    await phone.context.setOffline(true);
    for (let i = 0; i < 5; i++) await b.say(`missed ${i}`);
    await a.sees("missed 4");
    await phone.context.setOffline(false);
    await phone.open(id);
    await phone.sees("missed 4");
    assert.deepEqual(await phone.texts(), await a.texts());
  },

  async "two tabs share one socket; when the one that leads closes, the other takes over"(world) {
    const [a, b] = await Promise.all([world.person("Ada"), world.person("Bora")]);
    const id = await a.direct(b);
    const sockets = new Map();
    const watch = (page) => page.on("websocket", (ws) => {
      sockets.set(ws, page);
      ws.on("close", () => sockets.delete(ws));
    });
    const first = a.page;
    watch(first);
    await a.open(id, first);
    await b.open(id);
    const second = await a.context.newPage();
    second.setDefaultTimeout(WAIT_MS);
    watch(second);
    await a.open(id, second);
    await a.say("through the other tab's socket", second);
    await b.sees("through the other tab's socket");
    await a.sees("through the other tab's socket", first);
    assert.deepEqual([...sockets.values()], [first], "one socket, in the first tab");
    await first.close();
    await b.say("still there?");
    await a.sees("still there?", second);
    await a.say("yes", second);
    await b.sees("yes");
    a.page = second;
  },

  async "a long history: scrolling up loads older messages, nothing is missing"(world) {
    const [a, b] = await Promise.all([world.person("Ada"), world.person("Bora")]);
    const id = await a.direct(b);
    for (let i = 1; i <= 150; i++) {
      await a.post(id, { body: `line ${i} of many` });
    }
    await a.open(id);
    await a.sees("line 150 of many");
    await a.page.locator("article.row").last().hover();
    await eventually(async () => {
      await a.page.mouse.wheel(0, -1500);
      return a.message("line 1 of many").count();
    }, (n) => n > 0);
  },

  async "a login revoked elsewhere ends here, and takes the cache with it"(world) {
    const a = await world.person("Ada");
    const other = await world.device(a);
    await other.page.locator(".composer, .channel-list, nav").first().waitFor();
    await a.call("POST", "/logins/revoke_others", {});
    await other.page.getByLabel("Login name").waitFor();
    const left = () => other.page.evaluate(async () => {
      const name = (await indexedDB.databases()).find((d) => /^gori-\d/.test(d.name))?.name;
      if (!name) return 0;
      const db = await new Promise((done, fail) => {
        const r = indexedDB.open(name);
        r.onsuccess = () => done(r.result);
        r.onerror = () => fail(r.error);
      });
      const stores = ["messages", "entries", "people", "meta"];
      if (!stores.every((s) => db.objectStoreNames.contains(s))) {
        db.close(); // it has just been deleted
        return 0;
      }
      const t = db.transaction(stores);
      const counts = await Promise.all(stores.map((s) => new Promise((done) => (t.objectStore(s).count().onsuccess = (e) => done(e.target.result)))));
      db.close();
      return counts.reduce((x, y) => x + y, 0);
    });
    await eventually(left, (n) => n === 0);
  },

  async "all nodes are killed while people chat: nothing is lost, nothing comes twice"(world) {
    const [a, b] = await Promise.all([world.person("Ada"), world.person("Bora")]);
    const id = await a.direct(b);
    await a.open(id);
    await b.open(id);
    const said = [];
    for (let i = 0; i < 12; i++) {
      said.push(`message number ${i}.`);
      await a.say(said[i]);
      if (i === 5) await world.server.kill();
    }
    await b.message("message number 11.").waitFor();
    await a.sees("message number 11.");
    for (const p of [a, b]) assert.deepEqual((await p.texts()).map((t) => t.trim()), said);
  },

  async "a mention is counted apart; who is taken out of a group has nothing of it left"(world) {
    const [a, b] = await Promise.all([world.person("Ada"), world.person("Bora")]);
    const id = await a.group("Secrets", [b]);
    await a.post(id, { body: "look here", mentions: [b.id] });
    await b.channelRow("Secrets").getByLabel("1 mention of you").waitFor();
    await b.open(id);
    await b.sees("look here");
    await b.channelRow("Secrets").locator(".badge").first().waitFor({ state: "detached" });
    await a.call("DELETE", `/channels/${id}/members/${b.id}`);
    await b.channelRow("Secrets").waitFor({ state: "detached" });
    assert.equal(await b.message("look here").count(), 0);
    const kept = () => b.page.evaluate(async () => {
      const db = await new Promise((done) => {
        indexedDB.databases().then((all) => (indexedDB.open(all.find((d) => /^gori-\d/.test(d.name)).name).onsuccess = (e) => done(e.target.result)));
      });
      const n = await new Promise((done) => (db.transaction("messages").objectStore("messages").count().onsuccess = (e) => done(e.target.result)));
      db.close();
      return n;
    });
    await eventually(kept, (n) => n === 0);
  },
};
