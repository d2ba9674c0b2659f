import { useRef } from "preact/hooks";
import type { JSX } from "preact";
import type { Anchor } from "./popover";

const hold = 450;
const slip = 10;

type Handlers = Pick<
  JSX.HTMLAttributes<HTMLElement>,
  "onContextMenu" | "onTouchStart" | "onTouchMove" | "onTouchEnd" | "onTouchCancel" | "onClickCapture"
>;

/**
 * Opens actions by a long press of a finger or by the context menu of mouse
 * and keyboard. The click that ends a long press is swallowed.
 */
export function usePress(onPress: (at: Anchor) => void): Handlers {
  const state = useRef({ timer: 0, x: 0, y: 0, fired: false });
  const stop = (): void => {
    clearTimeout(state.current.timer);
    state.current.timer = 0;
  };
  return {
    onContextMenu: (e) => {
      if (window.getSelection()?.isCollapsed === false && !state.current.fired) return;
      e.preventDefault();
      if (state.current.fired) return;
      stop();
      const byKey = e.clientX === 0 && e.clientY === 0;
      onPress(byKey && e.currentTarget instanceof Element ? e.currentTarget : { x: e.clientX, y: e.clientY });
    },
    onTouchStart: (e) => {
      const touch = e.touches[0];
      if (touch === undefined || e.touches.length > 1) return stop();
      const now = state.current;
      now.fired = false;
      now.x = touch.clientX;
      now.y = touch.clientY;
      now.timer = window.setTimeout(() => {
        now.fired = true;
        onPress({ x: now.x, y: now.y });
      }, hold);
    },
    onTouchMove: (e) => {
      const touch = e.touches[0];
      const { x, y } = state.current;
      if (touch !== undefined && Math.hypot(touch.clientX - x, touch.clientY - y) > slip) stop();
    },
    onTouchEnd: (e) => {
      stop();
      if (state.current.fired) e.preventDefault();
    },
    onTouchCancel: stop,
    onClickCapture: (e) => {
      if (!state.current.fired) return;
      state.current.fired = false;
      e.preventDefault();
      e.stopPropagation();
    },
  };
}
