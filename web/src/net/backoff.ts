/** Full jitter (AWS Architecture Blog, 2015): a random part of base·2^n, at most cap. */
export class Backoff {
  private tries = 0;
  private readonly base: number;
  private readonly cap: number;
  private readonly random: () => number;

  constructor(o: { base?: number; cap?: number; random: () => number }) {
    this.base = o.base ?? 500;
    this.cap = o.cap ?? 30_000;
    this.random = o.random;
  }

  next(): number {
    const top = Math.min(this.cap, this.base * 2 ** Math.min(this.tries, 16));
    this.tries++;
    return Math.round(this.random() * top);
  }

  reset(): void {
    this.tries = 0;
  }
}
