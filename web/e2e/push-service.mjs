// A push service of the tests' own: it takes what the server sends, decrypts it as a browser would (RFC 8188, 8291), and
// hands it to the browser's service worker by the debugger.
import { createDecipheriv, createECDH, createHmac, randomBytes } from "node:crypto";
import { createServer } from "node:http";

const hmac = (key, ...parts) => createHmac("sha256", key).update(Buffer.concat(parts)).digest();
const one = Buffer.from([1]);

export function decrypt(body, { ecdh, auth }) {
  const salt = body.subarray(0, 16);
  const keyEnd = 21 + body[20];
  const theirs = body.subarray(21, keyEnd);
  const mine = ecdh.getPublicKey();
  const ikm = hmac(hmac(auth, ecdh.computeSecret(theirs)), Buffer.from("WebPush: info\0"), mine, theirs, one);
  const prk = hmac(salt, ikm);
  const key = hmac(prk, Buffer.from("Content-Encoding: aes128gcm\0"), one).subarray(0, 16);
  const nonce = hmac(prk, Buffer.from("Content-Encoding: nonce\0"), one).subarray(0, 12);
  const d = createDecipheriv("aes-128-gcm", key, nonce);
  d.setAuthTag(body.subarray(-16));
  const plain = Buffer.concat([d.update(body.subarray(keyEnd, -16)), d.final()]);
  return plain.subarray(0, plain.lastIndexOf(2)).toString();
}

/** One subscription and everything that was pushed to it. */
export async function startPushService() {
  const ecdh = createECDH("prime256v1");
  ecdh.generateKeys();
  const keys = { ecdh, auth: randomBytes(16) };
  const got = [];
  const faults = [];
  let wake = () => {};
  const server = createServer(async (req, res) => {
    try {
      const parts = [];
      for await (const part of req) parts.push(part);
      got.push({ headers: req.headers, data: JSON.parse(decrypt(Buffer.concat(parts), keys)) });
    } catch (err) {
      faults.push(err);
    }
    res.writeHead(201).end();
    wake();
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const service = {
    got,
    subscription: {
      endpoint: `http://127.0.0.1:${server.address().port}/push/1`,
      keys: { p256dh: ecdh.getPublicKey("base64url"), auth: keys.auth.toString("base64url") },
    },
    /** The first push that `fits`. */
    async next(fits, ms = 120_000) {
      const until = Date.now() + ms;
      for (;;) {
        if (faults.length > 0) throw faults[0];
        const found = got.find((p) => fits(p.data));
        if (found) return found.data;
        if (Date.now() > until) throw new Error(`no such push in ${ms / 1000} s; there were: ${JSON.stringify(got.map((p) => p.data))}`);
        await new Promise((done) => {
          wake = done;
          setTimeout(done, 250);
        });
      }
    },
    stop: () => new Promise((done) => {
      server.closeAllConnections();
      server.close(done);
    }),
  };
  return service;
}

/** In a browser without a push service: pages get this subscription from the browser's own calls. */
export const fakeSubscription = (subscription) => `(() => {
  if (!("PushManager" in globalThis)) return;
  const made = { ...${JSON.stringify(subscription)}, options: { applicationServerKey: null }, toJSON: () => (${JSON.stringify(subscription)}),
    unsubscribe: async () => (localStorage.removeItem("e2e.push"), true) };
  PushManager.prototype.subscribe = async function (o) {
    if (!o.userVisibleOnly || o.applicationServerKey.length !== 65) throw new TypeError("not a server key");
    localStorage.setItem("e2e.push", "1");
    return made;
  };
  PushManager.prototype.getSubscription = async () => (localStorage.getItem("e2e.push") ? made : null);
})()`;

/** Delivers pushes to the service worker of the page's origin. */
export async function worker(page) {
  const cdp = await page.context().newCDPSession(page);
  const origin = new URL(page.url()).origin;
  let found;
  const there = new Promise((done) => (found = done));
  cdp.on("ServiceWorker.workerRegistrationUpdated", ({ registrations }) => {
    for (const r of registrations) if (!r.isDeleted && r.scopeURL === `${origin}/`) found(r.registrationId);
  });
  await cdp.send("ServiceWorker.enable");
  const registrationId = await there;
  return {
    push: (data) => cdp.send("ServiceWorker.deliverPushMessage", { origin, registrationId, data: JSON.stringify(data) }),
    /** The notifications that are shown. */
    notes: () => page.evaluate(async () => {
      const r = await navigator.serviceWorker.getRegistration("/");
      return (await r.getNotifications()).map((n) => ({ title: n.title, body: n.body, tag: n.tag, data: n.data }));
    }),
    async touch(tag) {
      const [sw] = page.context().serviceWorkers();
      await sw.evaluate(async (wanted) => {
        const [notification] = await registration.getNotifications({ tag: wanted });
        dispatchEvent(new NotificationEvent("notificationclick", { notification }));
      }, tag);
    },
  };
}

