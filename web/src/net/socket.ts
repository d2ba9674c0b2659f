// The connection: discover → open → resume → live, and back again, each time on the node that discovery names. It knows frames only through model/frame, and decides
// by the close code whether to come back.
import { parseFrame, type ClientFrame, type ServerFrame } from "../model/frame";
import { problemOf } from "../model/problem";
import type { Pos } from "../model/types";
import { Backoff } from "./backoff";
import type { Clock } from "./clock";

/** The two methods of a WebSocket that are used, and its events. */
export interface Wire {
  send(data: string): void;
  close(code: number, reason: string): void;
}
export interface WireEvents {
  open(): void;
  message(data: string): void;
  close(code: number): void;
}
export type Dial = (path: string, events: WireEvents) => Wire;

export type Phase = "connecting" | "catching-up" | "live" | "waiting" | "stopped";
export type Reason = "offline" | "lost" | "slow" | "drain" | "silent" | "replaced" | "overload" | "garbage" | "unsupported";

export interface Status {
  readonly phase: Phase;
  readonly retryAt?: number;
  readonly reason?: Reason;
}

export interface SocketEvents {
  status(s: Status): void;
  /** The position to resume from; 0 starts anew. */
  pos(): Promise<Pos>;
  frame(f: ServerFrame): void;
  /** The login is no more: revoked, or the account is disabled. */
  ended(why: "revoked" | "disabled"): void;
  /** Whether the person is there, for the heartbeat. */
  active(): boolean;
}

export interface SocketParts {
  readonly clock: Clock;
  readonly dial: Dial;
  readonly discover: () => Promise<{ node: string; ws: string }>;
  readonly online: () => boolean;
  readonly events: SocketEvents;
}

/** Silence after which the connection is taken for dead, though nobody closed it. */
const SILENT_MS = 45_000;
/** How long the way in may take, at the first try and at most: a node that hangs must not cost long, a slow network must
 *  not be given up. */
const OPEN_MS = 4_000;
const OPEN_MAX_MS = 20_000;
/** Over this long those spread who were told to come back at once. */
const SOON_MS = 500;

/** What a close code means; everything not named is a lost connection. */
function verdict(code: number): { again: "soon" | "later" | "no"; reason: Reason } {
  switch (code) {
    case 1012: case 4002: return { again: "soon", reason: "drain" };
    case 4001: return { again: "soon", reason: "slow" };
    case 4003: return { again: "soon", reason: "silent" };
    case 4004: return { again: "no", reason: "replaced" };
    case 4005: return { again: "later", reason: "overload" };
    case 1002: case 1003: case 1007: case 1009: case 4100: return { again: "later", reason: "garbage" };
    case 4103: return { again: "no", reason: "unsupported" };
    default: return { again: "later", reason: "lost" };
  }
}

export class Socket {
  private readonly p: SocketParts;
  private readonly backoff: Backoff;
  private wire: Wire | null = null;
  private phase: Phase = "stopped";
  private generation = 0; // events of an older wire are not ours any more
  private cancelRetry: () => void = () => {};
  private cancelBeat: () => void = () => {};
  private cancelSilence: () => void = () => {};
  private heartbeatMs = 17_000;
  private wasActive = false;
  /** Whether the present connection has been live: one that never was is not hurried back to. */
  private hasLived = false;
  /** The node of the present connection, and one that has just let us down: discovery may not know yet. */
  private node = "";
  private shunned = "";
  private tries = 0; // since the last connection that was live

  constructor(p: SocketParts) {
    this.p = p;
    this.backoff = new Backoff({ random: () => p.clock.random() });
  }

  start(): void {
    if (this.phase === "stopped") this.connect();
  }

  /** Leaves for good; `bye` tells the server that the person is gone. */
  stop(bye: boolean): void {
    if (bye && this.wire && this.phase !== "connecting") this.wire.send(JSON.stringify({ op: "bye" }));
    this.drop(1000);
    this.cancelRetry();
    this.set({ phase: "stopped" });
  }

  /** Tries now: the person asked, the network came back, or the page became visible. */
  nudge(): void {
    if (this.phase === "waiting" || (this.phase === "stopped" && this.replaced)) {
      this.replaced = false;
      this.backoff.reset();
      this.cancelRetry();
      this.connect();
    } else if (this.phase === "live") this.beat();
  }
  private replaced = false;

  /** The network is gone: nothing will come through the socket we have. */
  lost(): void {
    if (this.phase === "connecting" || this.phase === "catching-up" || this.phase === "live") this.closed(1006);
  }

  /** Sends if the socket can take frames; false means it was not sent. */
  send(f: ClientFrame): boolean {
    if (!this.wire || (this.phase !== "live" && this.phase !== "catching-up")) return false;
    this.wire.send(JSON.stringify(f));
    return true;
  }

  /** What was missed has been fetched. */
  caughtUp(heartbeatSeconds: number): void {
    if (this.phase !== "catching-up") return;
    this.heartbeatMs = heartbeatSeconds * 1000;
    this.backoff.reset();
    this.hasLived = true;
    this.shunned = "";
    this.tries = 0;
    this.set({ phase: "live" });
    this.scheduleBeat(Math.round(this.p.clock.random() * this.heartbeatMs));
  }

  /** Something went wrong while catching up: start over. */
  restart(): void {
    if (this.phase === "catching-up" || this.phase === "live") this.closed(1006);
  }

  /** The person came or went; told at once, as presence should not wait for a heartbeat. */
  activeChanged(): void {
    if (this.phase === "live" && this.p.events.active() !== this.wasActive) this.beat();
  }

  private connect(): void {
    const mine = ++this.generation;
    this.hasLived = false;
    this.set({ phase: "connecting" });
    this.armSilence(Math.min(OPEN_MAX_MS, OPEN_MS * 2 ** Math.min(this.tries++, 8)));
    void this.dial(mine);
  }

  private async dial(mine: number): Promise<void> {
    let path: string;
    let pos: Pos;
    try {
      [path, pos] = await Promise.all([this.place(), this.p.events.pos()]);
    } catch (err) {
      if (mine !== this.generation) return;
      const problem = problemOf(err);
      if (problem.code === "unauthenticated") {
        this.drop(1000);
        this.set({ phase: "stopped" });
        this.p.events.ended("revoked");
        return;
      }
      this.wait("later", problem.code === "offline" || problem.code === "timeout" ? "lost" : "overload", problem.after_ms);
      return;
    }
    if (mine !== this.generation) return;
    this.wire = this.p.dial(pos > 0 ? `${path}?resume=1` : path, {
      open: () => this.opened(mine, pos),
      message: (data) => this.received(mine, data),
      close: (code) => {
        if (mine === this.generation) this.closed(code);
      },
    });
  }

  /** Where to go now. A dead node may be named for seconds; asking once more mostly names another. */
  private async place(): Promise<string> {
    let found = await this.p.discover();
    if (found.node === this.shunned) found = await this.p.discover();
    this.node = found.node;
    return found.ws;
  }

  private opened(mine: number, pos: Pos): void {
    if (mine !== this.generation || !this.wire) return;
    this.wire.send(JSON.stringify({ op: "resume", v: 1, pos } satisfies ClientFrame));
    this.set({ phase: "catching-up" });
    this.armSilence(OPEN_MAX_MS);
  }

  private received(mine: number, data: string): void {
    if (mine !== this.generation) return;
    this.armSilence(SILENT_MS);
    let frame: ServerFrame | null;
    try {
      frame = parseFrame(data);
    } catch (err) {
      console.error("a frame that does not keep the protocol", err);
      return;
    }
    if (frame) this.p.events.frame(frame);
  }

  private closed(code: number): void {
    this.drop(1000);
    if (code === 4101 || code === 4102) {
      this.set({ phase: "stopped" });
      this.p.events.ended(code === 4101 ? "revoked" : "disabled");
      return;
    }
    const v = verdict(code);
    if (code === 1006) this.shunned = this.node;
    if (v.again === "no") {
      this.replaced = v.reason === "replaced";
      this.set({ phase: "stopped", reason: v.reason });
    } else this.wait(v.again, v.reason);
  }

  /** `atLeast`: what the server asked for, ms. The jitter comes on top, else all would come back in the same moment. */
  private wait(when: "soon" | "later", reason: Reason, atLeast = 0): void {
    this.drop(1000);
    const soon = when === "soon" && this.hasLived;
    const ms = atLeast + (soon ? Math.round(this.p.clock.random() * SOON_MS) : this.backoff.next());
    const why = this.p.online() ? reason : "offline";
    this.set({ phase: "waiting", retryAt: this.p.clock.now() + ms, reason: why });
    this.cancelRetry();
    this.cancelRetry = this.p.clock.after(ms, () => {
      if (this.phase === "waiting") this.connect();
    });
  }

  private drop(code: number): void {
    this.generation++;
    this.cancelBeat();
    this.cancelSilence();
    const wire = this.wire;
    this.wire = null;
    wire?.close(code, "");
  }

  private beat(): void {
    this.wasActive = this.p.events.active();
    this.send({ op: "ping", active: this.wasActive });
    this.scheduleBeat(this.heartbeatMs);
  }

  private scheduleBeat(ms: number): void {
    this.cancelBeat();
    this.cancelBeat = this.p.clock.after(ms, () => this.beat());
  }

  private armSilence(ms: number): void {
    this.cancelSilence();
    this.cancelSilence = this.p.clock.after(ms, () => this.closed(1006));
  }

  private set(s: Status): void {
    this.phase = s.phase;
    this.p.events.status(s);
  }
}
