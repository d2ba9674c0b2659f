/** Time and chance, injected so that tests need not wait. Times are device milliseconds. */
export interface Clock {
  now(): number;
  /** 0 <= x < 1 */
  random(): number;
  /** Calls f once after ms; the result cancels it. */
  after(ms: number, f: () => void): () => void;
}

export const realClock: Clock = {
  now: () => Date.now(),
  random: () => Math.random(),
  after: (ms, f) => {
    const t = setTimeout(f, ms);
    return () => clearTimeout(t);
  },
};
