// A server in memory, as far as one account's client can see it: one channel, its counters, the user's inbox, sockets that
// can be cut and frames that can be lost on the way.
import type { ClientFrame, ServerFrame } from "../model/frame";
import { Refused } from "../model/problem";
import type { Channel, Friend, InboxEntry, InboxPage, Member, Message, Page, PresenceState, Self, UserID } from "../model/types";
import { DEFAULT_LIMITS } from "../model/types";
import type { Api, PageQuery } from "../net/api";
import type { Dial, WireEvents } from "../net/socket";
import { CH, idOf, ME, YOU } from "./fakes";

const self: Self = { id: ME, login_name: "me", display_name: "Me", avatar_color: 0, admin: false, lang: "" };

export class FakeServer {
  readonly log: Message[] = [];
  change = 0;
  pos = 1;
  readSeq = 0;
  /** The next frame is lost between nodes; the inbox tells of it later. */
  loseNext = false;
  /** The next send is refused for a moment. */
  refuseNext = false;
  /** The next ack is lost with its connection. */
  cutAfterNextSend = false;
  /** The next fetch of history gets no answer in time. */
  stallNext = false;
  reachable = true;
  generation = 0;
  friends: Friend[] = [];
  /** What the node says of the friends; whoever is not in it, the node is not sure of. */
  presence: PresenceState[] = [];
  private wire: WireEvents | null = null;
  private foreign = 0;

  readonly dial: Dial = (_path, events) => {
    if (!this.reachable) {
      queueMicrotask(() => events.close(1006));
      return { send: () => {}, close: () => {} };
    }
    this.wire?.close(1006);
    this.wire = events;
    queueMicrotask(() => events.open());
    return {
      send: (d) => void (this.wire === events && this.received(JSON.parse(d) as ClientFrame)),
      close: () => {
        if (this.wire === events) this.wire = null;
      },
    };
  };

  /** Someone else says something. */
  say(): void {
    const seq = this.log.length + 1;
    this.append({ channel: CH, seq, n: seq, sender: YOU, client_msg_id: idOf(500_000 + ++this.foreign), body: `theirs ${seq}`, at: seq });
  }

  /** It is restored from a backup that was made after `seq`. */
  restore(seq: number): void {
    this.cut();
    this.log.length = seq;
    this.generation++;
  }

  alter(seq: number): void {
    const old = this.log[seq - 1];
    if (!old) return;
    this.change++;
    const m = { ...old, change: this.change, edited_at: 1, body: `${old.body.split(" as of")[0]} as of ${this.change}` };
    this.log[seq - 1] = m;
    this.tell({ op: "change", message: m });
    this.pos++;
    this.tellInbox();
  }

  cut(code = 1006): void {
    const w = this.wire;
    this.wire = null;
    w?.close(code);
  }

  /** What the node finds out by itself after a loss: the inbox is ahead. */
  tellInbox(): void {
    this.push({ op: "inbox", pos: this.pos, entries: [this.entry()] });
  }

  entry(): InboxEntry {
    const last = this.log.length;
    return {
      channel: CH, kind: 1, peer: YOU, member: true, pos: this.pos, last_seq: last, last_n: last, last_change: this.change, last_at: last,
      read_seq: this.readSeq, read_n: this.readSeq, mentions: 0, level: 0, pinned: false,
    };
  }

  api(): Api {
    const up = async <T>(f: () => T): Promise<T> => {
      await Promise.resolve();
      if (!this.reachable) throw new Refused({ code: "offline", message: "", retry: true });
      return f();
    };
    const part = {
      discover: () => up(() => ({ node: "n1", ws: "/n/n1/ws" })),
      inbox: () => up((): InboxPage => ({ pos: this.pos, entries: [this.entry()], more: false })),
      messages: (_id: unknown, q: PageQuery) => up(() => {
        if (this.stallNext) {
          this.stallNext = false;
          throw new Refused({ code: "timeout", message: "", retry: true });
        }
        return this.page(q);
      }),
      changes: (_id: unknown, after: number, upTo: number, limit: number) => up((): Page => {
        const all = this.log.filter((m) => (m.change ?? 0) > after && m.seq <= upTo).sort((a, b) => a.change! - b.change!);
        return { ...this.facts(), messages: all.slice(0, limit), more_before: false, more_after: all.length > limit };
      }),
      channel: () => up((): Channel => ({
        id: CH, kind: 1, name: "", created_at: 1, last_seq: this.log.length, last_n: this.log.length, last_change: this.change,
        member_count: 2, member_limit: 2, member_version: 1, role: 1,
      })),
      members: () => up((): { members: Member[]; users: never[] } => ({
        members: [ME, YOU].map((user: UserID) => ({ user, role: 1, joined_at: 1, read_seq: user === ME ? this.readSeq : 0 })), users: [],
      })),
      usersByID: () => up(() => ({ users: [] })),
    };
    return part as unknown as Api;
  }

  private facts() {
    return { last_seq: this.log.length, last_change: this.change };
  }

  private page(q: PageQuery): Page {
    const limit = q.limit ?? 50;
    const n = this.log.length;
    let from = Math.max(1, n - limit + 1);
    let to = n;
    if (q.after !== undefined) [from, to] = [q.after + 1, Math.min(n, q.after + limit)];
    else if (q.before !== undefined) [from, to] = [Math.max(1, q.before - limit), q.before - 1];
    else if (q.around !== undefined) [from, to] = [Math.max(1, q.around - Math.floor(limit / 2)), Math.min(n, q.around + Math.floor(limit / 2))];
    return { ...this.facts(), messages: this.log.slice(from - 1, to), more_before: from > 1, more_after: to < n };
  }

  private received(f: ClientFrame): void {
    if (f.op === "resume") {
      const entries = f.pos < this.pos ? [this.entry()] : [];
      this.push({
        op: "resumed", me: self, login: "1" as never, session: "s", node: "n1", pos: this.pos, entries, more: false, friends: this.friends, people: [],
        presence: this.presence, limits: DEFAULT_LIMITS, now: 1, ...(this.generation > 0 ? { generation: this.generation } : {}),
      });
    } else if (f.op === "send") this.stored(f);
    else if (f.op === "read") {
      this.readSeq = Math.max(this.readSeq, Math.min(f.seq, this.log.length));
      this.pos++;
      this.tellInbox();
    } else if (f.op === "ping") this.push({ op: "pong", now: 1 });
  }

  private stored(f: Extract<ClientFrame, { op: "send" }>): void {
    if (this.refuseNext) {
      this.refuseNext = false;
      this.push({ op: "nack", client_msg_id: f.client_msg_id, code: "moving", message: "", retry: true, after_ms: 20 });
      return;
    }
    const twin = this.log.find((m) => m.sender === ME && m.client_msg_id === f.client_msg_id);
    const seq = twin?.seq ?? this.log.length + 1;
    if (!twin) this.append({ channel: CH, seq, n: seq, sender: ME, client_msg_id: f.client_msg_id, body: f.body, at: seq });
    if (this.cutAfterNextSend) {
      this.cutAfterNextSend = false;
      this.cut();
      return;
    }
    this.push({ op: "ack", channel: CH, client_msg_id: f.client_msg_id, seq, n: seq, at: seq, ...(twin ? { dup: true } : {}) });
  }

  private append(m: Message): void {
    this.log.push(m);
    this.pos++;
    this.tell({ op: "msg", message: m });
    this.tellInbox();
  }

  private tell(f: ServerFrame): void {
    if (this.loseNext) this.loseNext = false;
    else this.push(f);
  }

  private push(f: ServerFrame): void {
    this.wire?.message(JSON.stringify(f));
  }
}
