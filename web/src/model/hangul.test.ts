import { describe, expect, it } from "vitest";
import { IME_START, imeStep, isHangul, type ImeEvent } from "./hangul";

/** A text field with an input method: replays recorded events and keeps the text as the browser would. */
function field() {
  let state = IME_START;
  let value = "";
  const sent: string[] = [];
  const tasks: (() => void)[] = [];
  const feed = (e: ImeEvent): boolean => {
    const step = imeStep(state, e);
    state = step.state;
    if (step.send) {
      if (value !== "") sent.push(value);
      value = "";
    }
    if (step.settle) tasks.push(() => feed({ type: "settled" }));
    return step.prevent === true;
  };
  return {
    feed,
    write: (text: string) => {
      value = text;
    },
    value: () => value,
    newline: (prevented: boolean) => {
      if (!prevented) value += "\n";
    },
    tasks: () => {
      for (const t of tasks.splice(0)) t();
    },
    sent,
  };
}

/** Composes a word of 2-set Korean up to its last, unfinished syllable. */
function compose(f: ReturnType<typeof field>, before: string, syllables: readonly string[]): void {
  f.feed({ type: "compositionstart" });
  for (const s of syllables) {
    f.feed({ type: "keydown", key: "Process", code: "KeyG", keyCode: 229, isComposing: true });
    f.feed({ type: "compositionupdate", data: s });
    f.write(before + s);
  }
}

const enterComposing: ImeEvent = { type: "keydown", key: "Enter", code: "Enter", keyCode: 229, isComposing: true };
const enterPlain: ImeEvent = { type: "keydown", key: "Enter", code: "Enter", keyCode: 13, isComposing: false };
const enterUp: ImeEvent = { type: "keyup", key: "Enter", code: "Enter" };

describe("Korean: Enter in the middle of a syllable sends once, with the last syllable", () => {
  it("Chrome on macOS: keydown 229, compositionend, text", () => {
    const f = field();
    compose(f, "안", ["ㄴ", "녀", "녕"]);
    expect(f.feed(enterComposing)).toBe(true);
    expect(f.sent).toEqual([]);
    f.feed({ type: "compositionend", data: "녕" });
    f.write("안녕");
    f.tasks();
    f.feed(enterUp);
    expect(f.sent).toEqual(["안녕"]);
    expect(f.value()).toBe("");
  });

  it("Chrome on Windows: key is Process, then the same press again as 13", () => {
    const f = field();
    compose(f, "", ["ㅎ", "하", "한"]);
    expect(f.feed({ type: "keydown", key: "Process", code: "Enter", keyCode: 229, isComposing: true })).toBe(true);
    f.feed({ type: "compositionend", data: "한" });
    f.newline(f.feed(enterPlain));
    f.tasks();
    f.newline(f.feed(enterPlain));
    f.feed(enterUp);
    expect(f.sent).toEqual(["한"]);
    expect(f.value()).toBe("");
  });

  it("Chrome on Linux (ibus-hangul): the second keydown comes after the send", () => {
    const f = field();
    compose(f, "", ["ㄱ", "가"]);
    f.feed(enterComposing);
    f.feed({ type: "compositionend", data: "가" });
    f.tasks();
    f.newline(f.feed(enterPlain));
    f.feed(enterUp);
    expect(f.sent).toEqual(["가"]);
    expect(f.value()).toBe("");
  });

  it("Safari: compositionend before keydown, which has keyCode 229 and is not composing", () => {
    const f = field();
    compose(f, "반가", ["ㅇ", "워", "워요"]);
    f.feed({ type: "compositionend", data: "워요" });
    f.write("반가워요");
    expect(f.feed({ type: "keydown", key: "Enter", code: "Enter", keyCode: 229, isComposing: false })).toBe(true);
    f.tasks();
    f.feed(enterUp);
    expect(f.sent).toEqual(["반가워요"]);
    expect(f.value()).toBe("");
  });

  it("Firefox: keydown is composing with key Process; the text is written after compositionend", () => {
    const f = field();
    compose(f, "네", ["ㅇ", "아", "알"]);
    expect(f.feed({ type: "keydown", key: "Process", code: "Enter", keyCode: 229, isComposing: true })).toBe(true);
    f.feed({ type: "compositionupdate", data: "알" });
    f.feed({ type: "compositionend", data: "알" });
    f.write("네알");
    f.feed(enterUp);
    f.tasks();
    expect(f.sent).toEqual(["네알"]);
  });

  it("sends the next message by its own press", () => {
    const f = field();
    for (const word of ["하나", "둘", "셋"]) {
      compose(f, "", [word]);
      f.feed(enterComposing);
      f.feed({ type: "compositionend", data: word });
      f.tasks();
      f.feed(enterUp);
    }
    expect(f.sent).toEqual(["하나", "둘", "셋"]);
  });

  it("typing on before the composition ends takes Enter back", () => {
    const f = field();
    compose(f, "", ["가"]);
    f.feed(enterComposing);
    f.feed({ type: "keydown", key: "Backspace", code: "Backspace", keyCode: 8, isComposing: true });
    f.feed({ type: "compositionend", data: "" });
    f.tasks();
    expect(f.sent).toEqual([]);
  });

  it("Shift+Enter in a syllable is a newline", () => {
    const f = field();
    compose(f, "", ["가"]);
    expect(f.feed({ ...enterComposing, shiftKey: true } as ImeEvent)).toBe(false);
    f.feed({ type: "compositionend", data: "가" });
    f.tasks();
    expect(f.sent).toEqual([]);
  });
});

describe("Japanese and Chinese: Enter only takes the candidate", () => {
  for (const [name, data] of [["Japanese", "にほん"], ["Japanese, converted", "日本"], ["Chinese", "ni hao"], ["Chinese, converted", "你好"]] as const) {
    it(`${name}, Chrome`, () => {
      const f = field();
      f.feed({ type: "compositionstart" });
      f.feed({ type: "compositionupdate", data });
      expect(f.feed(enterComposing)).toBe(false);
      f.feed({ type: "compositionend", data });
      f.write(data);
      f.tasks();
      f.feed(enterUp);
      expect(f.sent).toEqual([]);
      f.feed(enterPlain);
      expect(f.sent).toEqual([data]);
    });

    it(`${name}, Safari`, () => {
      const f = field();
      f.feed({ type: "compositionstart" });
      f.feed({ type: "compositionupdate", data });
      f.feed({ type: "compositionend", data });
      f.write(data);
      expect(f.feed({ type: "keydown", key: "Enter", keyCode: 229, isComposing: false })).toBe(false);
      f.tasks();
      f.feed(enterUp);
      expect(f.sent).toEqual([]);
      f.feed(enterPlain);
      expect(f.sent).toEqual([data]);
    });
  }
});

describe("without an input method", () => {
  it("Enter sends at once and is prevented", () => {
    const f = field();
    f.write("hello");
    expect(f.feed(enterPlain)).toBe(true);
    expect(f.sent).toEqual(["hello"]);
  });
  it("a held Enter sends once", () => {
    const f = field();
    f.write("hello");
    f.feed(enterPlain);
    f.write("x");
    expect(f.feed({ ...enterPlain, repeat: true } as ImeEvent)).toBe(true);
    expect(f.sent).toEqual(["hello"]);
  });
  it("Shift+Enter is left to the browser", () => {
    const f = field();
    expect(f.feed({ ...enterPlain, shiftKey: true } as ImeEvent)).toBe(false);
  });
});

it("knows Hangul from others", () => {
  expect(["가", "ㅎ", "ㅏ", "안녕", "ᄒ"].every(isHangul)).toBe(true);
  expect(["a", "日本", "にほん", "", "日가"].some(isHangul)).toBe(false);
});
