import assert from "node:assert/strict";

/** Types 2-set Korean as an input method does: each keystroke is an update of one composition. */
async function compose(cdp, syllables) {
  for (const s of syllables) {
    await cdp.send("Input.dispatchKeyEvent", { type: "rawKeyDown", key: "Process", code: "KeyG", windowsVirtualKeyCode: 229 });
    await cdp.send("Input.imeSetComposition", { text: s, selectionStart: s.length, selectionEnd: s.length });
    await cdp.send("Input.dispatchKeyEvent", { type: "keyUp", key: "Process", code: "KeyG", windowsVirtualKeyCode: 229 });
  }
}

/** Enter while composing, as Chrome tells it: keydown 229, then the composition is committed, then (with `twice`) the same
 *  press again as a plain Enter. */
async function enter(cdp, commit, twice) {
  await cdp.send("Input.dispatchKeyEvent", { type: "rawKeyDown", key: "Enter", code: "Enter", windowsVirtualKeyCode: 229 });
  await cdp.send("Input.insertText", { text: commit });
  if (twice) await cdp.send("Input.dispatchKeyEvent", { type: "keyDown", key: "Enter", code: "Enter", windowsVirtualKeyCode: 13, text: "\r" });
  await cdp.send("Input.dispatchKeyEvent", { type: "keyUp", key: "Enter", code: "Enter", windowsVirtualKeyCode: 13 });
}

export const tests = {
  async "Korean: Enter in the middle of a syllable sends once, with the last syllable"(world) {
    const [a, b] = await Promise.all([world.person("하늘", { locale: "ko-KR" }), world.person("보라", { locale: "ko-KR" })]);
    const id = await a.direct(b);
    await a.open(id);
    await b.open(id);
    const cdp = await a.context.newCDPSession(a.page);
    for (const [twice, word] of [[false, "안녕하세요"], [true, "반가워요"], [false, "밥"]]) {
      await a.composer().focus();
      const last = word.slice(-1);
      if (word.length > 1) await cdp.send("Input.insertText", { text: word.slice(0, -1) });
      await compose(cdp, ["ㅇ", last]);
      await enter(cdp, last, twice);
      await b.sees(word);
      assert.equal(await a.composer().inputValue(), "", "the composer is empty after sending");
    }
    await a.page.waitForTimeout(400);
    const sent = (await b.texts()).map((t) => t.trim());
    assert.deepEqual(sent, ["안녕하세요", "반가워요", "밥"]);
  },

  async "Japanese: Enter takes the candidate and does not send"(world) {
    const [a, b] = await Promise.all([world.person("Aoi"), world.person("Bora")]);
    const id = await a.direct(b);
    await a.open(id);
    const cdp = await a.context.newCDPSession(a.page);
    await a.composer().focus();
    await compose(cdp, ["に", "にほ", "日本"]);
    await enter(cdp, "日本", false);
    await a.page.waitForTimeout(300);
    assert.equal(await a.composer().inputValue(), "日本");
    assert.equal(await a.page.locator("article.row").count(), 0);
    await a.composer().press("Enter");
    await a.sees("日本");
  },
};
