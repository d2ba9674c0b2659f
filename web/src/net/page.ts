// What the browser says about the page and the person at it.

const IDLE_MS = 5 * 60_000;

export interface PageHooks {
  readonly visibility: () => void;
  readonly online: () => void;
  readonly offline: () => void;
  readonly closing: () => void;
}

export function watchPage(now: () => number) {
  let touched = now();
  const touch = () => {
    touched = now();
  };
  for (const event of ["pointerdown", "keydown", "wheel", "touchstart"]) addEventListener(event, touch, { passive: true, capture: true });
  return {
    visible: () => document.visibilityState === "visible",
    online: () => navigator.onLine,
    active: () => document.visibilityState === "visible" && now() - touched < IDLE_MS,
    fillRandom: (b: Uint8Array) => void crypto.getRandomValues(b as Uint8Array<ArrayBuffer>),
    hook: (h: PageHooks) => {
      document.addEventListener("visibilitychange", h.visibility);
      addEventListener("online", h.online);
      addEventListener("offline", h.offline);
      addEventListener("pagehide", h.closing);
    },
  };
}

/** A name for this login in the list of logins: browser and system, as far as the browser tells. */
export function deviceName(agent: string): string {
  const browser = /Edg\//.test(agent) ? "Edge" : /Firefox\//.test(agent) ? "Firefox" : /SamsungBrowser\//.test(agent) ? "Samsung Internet"
    : /Chrome\//.test(agent) ? "Chrome" : /Safari\//.test(agent) ? "Safari" : "Browser";
  const system = /iPhone/.test(agent) ? "iPhone" : /iPad/.test(agent) ? "iPad" : /Android/.test(agent) ? "Android" : /Windows/.test(agent) ? "Windows"
    : /Mac OS X/.test(agent) ? "Mac" : /CrOS/.test(agent) ? "ChromeOS" : /Linux/.test(agent) ? "Linux" : "";
  return system ? `${browser} · ${system}` : browser;
}
