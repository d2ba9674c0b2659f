// This browser as a push device of the account. The permission is asked only by `enable`, which a person's click calls.
import { forgetTold, setToldMeta, toldMeta } from "../db/told";
import { Refused } from "../model/problem";
import { asPushDeviceID, type PushDeviceID, type PushInfo, type PushSettings } from "../model/types";
import type { Api } from "../net/api";
import type { PushDoor, PushSupport } from "../net/push";

/** How things stand on this browser. */
export interface PushHere {
  readonly support: PushSupport;
  readonly permission: NotificationPermission;
  /** Its line in the account's list of devices; null: it gets no pushes. */
  readonly device: PushDeviceID | null;
}

export interface PushView extends PushInfo {
  readonly here: PushHere;
}

export class PushDevice {
  private readonly api: Api;
  private readonly door: PushDoor;
  private readonly name: string;
  private lang = "";

  constructor(api: Api, door: PushDoor, name: string) {
    this.api = api;
    this.door = door;
    this.name = name;
  }

  async view(): Promise<PushView> {
    const info = await this.api.push();
    const known = await this.known();
    const own = info.devices.find((d) => d.id === known) ?? info.devices.find((d) => d.current === true);
    const here = own !== undefined && (await this.door.current().catch(() => null)) !== null;
    if (here) await this.remember(info.settings);
    return { ...info, here: { ...this.ground(), device: here ? own.id : null } };
  }

  /** Asks for the permission if need be, and tells the server where to push. */
  async enable(): Promise<PushHere> {
    if (this.door.support() !== "ok") return { ...this.ground(), device: null };
    const permission = await this.door.ask();
    if (permission !== "granted") return { support: "ok", permission, device: null };
    const { vapid_key, settings } = await this.api.push();
    const keys = await this.door.subscribe(vapid_key).catch((err: unknown) => {
      throw new Refused({ code: "push_failed", message: err instanceof Error ? err.message : "", retry: true });
    });
    const device = await this.api.addPushDevice({ kind: "webpush", ...keys, name: this.name });
    await setToldMeta({ device: device.id, endpoint: keys.endpoint, name: this.name, lang: this.lang });
    await this.remember(settings);
    return { support: "ok", permission, device: device.id };
  }

  async save(to: PushSettings): Promise<PushSettings> {
    const settings = await this.api.setPush(to);
    if ((await this.known()) !== null) await this.remember(settings);
    return settings;
  }

  async disable(): Promise<void> {
    const known = await this.known();
    if (known) await this.remove(known);
    else await this.forget();
  }

  async remove(id: PushDeviceID): Promise<void> {
    const own = id === (await this.known());
    await this.api.dropPushDevice(id).catch((err: unknown) => {
      if (!(err instanceof Refused) || err.problem.code !== "not_found") throw err;
    });
    if (own) await this.forget();
  }

  /** The language notifications speak. */
  speak(lang: string): void {
    this.lang = lang;
    if (this.door.support() === "ok" && this.door.permission() === "granted") void setToldMeta({ lang }).catch(() => {});
  }

  /** At the start of a session: an address that the browser has renewed meanwhile is told to the server. */
  async refresh(): Promise<void> {
    if (this.door.support() !== "ok" || this.door.permission() !== "granted") return;
    const [known, endpoint, keys] = [await this.known(), await toldMeta("endpoint"), await this.door.current()];
    if (!known || !keys) return;
    await this.remember((await this.api.push()).settings);
    if (keys.endpoint === endpoint) return;
    const device = await this.api.addPushDevice({ kind: "webpush", ...keys, name: this.name });
    await setToldMeta({ device: device.id, endpoint: keys.endpoint });
  }

  /** Nobody is logged in any more: no pushes, and nothing of what was shown stays. */
  async forget(): Promise<void> {
    await this.door.unsubscribe().catch(() => {});
    await this.door.close(() => true).catch(() => {});
    await forgetTold().catch(() => {});
  }

  /** For what is shown while the app is open but hidden: the server is not asked then. */
  private remember(settings: PushSettings): Promise<void> {
    return setToldMeta({ settings: JSON.stringify(settings) }).catch(() => {});
  }

  private ground(): { support: PushSupport; permission: NotificationPermission } {
    return { support: this.door.support(), permission: this.door.permission() };
  }

  private async known(): Promise<PushDeviceID | null> {
    const id = await toldMeta("device").catch(() => "");
    return id === "" ? null : asPushDeviceID(id);
  }
}
