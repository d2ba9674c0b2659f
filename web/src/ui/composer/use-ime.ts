import { useMemo, useRef } from "preact/hooks";
import type { JSX } from "preact";
import { IME_START, imeStep, isEnter, type ImeEvent } from "../../model/hangul";
import { isTouch } from "../shell/layout";

type Area = HTMLTextAreaElement;

interface Handlers {
  readonly onKeyDown: (e: JSX.TargetedKeyboardEvent<Area>) => void;
  readonly onKeyUp: (e: JSX.TargetedKeyboardEvent<Area>) => void;
  readonly onCompositionStart: (e: JSX.TargetedCompositionEvent<Area>) => void;
  readonly onCompositionUpdate: (e: JSX.TargetedCompositionEvent<Area>) => void;
  readonly onCompositionEnd: (e: JSX.TargetedCompositionEvent<Area>) => void;
  readonly onBlur: (e: JSX.TargetedFocusEvent<Area>) => void;
}

export interface Ime {
  readonly handlers: Handlers;
}

/**
 * Enter sends, by the Hangul rule of model/hangul. What is sent is the text as
 * it stands in the field then, not as it was last drawn. On touch keyboards
 * Enter breaks the line, and the button sends.
 */
export function useIme({ onSend }: { onSend: (live: string) => void }): Ime {
  const send = useRef(onSend);
  send.current = onSend;
  return useMemo(() => {
    let state = IME_START;
    const feed = (area: Area, event: ImeEvent, native?: Event): void => {
      const step = imeStep(state, event);
      state = step.state;
      if (step.prevent === true) native?.preventDefault();
      if (step.send === true) send.current(area.value);
      if (step.settle === true) setTimeout(() => feed(area, { type: "settled" }), 0);
    };
    return {
      handlers: {
        onKeyDown: (e) => {
          if (isEnter(e) && isTouch()) return;
          const { key, code, keyCode, isComposing, shiftKey, repeat } = e;
          feed(e.currentTarget, { type: "keydown", key, code, keyCode, isComposing, shiftKey, repeat }, e);
        },
        onKeyUp: (e) => feed(e.currentTarget, { type: "keyup", key: e.key, code: e.code }),
        onCompositionStart: (e) => feed(e.currentTarget, { type: "compositionstart" }),
        onCompositionUpdate: (e) => feed(e.currentTarget, { type: "compositionupdate", data: e.data }),
        onCompositionEnd: (e) => feed(e.currentTarget, { type: "compositionend", data: e.data }),
        onBlur: (e) => feed(e.currentTarget, { type: "blur" }),
      },
    };
  }, []);
}
