// What Enter does while an input method composes. A pure state machine over the events of a text field.
//
// Korean: the syllable under the cursor is always "being composed", so Enter in the middle of it means "send". Sending at
// once would send the text and then have the input method put the last syllable back into the empty field; ignoring the
// key makes people press it twice for every message. So: prevent the newline, wait until the composition has ended and the
// browser has written the text (one task), then send the live text, once.
// Japanese, Chinese: Enter picks a candidate; it never sends.
//
// Browsers differ: Chrome and Firefox tell keydown (isComposing, keyCode 229, on Windows key "Process") before
// compositionend, and some systems tell a second keydown of the same press after it; Safari ends the composition first and
// then tells keydown with keyCode 229 and isComposing false.

export interface KeyFacts {
  readonly key: string;
  readonly code?: string;
  readonly keyCode?: number;
  readonly isComposing?: boolean;
  readonly shiftKey?: boolean;
  readonly repeat?: boolean;
}

export type ImeEvent =
  | ({ readonly type: "keydown" } & KeyFacts)
  | { readonly type: "keyup"; readonly key: string; readonly code?: string }
  | { readonly type: "compositionstart" }
  | { readonly type: "compositionupdate"; readonly data: string }
  | { readonly type: "compositionend"; readonly data: string }
  /** The task that `settle` asked for has come. */
  | { readonly type: "settled" }
  | { readonly type: "blur" };

export interface ImeState {
  readonly composing: boolean;
  /** The text of the current or last composition. */
  readonly text: string;
  /** armed: send when the composition ends; settling: it ended, the text is being written; spent: sent, the same press
   *  may be told again. */
  readonly enter: "idle" | "armed" | "settling" | "spent";
}

export interface ImeStep {
  readonly state: ImeState;
  /** Prevent the event's default, which would be a newline. */
  readonly prevent?: boolean;
  /** Send the live text now. */
  readonly send?: boolean;
  /** Call again with `settled` in a new task (setTimeout 0). */
  readonly settle?: boolean;
}

export const IME_START: ImeState = { composing: false, text: "", enter: "idle" };

/** Jamo, compatibility jamo, halfwidth jamo and syllables. */
const HANGUL = /[\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff\uffa0-\uffdc]/;
const OTHER_SCRIPT = /[\u3040-\u30ff\u4e00-\u9fff]/;

export const isHangul = (text: string): boolean => HANGUL.test(text) && !OTHER_SCRIPT.test(text);

/** Enter, also where the input method hides the key's name (Windows says "Process"). */
export function isEnter(e: { readonly key: string; readonly code?: string }): boolean {
  return e.key === "Enter" || ((e.key === "Process" || e.key === "Unidentified") && (e.code === "Enter" || e.code === "NumpadEnter"));
}

export function imeStep(s: ImeState, e: ImeEvent): ImeStep {
  switch (e.type) {
    case "compositionstart":
      return { state: { composing: true, text: "", enter: s.enter === "settling" ? s.enter : "idle" } };
    case "compositionupdate":
      return { state: { ...s, composing: true, text: e.data } };
    case "compositionend": {
      const state: ImeState = { ...s, composing: false, text: e.data || s.text };
      return s.enter === "armed" ? { state: { ...state, enter: "settling" }, settle: true } : { state };
    }
    case "settled":
      // A new composition has begun meanwhile: its end would be lost by sending now, so its end sends.
      if (s.enter !== "settling") return { state: s };
      if (s.composing) return { state: { ...s, enter: "armed" } };
      return { state: { ...s, text: "", enter: "spent" }, send: true };
    case "keyup":
      return { state: s.enter === "spent" && isEnter(e) ? { ...s, enter: "idle" } : s };
    case "blur":
      return { state: { ...s, composing: false, enter: s.enter === "settling" ? s.enter : "idle" } };
    case "keydown":
      return isEnter(e) ? enterDown(s, e) : { state: otherKey(s, e) };
  }
}

function enterDown(s: ImeState, e: KeyFacts): ImeStep {
  if (s.enter === "armed" || s.enter === "settling") return { state: s, prevent: true };
  if (s.enter === "spent") {
    // The same press told twice, or held down. A press of its own comes after a keyup.
    return { state: s, prevent: true };
  }
  if (e.shiftKey) return { state: s };
  if (s.composing || e.isComposing) {
    return isHangul(s.text) ? { state: { ...s, enter: "armed" }, prevent: true } : { state: s };
  }
  if (e.keyCode === 229) {
    // Safari: the composition that this key ended is over already.
    if (!isHangul(s.text)) return { state: { ...s, text: "" } };
    return { state: { ...s, enter: "settling" }, prevent: true, settle: true };
  }
  if (e.repeat) return { state: s, prevent: true };
  return { state: { ...s, text: "" }, prevent: true, send: true };
}

/** Typing on after Enter takes the wish to send back only while the composition has not ended. */
function otherKey(s: ImeState, e: KeyFacts): ImeState {
  if (e.keyCode === 229 || e.key === "Process" || e.key === "Shift") return s.enter === "spent" ? { ...s, enter: "idle" } : s;
  return s.enter === "armed" || s.enter === "spent" ? { ...s, enter: "idle" } : s;
}
