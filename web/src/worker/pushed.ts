// What the service worker does with pushes and clicks, apart from how it is woken: see worker.ts.
import { claim, noteRead, setToldMeta, toldMeta } from "../db/told";
import { wordsFor } from "../i18n/told";
import { parsePush, pathTo, tagOf, type ClearPush, type FromWorker, type MessagePush, type Place } from "../model/push";

/** A page of this origin. */
export interface PageClient {
  readonly visible: boolean;
  readonly focused: boolean;
  tell(m: FromWorker): void;
  /** Whether it shows the message's conversation; no if it does not answer. The address a browser gives of a page is the
   *  one it was loaded with, so it has to be asked. */
  shows(place: Place): Promise<boolean>;
  focus(): Promise<unknown>;
}

export interface Note {
  readonly data: unknown;
  close(): void;
}

export interface NoteOptions {
  readonly body: string;
  readonly tag: string;
  readonly renotify?: boolean;
  readonly silent?: boolean;
  readonly icon: string;
  readonly badge: string;
  readonly timestamp?: number;
  readonly lang: string;
  readonly data?: NoteData;
}

export interface NoteData extends Place {
  readonly path: string;
}

/** What the worker uses of the browser. */
export interface Scope {
  now(): number;
  readonly languages: readonly string[];
  /** The browser takes pushes away from who shows nothing for one (Safari). */
  readonly strict: boolean;
  show(title: string, options: NoteOptions): Promise<void>;
  notes(tag: string): Promise<readonly Note[]>;
  pages(): Promise<readonly PageClient[]>;
  open(path: string): Promise<unknown>;
  /** The number on the app's icon, where there is one. */
  badge(n: number): Promise<void>;
}

const ICON = "/icon-192.png";
const BADGE = "/badge-96.png";

/** Pushes are taken one after the other, so that an older one never replaces a newer one's notification. */
let last: Promise<unknown> = Promise.resolve();

export function pushed(scope: Scope, data: string): Promise<void> {
  const turn = last.then(() => take(scope, data));
  last = turn.catch(() => {});
  return turn;
}

/** A message came to a page of the app: it is shown if none of them is before somebody's eyes. */
export async function heard(scope: Scope, data: string): Promise<void> {
  if ((await scope.pages()).some((page) => page.visible)) return;
  await pushed(scope, data);
}

async function take(scope: Scope, data: string): Promise<void> {
  const push = parsePush(data);
  const lang = await toldMeta("lang").catch(() => "");
  const words = wordsFor(lang, scope.languages);
  const face = { icon: ICON, badge: BADGE, lang };
  switch (push?.kind) {
    case "message":
      await scope.badge(push.badge).catch(() => {});
      await tellMessage(scope, push, lang);
      return;
    case "clear":
      await scope.badge(push.badge).catch(() => {});
      await noteRead(push.channel, push.seq, scope.now()).catch(() => {});
      await takeBack(scope, push, { ...face, body: words.readElsewhere }, words.app);
      return;
    case "test":
      await scope.show(words.tested, { ...face, body: words.testedText, tag: "test", renotify: true });
      for (const page of await scope.pages()) page.tell({ t: "tested" });
      return;
    default:
      // A newer server's: browsers want something to be shown for every push.
      await scope.show(words.app, { ...face, body: words.something, tag: "other" });
  }
}

/** Closes what was shown of a channel up to a message. Where something has to be shown it takes the old one's place without
 *  a sound, and goes at once. */
async function takeBack(scope: Scope, push: ClearPush, face: Omit<NoteOptions, "tag">, title: string): Promise<void> {
  const tag = tagOf(push.channel);
  const open = await scope.notes(tag);
  const newer = open.some((n) => seqOf(n) > push.seq);
  if (scope.strict) await scope.show(title, { ...face, tag: newer ? "other" : tag, silent: true });
  const gone = scope.strict ? await scope.notes(newer ? "other" : tag) : open;
  for (const n of gone) if (seqOf(n) <= push.seq) n.close();
}

async function tellMessage(scope: Scope, push: MessagePush, lang: string): Promise<void> {
  const { channel, seq, thread } = push;
  const place: Place = { channel, seq, ...(thread ? { thread } : {}) };
  const pages = (await scope.pages()).filter((page) => page.visible);
  if ((await Promise.all(pages.map((page) => page.shows(place)))).includes(true)) return;
  // Without a memory it is better told twice than not at all.
  if (!(await claim(push.channel, push.seq, scope.now()).catch(() => true))) return;
  const { title, body } = wordsOf(push, lang, scope.languages);
  await scope.show(title, {
    body, tag: tagOf(channel), renotify: true, icon: ICON, badge: BADGE, timestamp: push.at, lang, data: { ...place, path: pathTo(place) },
  });
}

/** A direct message comes from who the title names; in a group the sender stands before the words. */
export function wordsOf(push: MessagePush, lang: string, languages: readonly string[]): { title: string; body: string } {
  const words = wordsFor(lang, languages);
  const from = push.title || words.app;
  const title = push.count > 1 ? `${from} (${push.count > 999 ? "999+" : push.count})` : from;
  if (push.body === undefined || push.body === "") return { title: from, body: words.news(push.count) };
  const inGroup = push.sender !== undefined && push.sender !== "" && push.sender !== push.title;
  return { title, body: inGroup ? words.from(push.sender, push.body) : push.body };
}

/** Someone touched a notification: the message opens in a tab that is there, else in a new one. */
export async function touched(scope: Scope, note: Note): Promise<void> {
  note.close();
  const data = note.data as Partial<NoteData> | null;
  const pages = await scope.pages();
  const page = pages.find((p) => p.focused) ?? pages.find((p) => p.visible) ?? pages[0];
  if (page === undefined) {
    await scope.open(typeof data?.path === "string" ? data.path : "/");
    return;
  }
  if (data?.channel !== undefined && data.seq !== undefined) {
    page.tell({ t: "open", channel: data.channel, seq: data.seq, ...(data.thread ? { thread: data.thread } : {}) });
  }
  await page.focus().catch(() => {}); // the system may not allow it; the tab shows the message anyway
}

/** The browser has renewed its address: the server is told, as nobody may open a page for weeks. */
export async function renewed(post: (device: object) => Promise<string>, subscription: { toJSON(): PushSubscriptionJSON } | null): Promise<void> {
  const keys = subscription?.toJSON();
  const name = await toldMeta("name");
  if (!keys?.endpoint || name === "") return;
  const device = await post({ kind: "webpush", endpoint: keys.endpoint, p256dh: keys.keys?.p256dh ?? "", auth: keys.keys?.auth ?? "", name });
  await setToldMeta({ device, endpoint: keys.endpoint });
}

function seqOf(note: Note): number {
  const seq = (note.data as Partial<Place> | null)?.seq;
  return typeof seq === "number" ? seq : 0;
}
