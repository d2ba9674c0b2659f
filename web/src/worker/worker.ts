// The service worker: it shows what comes while no page is open. It keeps no pages and answers no requests, so it can
// neither serve an old version of the app nor stand in the way of a reload; a new version of it takes over at once.
import type { FromPage, FromWorker } from "../model/push";
import { heard, pushed, renewed, touched, type Note, type NoteOptions, type PageClient, type Scope } from "./pushed";

/** What TypeScript's library for pages does not know of a worker's scope. */
interface WorkerEvent extends Event {
  waitUntil(work: Promise<unknown>): void;
  readonly data?: unknown;
  readonly notification?: Note;
  readonly oldSubscription?: PushSubscription | null;
  readonly newSubscription?: PushSubscription | null;
}
interface WindowClient {
  readonly visibilityState: string;
  readonly focused: boolean;
  postMessage(m: unknown, ports?: MessagePort[]): void;
  focus(): Promise<unknown>;
}
interface WorkerScope {
  readonly registration: ServiceWorkerRegistration;
  readonly clients: {
    claim(): Promise<void>;
    matchAll(o: { type: "window"; includeUncontrolled: boolean }): Promise<readonly WindowClient[]>;
    openWindow(url: string): Promise<unknown>;
  };
  skipWaiting(): Promise<void>;
  addEventListener(type: string, f: (e: WorkerEvent) => void): void;
}

const self = globalThis as unknown as WorkerScope;

const scope: Scope = {
  now: () => Date.now(),
  languages: navigator.languages,
  strict: /AppleWebKit/.test(navigator.userAgent) && !/Chrom|Edg|Android/.test(navigator.userAgent),
  show: (title: string, options: NoteOptions) => self.registration.showNotification(title, options as NotificationOptions),
  notes: (tag) => self.registration.getNotifications({ tag }),
  pages: async () => (await self.clients.matchAll({ type: "window", includeUncontrolled: true })).map(pageOf),
  open: (path) => self.clients.openWindow(path),
  badge: async (n) => {
    if (n > 0) await navigator.setAppBadge?.(n);
    else await navigator.clearAppBadge?.();
  },
};

function pageOf(c: WindowClient): PageClient {
  return {
    visible: c.visibilityState === "visible", focused: c.focused, tell: (m: FromWorker) => c.postMessage(m), focus: () => c.focus(),
    shows: (place) => asked(c, { t: "shows", ...place }),
  };
}

/** A page that is busy, or not of the app, does not answer. */
const ANSWER_MS = 1_000;

function asked(c: WindowClient, m: FromWorker): Promise<boolean> {
  const { port1, port2 } = new MessageChannel();
  return new Promise<boolean>((done) => {
    port1.onmessage = (e: MessageEvent<boolean>) => done(e.data);
    setTimeout(() => done(false), ANSWER_MS);
    c.postMessage(m, [port2]);
  }).finally(() => port1.close());
}

async function post(device: object): Promise<string> {
  const answer = await fetch("/api/v1/push/devices", {
    method: "POST", credentials: "same-origin", headers: { "Content-Type": "application/json" }, body: JSON.stringify(device),
  });
  if (!answer.ok) throw new Error(`the new address was refused: ${answer.status}`);
  return String(((await answer.json()) as { id?: unknown }).id ?? "");
}

async function subscribeAgain(old: PushSubscription | null | undefined): Promise<PushSubscription | null> {
  const key = old?.options.applicationServerKey;
  return key ? self.registration.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: key }) : null;
}

self.addEventListener("install", (e) => e.waitUntil(self.skipWaiting()));
self.addEventListener("activate", (e) => e.waitUntil(self.clients.claim()));
self.addEventListener("push", (e) => e.waitUntil(pushed(scope, (e.data as { text(): string } | null)?.text() ?? "")));
self.addEventListener("message", (e) => {
  const m = e.data as Partial<FromPage> | null;
  if (m?.t === "tell" && m.push) e.waitUntil(heard(scope, JSON.stringify(m.push)));
});
self.addEventListener("notificationclick", (e) => {
  if (e.notification) e.waitUntil(touched(scope, e.notification));
});
self.addEventListener("pushsubscriptionchange", (e) => {
  e.waitUntil(Promise.resolve(e.newSubscription ?? subscribeAgain(e.oldSubscription)).then((s) => renewed(post, s)));
});
