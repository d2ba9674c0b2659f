import { useEffect, useState } from "preact/hooks";
import type { User } from "../../model/types";
import { searchPeople } from "../../sync/commands";

/** Asks the server for people by name once typing rests. `asking` until the answer to the present query is there. */
export function useSearch(query: string): { readonly q: string; readonly users: readonly User[]; readonly asking: boolean } {
  const [answer, setAnswer] = useState<{ readonly to: string; readonly users: readonly User[] }>({ to: "", users: [] });
  const q = query.trim();
  useEffect(() => {
    if (q === "") return undefined;
    let live = true;
    const timer = setTimeout(() => {
      searchPeople(q).then(
        (users) => live && setAnswer({ to: q, users }),
        () => live && setAnswer({ to: q, users: [] }),
      );
    }, 200);
    return () => {
      live = false;
      clearTimeout(timer);
    };
  }, [q]);
  return { q, users: q === "" ? [] : answer.users, asking: q !== "" && answer.to !== q };
}
