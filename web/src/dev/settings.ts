// Sample answers for the settings of notifications and programs; &denied, &insecure, &install and &pushoff show the other states.
import { asHookID, asPushDeviceID, asUserID, type Hook, type PushDevice, type PushSettings, type User } from "../model/types";
import { writeAlerts } from "../state/alerts";
import type { Commands, PushHere } from "../sync/commands";

const now = Date.now();
const day = 864e5;
const has = (w: string): boolean => typeof location !== "undefined" && location.search.includes(w);

const here = (): PushHere => ({
  support: has("insecure") ? "insecure" : has("install") ? "install" : "ok",
  permission: has("denied") ? "denied" : has("pushoff") ? "default" : "granted",
  device: has("pushoff") || has("denied") ? null : asPushDeviceID("11"),
});

let settings: PushSettings = { hide_body: false, quiet_from: 22 * 60, quiet_to: 7 * 60, zone: "Asia/Seoul" };
let devices: readonly PushDevice[] = [
  { id: asPushDeviceID("11"), kind: "webpush", name: "Chrome · Linux", created_at: now - 9 * day, last_ok_at: now - 36e5 },
  { id: asPushDeviceID("12"), kind: "webpush", name: "Safari · iPhone", created_at: now - 30 * day, last_ok_at: now - 2 * day },
  { id: asPushDeviceID("13"), kind: "webhook", host: "hooks.example.org", created_at: now - 2 * day, failures: 2 },
];
let bots: readonly User[] = [
  { id: asUserID("8"), login_name: "build-bot", display_name: "빌드 알림", avatar_color: 11, bot: true },
  { id: asUserID("9"), login_name: "standup", display_name: "Stand-up", avatar_color: 8, bot: true },
];
let hooks: readonly Hook[] = [{ id: asHookID("31"), name: "배포", created_at: now - 3 * day }, { id: asHookID("32"), name: "monitoring", created_at: now - 90 * day }];

export function settingsCommands() {
  return {
    pushView: async () => ({ vapid_key: "", settings, devices: has("pushoff") ? devices.slice(1) : devices, here: here() }),
    enablePush: async () => here(),
    disablePush: async () => {},
    savePush: async (to) => (settings = to),
    removePushDevice: async (id) => void (devices = devices.filter((d) => d.id !== id)),
    testPushDevice: async () => void setTimeout(() => void (writeAlerts.lastTest.value = Date.now()), 1_500),
    speakPush: () => {},
    listBots: async () => bots,
    createBot: async (form) => {
      const user: User = { id: asUserID(String(90 + bots.length)), ...form, avatar_color: 4, bot: true };
      bots = [...bots, user];
      return { user, token: `${user.id}.9mCw2Vq0bJx4T8kLr5YhNs1PzEaGdUfQ3WtXo7IvKBM` };
    },
    renameBot: async (id, display_name) => {
      bots = bots.map((b) => (b.id === id ? { ...b, display_name } : b));
      return bots.find((b) => b.id === id) as User;
    },
    deleteBot: async (id) => void (bots = bots.filter((b) => b.id !== id)),
    renewBotToken: async (id) => `${id}.Qw7Zt1Lk9VbN3xRs5YhJm0PcEaGdUfT2WoXi8KvMBqE`,
    setBotWebhook: async () => "k7Hq2Zs9WnB4xTf6",
    dropBotWebhook: async () => {},
    listHooks: async () => hooks,
    createHook: async (_channel, name) => {
      const hook: Hook = { id: asHookID(String(33 + hooks.length)), name, created_at: Date.now() };
      hooks = [...hooks, hook];
      return { ...hook, url: "/api/v1/hooks/100.w8Rk2Zp5LxQ9nVb3" };
    },
    deleteHook: async (_channel, id) => void (hooks = hooks.filter((h) => h.id !== id)),
  } satisfies Partial<Commands>;
}
