// The browser's side of push notifications: the worker, the permission, the subscription.
import type { FromPage, FromWorker, MessagePush } from "../model/push";

/** ok: pushes can come here; insecure: the page is not served over https; install: only once the app is on the home
 *  screen (iPhone, iPad); none: this browser has no pushes. */
export type PushSupport = "ok" | "insecure" | "install" | "none";

export interface PushKeys {
  readonly endpoint: string;
  readonly p256dh: string;
  readonly auth: string;
}

/** What the app uses of the browser. */
export interface PushDoor {
  support(): PushSupport;
  permission(): NotificationPermission;
  /** Must be called in the very event of a click, before anything is awaited. */
  ask(): Promise<NotificationPermission>;
  /** The address pushes come to now. */
  current(): Promise<PushKeys | null>;
  /** A new address if there is none, or it was made for another server key. */
  subscribe(serverKey: string): Promise<PushKeys>;
  unsubscribe(): Promise<void>;
  /** Has the worker show a message that came to the open app. */
  tell(push: MessagePush): Promise<void>;
  /** Closes the notifications that `which` picks by their data. */
  close(which: (data: unknown) => boolean): Promise<void>;
  /** What the worker says; `answer` goes back to it. */
  heard(f: (m: FromWorker, answer: (yes: boolean) => void) => void): void;
}

const WORKER = "/sw.js";

interface TrustedTypes {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): string };
}

/** The page's policy lets one script address through, and only by this name. */
function workerURL(): string {
  const types = (globalThis as { trustedTypes?: TrustedTypes }).trustedTypes;
  if (types === undefined) return WORKER;
  policy ??= types.createPolicy("gori", {
    createScriptURL: (url) => {
      if (url !== WORKER) throw new TypeError("not a script of ours");
      return url;
    },
  });
  return policy.createScriptURL(WORKER);
}
let policy: ReturnType<TrustedTypes["createPolicy"]> | undefined;

const registered = async (): Promise<ServiceWorkerRegistration | undefined> =>
  "serviceWorker" in navigator ? navigator.serviceWorker.getRegistration("/") : undefined;

/** The registration with a worker that runs. */
async function register(): Promise<ServiceWorkerRegistration> {
  await navigator.serviceWorker.register(workerURL(), { scope: "/", updateViaCache: "none" });
  return navigator.serviceWorker.ready;
}

export const browserPush: PushDoor = {
  support: () => {
    if (!isSecureContext) return "insecure";
    if ("serviceWorker" in navigator && "PushManager" in globalThis && "Notification" in globalThis) return "ok";
    const apple = /iPhone|iPad/.test(navigator.userAgent) || (/Mac/.test(navigator.userAgent) && navigator.maxTouchPoints > 1);
    return apple && !matchMedia("(display-mode: standalone)").matches ? "install" : "none";
  },
  permission: () => ("Notification" in globalThis ? Notification.permission : "denied"),
  ask: () => Notification.requestPermission(),
  current: async () => keysOf((await (await registered())?.pushManager.getSubscription()) ?? null),
  subscribe: async (serverKey) => {
    const { pushManager } = await register();
    const key = bytesOf(serverKey);
    const old = await pushManager.getSubscription();
    const same = old !== null && equal(old.options.applicationServerKey, key);
    if (old !== null && !same) await old.unsubscribe();
    const keys = keysOf(same ? old : await pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key }));
    if (keys === null) throw new Error("the browser gave an address without keys");
    return keys;
  },
  unsubscribe: async () => {
    await (await (await registered())?.pushManager.getSubscription())?.unsubscribe();
  },
  tell: async (push) => (await registered())?.active?.postMessage({ t: "tell", push: { v: 1, ...push } } satisfies FromPage),
  close: async (which) => {
    for (const n of (await (await registered())?.getNotifications()) ?? []) if (which(n.data)) n.close();
  },
  heard: (f) => {
    if ("serviceWorker" in navigator) navigator.serviceWorker.addEventListener("message", (e: MessageEvent<FromWorker>) => f(e.data, (yes) => e.ports[0]?.postMessage(yes)));
  },
};

function keysOf(s: PushSubscription | null): PushKeys | null {
  const { endpoint, keys } = s?.toJSON() ?? {};
  return endpoint && keys?.p256dh && keys.auth ? { endpoint, p256dh: keys.p256dh, auth: keys.auth } : null;
}

/** base64url as bytes. */
function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  const raw = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
  return Uint8Array.from(raw, (c) => c.charCodeAt(0));
}

function equal(a: ArrayBuffer | null, b: Uint8Array): boolean {
  const bytes = new Uint8Array(a ?? new ArrayBuffer(0));
  return bytes.length === b.length && bytes.every((x, i) => x === b[i]);
}
