import { Monitor, Smartphone, Trash2, Webhook } from "lucide-preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { t } from "../../i18n/index";
import { ago } from "../../i18n/time";
import type { PushDevice, PushDeviceID } from "../../model/types";
import { testArrived } from "../../state/alerts";
import { removePushDevice, testPushDevice } from "../../sync/commands";
import { Button, IconButton } from "../kit/button";
import { Icon } from "../kit/icon";
import { attempt, say } from "../kit/toast";

/** How long a test may take before it is called late. */
const patience = 12_000;

export interface PushDevicesProps {
  readonly devices: readonly PushDevice[];
  /** The one that is this browser. */
  readonly own: PushDeviceID | null;
  readonly changed: () => void;
}

/** Everything that is told of new messages; each can be tested and removed. */
export function PushDevices({ devices, own, changed }: PushDevicesProps) {
  const test = useTest();
  if (devices.length === 0) return null;
  const sorted = [...devices].sort((a, b) => Number(b.id === own) - Number(a.id === own) || (b.created_at ?? 0) - (a.created_at ?? 0));
  return (
    <section class="settings-part">
      <h3>{t("pushDevices")}</h3>
      <ul class="session-list">
        {sorted.map((device) => {
          const name = nameOf(device);
          return (
            <li key={device.id} class="person-row">
              <span class="person-icon">
                <Icon of={device.kind === "webhook" ? Webhook : /iphone|android|mobile/i.test(device.name ?? "") ? Smartphone : Monitor} />
              </span>
              <span class="person-lines">
                <span class="cut">{name}</span>
                <span class="meta cut">{below(device, own)}</span>
              </span>
              <Button small tone="quiet" aria-label={t("pushTestOf", name)} busy={test.of === device.id} onClick={() => void test.run(device.id, device.id === own)}>
                {t("pushTest")}
              </Button>
              <IconButton small icon={Trash2} label={t("pushRemoveOf", name)} onClick={() => void attempt(removePushDevice(device.id), t("pushRemoved")).then(changed)} />
            </li>
          );
        })}
      </ul>
    </section>
  );
}

const nameOf = (device: PushDevice): string => device.name || device.host || (device.kind === "webhook" ? t("pushWebhook") : t("unknownDevice"));

function below(device: PushDevice, own: PushDeviceID | null): string {
  const last = device.last_ok_at ?? 0;
  const since = device.created_at ?? 0;
  if ((device.failures ?? 0) > 0) return t("pushFails");
  const when = last > 0 ? t("pushWorked", ago(last)) : since > 0 ? t("pushAdded", ago(since)) : "";
  return [device.id === own ? t("pushHere") : "", when].filter((part) => part !== "").join(" · ");
}

/** Sends a test; for this browser it also says whether it arrived. */
function useTest(): { readonly of: PushDeviceID | null; readonly run: (id: PushDeviceID, here: boolean) => Promise<void> } {
  const [of, setOf] = useState<PushDeviceID | null>(null);
  const late = useRef(0);
  const arrived = testArrived.value;
  const seen = useRef(arrived);
  useEffect(() => {
    if (arrived === seen.current) return;
    seen.current = arrived;
    clearTimeout(late.current);
    setOf(null);
    say(t("pushTestArrived"));
  }, [arrived]);
  useEffect(() => () => clearTimeout(late.current), []);
  const run = async (id: PushDeviceID, here: boolean): Promise<void> => {
    setOf(id);
    const sent = await attempt(testPushDevice(id), t("pushTestSent"));
    if (!sent || !here) return setOf(null);
    if (testArrived.peek() !== seen.current) return;
    late.current = window.setTimeout(() => {
      setOf(null);
      say(t("pushTestLate"), true);
    }, patience);
  };
  return { of, run };
}
