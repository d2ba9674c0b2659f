import { useMemo, useRef } from "preact/hooks";
import type { JSX } from "preact";
import { IME_START, imeStep, type ImeEvent } from "../../model/hangul";
import { isTouch } from "../shell/layout";

type Area = HTMLTextAreaElement;

interface Handlers {
  readonly onKeyDown: (e: JSX.TargetedKeyboardEvent<Area>) => void;
  readonly onKeyUp: (e: JSX.TargetedKeyboardEvent<Area>) => void;
  readonly onBlur: () => void;
  readonly onCompositionStart: () => void;
  readonly onCompositionUpdate: (e: JSX.TargetedCompositionEvent<Area>) => void;
  readonly onCompositionEnd: (e: JSX.TargetedCompositionEvent<Area>) => void;
}

export interface Ime {
  readonly handlers: Handlers;
  readonly composing: () => boolean;
}

/** Enter sends, by the Hangul rule (model/hangul.ts decides; this only feeds it). On touch Enter is a new line. */
export function useIme({ onSend }: { onSend: (live: string) => void }): Ime {
  const send = useRef(onSend);
  send.current = onSend;
  return useMemo(() => {
    let state = IME_START;
    let area: Area | null = null;
    const feed = (e: ImeEvent): boolean => {
      const step = imeStep(state, e);
      state = step.state;
      if (step.send && area !== null) send.current(area.value);
      if (step.settle) setTimeout(() => feed({ type: "settled" }), 0);
      return step.prevent === true;
    };
    return {
      composing: () => state.composing,
      handlers: {
        onKeyDown: (e) => {
          if (isTouch()) return;
          area = e.currentTarget;
          const { key, code, keyCode, isComposing, shiftKey, repeat } = e;
          if (feed({ type: "keydown", key, code, keyCode, isComposing, shiftKey, repeat })) e.preventDefault();
        },
        onKeyUp: (e) => void feed({ type: "keyup", key: e.key, code: e.code }),
        onBlur: () => void feed({ type: "blur" }),
        onCompositionStart: () => void feed({ type: "compositionstart" }),
        onCompositionUpdate: (e) => void feed({ type: "compositionupdate", data: e.data }),
        onCompositionEnd: (e) => void feed({ type: "compositionend", data: e.data }),
      },
    };
  }, []);
}
