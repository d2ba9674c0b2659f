import { effect, signal } from "@preact/signals";
import { ring } from "../../state/alerts";

export type Sound = "off" | "soft" | "bright";

const key = "gori.sound";

function saved(): Sound {
  try {
    const value = localStorage.getItem(key);
    return value === "soft" || value === "bright" ? value : "off";
  } catch {
    return "off";
  }
}

const chosen = signal<Sound>(saved());

export function soundOf(): Sound {
  return chosen.value;
}

/** Chooses the sound of this browser and lets it be heard. */
export function chooseSound(to: Sound): void {
  chosen.value = to;
  try {
    localStorage.setItem(key, to);
  } catch {
    // kept until the page is closed
  }
  play(to);
}

/** Two short notes each: pitch in Hz, when they begin, s. */
const notes: Readonly<Record<Exclude<Sound, "off">, { readonly wave: OscillatorType; readonly loud: number; readonly tones: readonly (readonly [number, number])[] }>> = {
  soft: { wave: "sine", loud: 0.09, tones: [[587, 0], [784, 0.11]] },
  bright: { wave: "triangle", loud: 0.12, tones: [[1047, 0], [1568, 0.08]] },
};

let context: AudioContext | null = null;

function play(sound: Sound): void {
  if (sound === "off" || typeof AudioContext === "undefined") return;
  try {
    context ??= new AudioContext();
    void context.resume().catch(() => undefined); // not before somebody has touched the page
    if (context.state === "suspended" && !navigator.userActivation?.hasBeenActive) return;
    const { wave, loud, tones } = notes[sound];
    for (const [pitch, after] of tones) tone(context, wave, pitch, loud, context.currentTime + after);
  } catch {
    // no sound is no harm
  }
}

function tone(on: AudioContext, wave: OscillatorType, pitch: number, loud: number, at: number): void {
  const source = on.createOscillator();
  const volume = on.createGain();
  source.type = wave;
  source.frequency.value = pitch;
  volume.gain.setValueAtTime(0, at);
  volume.gain.linearRampToValueAtTime(loud, at + 0.012);
  volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.28);
  source.connect(volume).connect(on.destination);
  source.start(at);
  source.stop(at + 0.3);
}

/** Sounds when a message asks for it. Returns the way to stop. */
export function watchSound(): () => void {
  let last = ring.peek()?.at ?? 0;
  return effect(() => {
    const now = ring.value;
    if (now === null || now.at <= last) return;
    last = now.at;
    play(chosen.peek());
  });
}
