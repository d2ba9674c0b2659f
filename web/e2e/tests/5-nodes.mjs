import assert from "node:assert/strict";

/** People until two of them are on different nodes. */
async function apart(world, first) {
  const here = await first.onNode();
  for (let i = 0; i < 8; i++) {
    const other = await world.person(`Other ${i}`);
    if ((await other.onNode()) !== here) return other;
    await other.context.close();
  }
  throw new Error(`everybody is on node ${here}`);
}

export const tests = {
  async "a node is killed: its people go on on another within seconds, nothing is lost or doubled, and nobody flickers"(world) {
    const [a, c] = await Promise.all([world.person("Ada"), world.person("Chan")]);
    const b = await apart(world, a);
    const id = await a.group("Crew", [b, c]);
    await Promise.all([a.befriend(c), b.befriend(c)]);
    await Promise.all([a, b].map((p) => p.open(id)));
    await Promise.all([a.direct(c), b.direct(c)]).then((ids) => Promise.all(ids.map((direct, i) => [a, b][i].post(direct, { body: "hello" }))));
    // Chan sees both of them there, all the time.
    await c.page.goto(`${world.url}/people`);
    const dots = c.page.locator(".page .presence.online");
    await dots.nth(1).waitFor();
    await c.page.evaluate(() => {
      globalThis.fewest = 2;
      setInterval(() => (globalThis.fewest = Math.min(globalThis.fewest, document.querySelectorAll(".page .presence.online").length)), 20);
    });
    const gone = await a.onNode();
    const said = [];
    const say = async (p, text) => {
      said.push(text);
      await p.say(text);
    };
    for (let i = 0; i < 4; i++) await say(i % 2 ? a : b, `before ${i}.`);
    await b.sees("before 3.");
    const killed = Date.now();
    await world.server.kill(gone);
    await say(a, "after the kill.");
    await b.message("after the kill.").waitFor();
    const took = Date.now() - killed;
    const tried = a.sockets.filter((s) => s.at >= killed).map((s) => `${s.node} at ${((s.at - killed) / 1000).toFixed(1)} s`);
    console.log(`      killed ${gone}; sockets to ${tried.join(", ")}; the next message was there after ${(took / 1000).toFixed(1)} s`);
    for (let i = 0; i < 4; i++) await say(i % 2 ? a : b, `later ${i}.`);
    for (const p of [a, b]) {
      for (const text of said) await p.sees(text);
      assert.deepEqual((await p.texts()).map((t) => t.trim()).sort(), [...said].sort());
    }
    assert.deepEqual(await a.texts(), await b.texts());
    // Who is back within the grace of 10 s is never shown as away; a busy host may need longer than that.
    if (took < 8_000) assert.equal(await c.page.evaluate(() => globalThis.fewest), 2, "nobody was shown as away for a moment");
  },
};
