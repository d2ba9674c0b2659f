import { a } from "../../i18n/admin";
import { ago } from "../../i18n/time";
import type { NodeInfo } from "../../model/admin";
import { whole, share } from "./format";
import { Asked, Table } from "./parts";
import { usePoll } from "./use-poll";

/** The nodes and how many sessions each has. */
export function Nodes() {
  const nodes = usePoll((admin, signal) => admin.nodes(signal), 2_000);
  return (
    <Asked of={nodes}>
      {(list) => (
        <section class="admin-part">
          <p class="big num">{a("countSessions", list.reduce((sum, n) => sum + n.sessions, 0))}</p>
          <Table
            label={a("nodes")}
            rows={list}
            id={(n) => n.name}
            first="name"
            columns={[
              {
                key: "name", head: a("node"), by: (n) => n.name,
                cell: (n) => (
                  <span class="two-lines">
                    <strong>{n.name}</strong>
                    <span class="meta">{[n.region, n.self === true ? a("thisNode") : ""].filter((w) => w !== undefined && w !== "").join(" · ")}</span>
                  </span>
                ),
              },
              { key: "state", head: a("state"), by: stateOf, cell: (n) => <span class={n.draining ? "health" : n.ready ? "health good" : "health bad"}>{stateOf(n)}</span> },
              {
                key: "sessions", head: a("sessions"), by: (n) => n.sessions, right: true,
                cell: (n) => (
                  <>
                    {whole(n.sessions)} <span class="meta only-wide">{a("ofCapacity", n.capacity)}</span>
                  </>
                ),
              },
              { key: "cpu", head: a("cpu"), by: (n) => n.cpu, right: true, cell: (n) => share(n.cpu / 1000) },
              { key: "started", head: a("started2"), by: (n) => n.started_at, right: true, cell: (n) => ago(n.started_at) },
              { key: "pid", head: "PID", right: true, wide: true, cell: (n) => n.pid },
              { key: "version", head: a("programVersion"), wide: true, cell: (n) => <code>{n.version}</code> },
            ]}
          />
        </section>
      )}
    </Asked>
  );
}

function stateOf(n: NodeInfo): string {
  return n.draining ? a("draining") : n.ready ? a("ready") : a("notReady");
}
